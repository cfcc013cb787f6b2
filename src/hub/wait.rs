//! A poll's way through the hub: answered from the ring, sent to the log, or parked until something concerns it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, Gathered, Told, in_poll_order, told_since};
use super::letter::{Line, Reader};
use super::parked::Spot;
use super::subscription::Subscription;
use super::{Hub, State};
use crate::change::Batch;
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// Where a subscription goes on from.
#[derive(Clone, Debug)]
pub enum Since {
    /// From the moment the poll arrived.
    Now,
    Cursor(Arc<Cursor>),
}

/// One poll: subscriptions, and where each goes on from, in the same order.
#[derive(Clone, Debug)]
pub struct Poll {
    pub subscriptions: Arc<[Subscription]>,
    pub since: Vec<Since>,
    /// The way to its client past the task that waits for the answer.
    pub line: Option<Arc<dyn Line>>,
}

impl Poll {
    pub fn new(subscriptions: impl Into<Arc<[Subscription]>>, since: Vec<Since>) -> Poll {
        Poll { subscriptions: subscriptions.into(), since, line: None }
    }

    /// "now" is the tip of a read that began after the poll arrived: what was committed before is not told.
    fn beginning_at(&self, tip: &Arc<Cursor>) -> Poll {
        let resolve = |since: &Since| match since {
            Since::Now => Since::Cursor(tip.clone()),
            cursor => cursor.clone(),
        };
        Poll { since: self.since.iter().map(resolve).collect(), ..self.clone() }
    }
}

/// What became of a poll.
pub enum Outcome {
    Answered(Arc<Answer>),
    /// The ring no longer reaches back to these subscriptions' cursors, given by place: what they have not seen up to
    /// the cursor `to` must be read from the log.
    Behind {
        to: Arc<Cursor>,
        places: Vec<usize>,
    },
}

/// What one look at the state decided.
enum Look {
    Done(Outcome),
    /// Gather from these batches, outside the lock.
    Gather {
        to: Arc<Cursor>,
        batches: Vec<Arc<Batch>>,
        reset: Vec<usize>,
    },
    /// A cursor is newer than the tip.
    Ahead,
    Parked(Spot, Reader),
}

impl Hub {
    /// Waits until something concerns the poll, or until the deadline: then the answer is nothing but a newer cursor.
    /// Dropping the future frees the poll's place at once; nothing is lost with it, because the client keeps its cursor.
    pub async fn wait(&self, poll: &Poll, deadline: Instant) -> Result<Outcome> {
        if poll.since.iter().any(|since| matches!(since, Since::Now)) {
            self.read_afresh().await?;
            return self.wait_from(&poll.beginning_at(&self.tip()), deadline).await;
        }
        if deadline <= Instant::now() {
            // Who does not wait asks for the state of this moment: what is committed by now is told now.
            self.read_afresh().await?;
        }
        self.wait_from(poll, deadline).await
    }

    /// A read that begins now. Few polls need one: those that park do not keep room for it.
    async fn read_afresh(&self) -> Result<()> {
        Box::pin(self.freshness.read(PATIENCE)).await
    }

    /// The same for a poll all of whose subscriptions have cursors.
    async fn wait_from(&self, poll: &Poll, deadline: Instant) -> Result<Outcome> {
        let mut fresh = false;
        let mut seen: Option<Arc<Cursor>> = None;
        loop {
            let look = self.look(poll, fresh, seen.as_deref());
            match look {
                Look::Done(outcome) => return Ok(outcome),
                Look::Gather { to, batches, reset } => {
                    let answers = self.gather(poll, &batches, &reset);
                    if !answers.is_empty() {
                        let answers = in_poll_order(&poll.subscriptions, answers);
                        self.counts.from_ring.inc();
                        return Ok(Outcome::Answered(Arc::new(Answer::new(to, answers))));
                    }
                    seen = Some(to);
                }
                Look::Ahead => {
                    self.read_afresh().await?;
                    fresh = true;
                }
                Look::Parked(spot, reader) => return Ok(Outcome::Answered(self.parked(spot, reader, deadline).await?)),
            }
        }
    }

