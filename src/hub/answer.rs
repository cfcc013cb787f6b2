//! What a poll is told. Plain data, shared between polls with equal subscriptions.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::subscription::Subscription;
use crate::change::{Batch, Change};
use crate::cursor::Cursor;

/// The answer to one poll. Its cursor holds for every subscription of the poll, those that are not in `answers` too.
#[derive(Debug)]
pub struct Answer {
    pub cursor: Arc<Cursor>,
    pub answers: Vec<SubscriptionAnswer>,
    /// Come back only after this.
    pub retry_after: Option<Duration>,
    /// When its client was told, past the task that waits for it: nothing else is left of the answer then.
    pub told_at: Option<Instant>,
    /// The encoded form, made by whoever needs it first.
    pub body: OnceLock<Bytes>,
}

#[derive(Debug)]
pub struct SubscriptionAnswer {
    /// The subscription's name in its poll.
    pub id: Arc<str>,
    pub told: Told,
}

/// What a subscription is told.
#[derive(Debug)]
pub enum Told {
    /// In order; `true` beside one whose new row no longer matches the subscription's filter.
    Changes(Vec<(Arc<Change>, bool)>),
    /// Read the table anew.
    Reset,
}

impl Answer {
    pub fn new(cursor: Arc<Cursor>, answers: Vec<SubscriptionAnswer>) -> Answer {
        Answer { cursor, answers, retry_after: None, told_at: None, body: OnceLock::new() }
    }

    /// What is left of an answer that its client has been told by now.
    pub fn told(cursor: Arc<Cursor>, at: Instant) -> Answer {
        Answer { told_at: Some(at), ..Answer::new(cursor, Vec::new()) }
    }
}

/// What batches hold for a subscription from `since` on; None if nothing. What it takes is taken from `left`, which is its poll's;
/// where that is not enough, the subscription gets a reset, and takes nothing.
pub fn told_since<'a>(
    subscription: &Subscription,
    since: &Cursor,
    batches: impl IntoIterator<Item = &'a Batch>,
    left: &mut usize,
) -> Option<Told> {
    let mut changes = Vec::new();
    let mut bytes = 0;
    for batch in batches {
        if batch.resets.get(&subscription.relation).is_some_and(|unseen| unseen.any_unseen(|xid| since.snapshot.sees(xid))) {
            return Some(Told::Reset);
        }
        for change in &batch.changes {
            if change.relation != subscription.relation || since.snapshot.sees(change.xid) {
                continue;
            }
            if let Some(leaves) = subscription.concerned(change) {
                bytes += size(change);
                if bytes > *left {
                    return Some(Told::Reset);
                }
                changes.push((change.clone(), leaves));
            }
        }
    }
    *left -= bytes;
    (!changes.is_empty()).then_some(Told::Changes(changes))
}

/// What a change takes of an answer, in bytes.
pub fn size(change: &Change) -> usize {
    let image = |image: &Option<crate::change::Image>| image.as_ref().map_or(0, |image| image.json().get().len());
    image(&change.old) + image(&change.new) + change.key.get().len() + 80
}

/// A batch's changes by subscription, while they are being gathered.
pub type Gathered = HashMap<usize, Told>;

/// The gathered changes as answers, in the poll's own order.
pub fn in_poll_order(subscriptions: &[Subscription], mut gathered: Gathered) -> Vec<SubscriptionAnswer> {
    let answer = |(place, subscription): (usize, &Subscription)| {
        gathered.remove(&place).map(|told| SubscriptionAnswer { id: subscription.id.clone(), told })
    };
    subscriptions.iter().enumerate().filter_map(answer).collect()
}
