//! `POST /api/_listen`: PBP's own long poll, so that a page that was written for PBP works unchanged.
//!
//! The body has an entry a tab: what it listens to, and the mtime that it was told last. The answer names, by their
//! places, the entries that have news, each with the mtime to come back with. PBP's page then reads its tables anew; what
//! changed is not told. So what is told at once without need costs a read, and what is not told is lost.

mod recent;
mod tokens;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::value::RawValue;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

use super::{App, Response, body, fields, full, guard, problem};
use crate::change::{Batch, Change};
use crate::cursor::Cursor;
use crate::error::{Error, Kind, Result};
use crate::filter::Wanted;
use crate::hub::{Poll, Since, Subscription, Told};

pub use tokens::Tokens;
use tokens::{Micros, Topic};

/// How long a poll waits for news.
const WAIT: Duration = Duration::from_secs(30);

/// How many of the latest changes are looked through for the newest mtime of an entry that is answered at once.
const LOOKED_THROUGH: usize = 1_000;

/// What one tab listens to, as the body has it. Fields that are not known here are passed over.
#[derive(Deserialize)]
struct WantedEntry {
    laterthan: Option<Box<RawValue>>,
    types: Vec<WantedType>,
}

#[derive(Deserialize)]
struct WantedType {
    r#type: String,
    constraints: Option<BTreeMap<String, Box<RawValue>>>,
}

/// What one tab listens to, found in the catalog.
struct Entry {
    /// The mtime that it was told last; 0 where it was told none.
    token: Micros,
    subscriptions: Vec<Subscription>,
    topic: Topic,
    /// What the token stands for. An entry with none is answered at once.
    since: Option<Arc<Cursor>>,
}

impl Entry {
    fn is_concerned_by(&self, change: &Change) -> bool {
        self.subscriptions.iter().any(|one| one.relation == change.relation && one.concerned(change).is_some())
    }

    fn is_reset_by(&self, batch: &Batch) -> bool {
        self.subscriptions.iter().any(|one| batch.resets.contains_key(&one.relation))
    }
}