    /// Decides under the lock: what is read and whether to park are one step, so that no batch falls between them.
    /// `seen` is the tip up to which an earlier look found nothing.
    fn look(&self, poll: &Poll, fresh: bool, seen: Option<&Cursor>) -> Look {
        let mut state = self.lock();
        let tip = state.ring.tip().clone();
        if let Some(retry_after) = state.closed {
            let answer = Answer { retry_after: Some(retry_after), ..Answer::new(tip, Vec::new()) };
            return Look::Done(Outcome::Answered(Arc::new(dismissal(answer, poll))));
        }
        let mut reset = Vec::new();
        let mut behind = Vec::new();
        let mut batches: Vec<Arc<Batch>> = Vec::new();
        for (place, cursor) in cursors(poll) {
            match state.standing(&poll.subscriptions[place], cursor) {
                Standing::Reset => reset.push(place),
                Standing::Ahead if !fresh => return Look::Ahead,
                // Newer than a read that began after the poll arrived: a cursor from another history.
                Standing::Ahead => reset.push(place),
                Standing::Behind => behind.push(place),
                Standing::Within if seen.is_some_and(|seen| *seen == *tip) => {}
                Standing::Within => batches = longer(batches, state.ring.since(cursor)),
            }
        }
        if !behind.is_empty() {
            return Look::Done(Outcome::Behind { to: tip, places: behind });
        }
        if batches.is_empty() && reset.is_empty() {
            let (spot, reader) = state.parked.park(&poll.subscriptions, poll.line.clone());
            return Look::Parked(spot, reader);
        }
        Look::Gather { to: tip, batches, reset }
    }

    fn gather(&self, poll: &Poll, batches: &[Arc<Batch>], reset: &[usize]) -> Gathered {
        let mut left = self.limits.answer_bytes;
        let told = |(place, cursor): (usize, &Arc<Cursor>)| {
            let told = if reset.contains(&place) {
                Some(Told::Reset)
            } else {
                told_since(&poll.subscriptions[place], cursor, batches.iter().map(Arc::as_ref), &mut left)
            };
            told.map(|told| (place, told))
        };
        cursors(poll).filter_map(told).collect()
    }

    /// Answers a poll that is behind the ring, up to `to`: `places` from what was read of the log, those of them in `lost`,
    /// where the log no longer reaches back, with a reset, and the others from the ring.
    pub fn answer_behind(&self, poll: &Poll, to: &Arc<Cursor>, read: &Batch, places: &[usize], lost: &[usize]) -> Answer {
        let mut reset = lost.to_vec();
        let mut ring: Vec<Arc<Batch>> = Vec::new();
        {
            let state = self.lock();
            for (place, cursor) in cursors(poll) {
                match state.standing(&poll.subscriptions[place], cursor) {
                    Standing::Reset => reset.push(place),
                    _ if places.contains(&place) => {}
                    Standing::Within => ring = longer(ring, state.ring.since(cursor)),
                    // The ring moved on while the log was read.
                    Standing::Ahead | Standing::Behind => reset.push(place),
                }
            }
        }
        // What the ring got since `to` belongs to the next poll.
        ring.retain(|batch| to.snapshot.includes(&batch.to.snapshot));
        let mut left = self.limits.answer_bytes;
        let told = |(place, cursor): (usize, &Arc<Cursor>)| {
            let subscription = &poll.subscriptions[place];
            let told = if reset.contains(&place) {
                Some(Told::Reset)
            } else if places.contains(&place) {
                told_since(subscription, cursor, [read], &mut left)
            } else {
                told_since(subscription, cursor, ring.iter().map(Arc::as_ref), &mut left)
            };
            told.map(|told| (place, told))
        };
        let answers = in_poll_order(&poll.subscriptions, cursors(poll).filter_map(told).collect());
        if !answers.is_empty() {
            self.counts.from_log.inc();
        }
        Answer::new(to.clone(), answers)
    }