/// Answers a request for `/api/_listen`.
pub async fn handle(app: Arc<App>, head: Parts, incoming: &mut Incoming) -> Result<Response> {
    if head.method != Method::POST {
        return Ok(problem::not_allowed(&head.method, "POST"));
    }
    // jQuery labels as a form whatever it sends; the origin has been checked, so the label keeps nobody out here.
    let label = guard::content_type(&head.headers)?;
    if !["application/json", "application/x-www-form-urlencoded"].contains(&label.as_str()) {
        return Err(Error::new(Kind::UnsupportedMediaType, format!("the body is {label}: send JSON, as application/json or as a form")));
    }
    let body = body::read(incoming, &head, &app.config.limits).await?;
    let wanted: Vec<WantedEntry> = serde_json::from_slice(&body)
        .map_err(|error| Error::bad_request(format!("the body is not what POST /api/_listen takes, an array of entries: {error}")))?;
    let _open = app.hub.enter()?;
    let entries = resolve(&app, wanted).await?;
    let news = listen(&app, &entries).await?;
    let news: Vec<String> =
        news.iter().map(|(place, mtime)| format!("{{\"i\":{place},\"mtime\":{}.{:03}}}", mtime / 1_000, mtime % 1_000)).collect();
    let mut response = full(200, "application/json", format!("[{}]", news.join(",")));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Waits for news of any entry. Returns the places of those that have some, each with the mtime that it is told.
async fn listen(app: &App, entries: &[Entry]) -> Result<Vec<(usize, Micros)>> {
    let since = |entry: &Entry| entry.since.clone().map_or(Since::Now, Since::Cursor);
    let subscriptions: Vec<_> = entries.iter().flat_map(|entry| entry.subscriptions.iter().cloned()).collect();
    let poll = Poll::new(subscriptions, entries.iter().flat_map(|entry| entry.subscriptions.iter().map(|_| since(entry))).collect());
    let at_once = poll.since.iter().any(|since| matches!(since, Since::Now));
    let deadline = if at_once { Instant::now() } else { Instant::now() + WAIT };
    let answer = app.answer(&poll, deadline).await?;
    if answer.retry_after.is_some() {
        // The server stops: every page keeps its token.
        return Ok(Vec::new());
    }
    let mut told: HashMap<&str, Option<Micros>> = HashMap::new();
    for one in &answer.answers {
        let newest = newest_told(&one.told);
        told.entry(&one.id).and_modify(|known| *known = known.zip(newest).map(|(known, newest)| known.max(newest))).or_insert(newest);
    }
    let recent = app.hub.batches_until(&answer.cursor, LOOKED_THROUGH);
    let mut news = Vec::new();
    for (place, entry) in entries.iter().enumerate().filter(|(_, entry)| !entry.subscriptions.is_empty()) {
        let newest = match (&entry.since, told.get(&*entry.subscriptions[0].id)) {
            (None, _) => newest_recent(&recent, entry),
            (Some(_), Some(newest)) => *newest,
            (Some(_), None) => {
                app.tokens.had_no_news(entry.token, entry.topic.clone(), answer.cursor.clone());
                continue;
            }
        };
        let last = recent.iter().find(|batch| entry.is_reset_by(batch) || batch.changes.iter().any(|change| entry.is_concerned_by(change)));
        let alone = newest.is_some_and(|newest| last.is_some_and(|batch| is_alone(newest, batch)));
        // After that batch there was nothing for the entry: so one number holds for all who are told it, however much later.
        let cursor = last.map_or(&answer.cursor, |batch| &batch.to);
        news.push((place, app.tokens.hand_out(newest, alone, entry.token, cursor)));
    }
    Ok(news)
}

async fn resolve(app: &App, wanted: Vec<WantedEntry>) -> Result<Vec<Entry>> {
    let (count, most) = (wanted.iter().map(|entry| entry.types.len()).sum::<usize>(), app.config.limits.subscriptions);
    if count > most || wanted.len() > most {
        return Err(Error::bad_request(format!(
            "{} entries with {count} types are more than the {most} that one poll may carry",
            wanted.len()
        )));
    }
    let mut entries = Vec::with_capacity(wanted.len());
    for (place, entry) in wanted.into_iter().enumerate() {
        let token = token(entry.laterthan.as_deref())?;
        let mut subscriptions = Vec::with_capacity(entry.types.len());
        for one in entry.types {
            let constraints = one.constraints.unwrap_or_default().into_iter();
            let filter = constraints.map(|(column, value)| Ok((column, fields::json_value(&value)?))).collect::<Result<Wanted>>()?;
            // All of an entry are called by its place: whichever has news, it is the entry that is told.
            subscriptions.push(app.follow.subscription(&place.to_string(), &one.r#type, filter).await?);
        }
        let topic: Topic = subscriptions.iter().map(|one| (one.relation, one.filter.clone())).collect();
        let since = app.tokens.cursor(token, &topic);
        entries.push(Entry { token, subscriptions, topic, since });
    }
    Ok(entries)
}

/// A `laterthan`, which is an mtime as it was handed out, in milliseconds: a page may have kept it as text. What no mtime can
/// be is 0, which is never handed out.
fn token(laterthan: Option<&RawValue>) -> Result<Micros> {
    let Some(text) = laterthan.map(RawValue::get) else { return Ok(0) };
    let number = match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text) {
        "" => 0.0,
        digits => {
            digits.parse::<f64>().map_err(|_| Error::bad_request(format!("laterthan is {text}, but must be a number of milliseconds")))?
        }
    };
    // A float that is out of range becomes the nearest integer, and one that is no number 0.
    Ok(((number * 1_000.0).round() as Micros).clamp(0, Micros::MAX / 2))
}

/// The newest mtime of what an entry was told. None where that is a reset, whose time is not known.
fn newest_told(told: &Told) -> Option<Micros> {
    match told {
        Told::Changes(changes) => changes.iter().filter_map(|(change, _)| mtime(change)).max(),
        Told::Reset => None,
    }
}

/// The newest mtime of the recent changes that concern an entry. None where the latest of them cannot be told row by row.
fn newest_recent(recent: &[Arc<Batch>], entry: &Entry) -> Option<Micros> {
    let mut newest = None;
    for change in recent.iter().take_while(|batch| !entry.is_reset_by(batch)).flat_map(|batch| &batch.changes) {
        let at = mtime(change);
        if at > newest && entry.is_concerned_by(change) {
            newest = at;
        }
    }
    newest
}

/// Whether a batch is one transaction, with a change of this time. Whoever was told that time, by whichever server, has then
/// seen all up to the batch's end.
fn is_alone(time: Micros, batch: &Batch) -> bool {
    let one = batch.changes.windows(2).all(|pair| pair[0].xid == pair[1].xid);
    one && batch.resets.is_empty() && batch.changes.iter().any(|change| mtime(change) == Some(time))
}

fn mtime(change: &Change) -> Option<Micros> {
    let text: String = serde_json::from_str(change.mtime.get()).ok()?;
    let time = OffsetDateTime::parse(&text, &Rfc3339).ok()?;
    Micros::try_from(time.unix_timestamp_nanos() / 1_000).ok()
}

#[cfg(test)]
mod tests;