    async fn parked(&self, spot: Spot, mut reader: Reader, deadline: Instant) -> Result<Arc<Answer>> {
        self.counts.parked.inc();
        let mut place = Place { hub: self, spot: Some(spot) };
        let never = |_| Error::internal("a poll's answer was made and never sent");
        match timeout_at(deadline, &mut reader).await {
            Ok(answer) => {
                // Whoever answered has taken the poll out.
                place.spot = None;
                answer.map_err(never)
            }
            Err(_) => match place.leave() {
                Some(tip) => Ok(Arc::new(Answer::new(tip, Vec::new()))),
                // A batch took the poll out at this very moment: the tip is past what the poll has yet to be told.
                None => reader.await.map_err(never),
            },
        }
    }
}

/// Where a cursor stands to the ring.
enum Standing {
    /// Of another history, or from before its table got its present shape.
    Reset,
    /// Newer than the tip, at least in part.
    Ahead,
    /// The ring no longer holds all that it has not seen.
    Behind,
    Within,
}

impl State {
    fn standing(&self, subscription: &Subscription, cursor: &Cursor) -> Standing {
        let shaped = self.shaped.get(&subscription.relation);
        let known = cursor.epoch == self.ring.tip().epoch || self.past.contains(&cursor.epoch);
        if !known || shaped.is_some_and(|shaped| !cursor.snapshot.includes(&shaped.snapshot)) {
            Standing::Reset
        } else if !self.ring.tip().snapshot.includes(&cursor.snapshot) {
            Standing::Ahead
        } else if self.ring.reaches(cursor) {
            Standing::Within
        } else {
            Standing::Behind
        }
    }
}

/// Of two tails of the ring the one that reaches back further.
fn longer(one: Vec<Arc<Batch>>, other: Vec<Arc<Batch>>) -> Vec<Arc<Batch>> {
    if one.len() >= other.len() { one } else { other }
}

/// How long a poll waits for a read that it needs before it can be parked.
const PATIENCE: Duration = Duration::from_secs(5);

/// A poll's cursors by place. "now" has been resolved by now.
pub fn cursors(poll: &Poll) -> impl Iterator<Item = (usize, &Arc<Cursor>)> {
    poll.since.iter().enumerate().filter_map(|(place, since)| match since {
        Since::Cursor(cursor) => Some((place, cursor)),
        Since::Now => None,
    })
}

/// At shutdown the tip holds for a poll only if the poll has missed nothing up to it: otherwise its own cursor comes back,
/// which needs one cursor for all; where its subscriptions have several, they are told to read anew.
fn dismissal(answer: Answer, poll: &Poll) -> Answer {
    let mut own = cursors(poll).map(|(_, cursor)| cursor);
    let Some(first) = own.next().cloned() else { return answer };
    if own.all(|cursor| **cursor == *first) {
        return Answer { cursor: first, ..answer };
    }
    let resets = (0..poll.subscriptions.len()).map(|place| (place, Told::Reset)).collect();
    Answer { answers: in_poll_order(&poll.subscriptions, resets), ..answer }
}

/// A parked poll's place, freed when the poll ends in whatever way.
struct Place<'a> {
    hub: &'a Hub,
    /// None once it has been freed.
    spot: Option<Spot>,
}

impl Place<'_> {
    /// Leaves, and tells the tip up to which nothing concerned the poll; None if it was taken out to be answered.
    fn leave(&mut self) -> Option<Arc<Cursor>> {
        let spot = self.spot.take()?;
        let mut state = self.hub.lock();
        let left = state.parked.leave(&spot).then(|| state.ring.tip().clone());
        drop(state);
        if left.is_some() {
            self.hub.counts.parked.dec();
        }
        left
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}
