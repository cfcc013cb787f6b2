//! `/notify`: many subscriptions in one poll by POST, a single one by GET.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderValue};
use hyper::http::request::Parts;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::connection::wire::Wire;
use super::poll_body::PollBody;
use super::{App, Response, encode, fields, full, problem, stream, with_body};
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::filter::{Wanted, parse_operand};
use crate::hub::{Answer, BrowserId, Poll, Seat, Since, Subscription};

const JSON: &str = "application/json";

/// How long a poll waits for news: unless it says, and at most.
const WAIT_SECONDS: (u64, u64) = (30, 120);

/// The body of `POST /notify`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    browser: Option<String>,
    term: Option<u64>,
    wait: Option<u64>,
    heartbeat: Option<u64>,
    subscriptions: Vec<WantedSubscription>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WantedSubscription {
    id: String,
    table: String,
    since: String,
    #[serde(default, rename = "where")]
    filter: BTreeMap<String, Box<RawValue>>,
}

/// A poll on its way. Its seat is given up when it is dropped.
pub struct Waiting {
    poll: Poll,
    wait: Duration,
    seat: Option<Seat>,
}

/// `POST /notify`.
pub async fn post(app: Arc<App>, body: Bytes) -> Result<Response> {
    let request: Request =
        serde_json::from_slice(&body).map_err(|error| Error::bad_request(format!("the body is not what POST /notify takes: {error}")))?;
    let wait = wait(request.wait)?;
    let heartbeat = match request.heartbeat {
        None => None,
        Some(seconds @ 1..=60) => Some(Duration::from_secs(seconds)),
        Some(other) => return Err(Error::bad_request(format!("heartbeat is {other}, but must be from 1 to 60 seconds"))),
    };
    let open = app.hub.enter()?;
    let seat = match (request.browser, request.term) {
        (None, None) => None,
        (Some(browser), Some(term)) => Some(app.hub.sit(browser_id(&browser)?, term)?),
        _ => return Err(Error::bad_request("browser and term belong together: give both or neither")),
    };
    let poll = resolve(&app, request.subscriptions).await?;
    let mut waiting = Waiting { poll, wait, seat };
    match heartbeat {
        None => {
            let answer = wait_for(&app, waiting).await;
            drop(open);
            Ok(json_response(&app, &*answer?))
        }
        Some(every) => {
            let wire = Arc::new(Wire::new(app.room.clone(), Some(open)));
            waiting.poll.line = Some(wire.clone());
            let answered = async move {
                match wait_for(&app, waiting).await {
                    Ok(answer) => encode::body(&answer, &app.room),
                    Err(error) => {
                        problem::log(&Method::POST, "/notify", &error);
                        app.metrics.http.failed(error.kind);
                        encode::late_problem(&error)
                    }
                }
            };
            let mut response = with_body(200, JSON, PollBody::new(answered, every).boxed_unsync());
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            // A proxy that buffers would keep the heartbeats from the browser.
            response.headers_mut().insert("X-Accel-Buffering", HeaderValue::from_static("no"));
            response.extensions_mut().insert(wire);
            Ok(response)
        }
    }
}

/// `GET /notify?table=…&since=…&wait=…&column=eq.value`: one subscription, named after its table. With
/// `Accept: text/event-stream` the same as server-sent events.
pub async fn get(app: Arc<App>, head: &Parts) -> Result<Response> {
    let (mut table, mut since, mut seconds) = (None, None, None);
    let mut filter = Wanted::new();
    for (name, value) in fields::pairs(head.uri.query().unwrap_or_default())? {
        let twice = match name.as_str() {
            "table" => table.replace(value).is_some(),
            "since" => since.replace(value).is_some(),
            "wait" => seconds.replace(whole_seconds(&value)?).is_some(),
            column => filter.insert(column.to_owned(), parse_operand(column, &value)?).is_some(),
        };
        if twice {
            return Err(Error::bad_request(format!("{name} is there twice: a poll takes it once")));
        }
    }
    let mut since = since.unwrap_or_else(|| "now".to_owned());
    let table = table.ok_or_else(|| Error::bad_request("which table? GET /notify?table=NAME&since=CURSOR"))?;
    let events = head.headers.get_all(ACCEPT).iter().any(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    if events && let Some(last) = head.headers.get("Last-Event-ID") {
        since = last.to_str().unwrap_or_default().to_owned();
    }
    let wait = wait(seconds)?;
    let open = app.hub.enter()?;
    let asked_since = parse_since(&since)?;
    let subscription = app.subscription(&table, &table, filter.clone()).await?;
    if events {
        return Ok(stream::response(app, table, filter, asked_since, open));
    }
    let poll = Poll::new([subscription], vec![asked_since.clone()]);
    let answer = wait_for(&app, Waiting { poll, wait, seat: None }).await?;
    drop(open);
    let moved = matches!(&asked_since, Since::Cursor(asked) if *asked != answer.cursor);
    let quiet = matches!(asked_since, Since::Cursor(_)) && !moved && answer.answers.is_empty();
    let round = answer.cursor.in_round(round(wait));
    // What is true from one cursor to another is as true a minute later: a cache may tell it to all who ask the same. Not so
    // what leads nowhere, which would be a loop; when to come back, which is for one alone; and the state of this moment.
    let (mut response, lasts) = if answer.retry_after.is_some() || wait.is_zero() {
        (json_response(&app, &answer), false)
    } else if quiet && round != since {
        (full(200, JSON, encode::no_news(&round)), true)
    } else {
        (json_response(&app, &answer), moved)
    };
    if lasts {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("max-age=60"));
    }
    response.headers_mut().insert(hyper::header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// Waits for a poll's answer, or for a newer poll that takes its seat.
async fn wait_for(app: &App, mut waiting: Waiting) -> Result<Arc<Answer>> {
    let deadline = Instant::now() + waiting.wait;
    let answered = app.answer(&waiting.poll, deadline);
    match &mut waiting.seat {
        None => answered.await,
        // Whichever is dropped leaves nothing behind: the client keeps its cursor. The answer first: it may have been told.
        Some(seat) => tokio::select! {
            biased;
            answer = answered => answer,
            superseded = seat.taken() => Err(superseded),
        },
    }
}

async fn resolve(app: &App, wanted: Vec<WantedSubscription>) -> Result<Poll> {
    if wanted.len() > app.config.limits.subscriptions {
        return Err(Error::bad_request(format!(
            "{} subscriptions are more than the {} that one poll may carry",
            wanted.len(),
            app.config.limits.subscriptions
        )));
    }
    let mut subscriptions: Vec<Subscription> = Vec::with_capacity(wanted.len());
    let mut since = Vec::with_capacity(wanted.len());
    for one in wanted {
        if subscriptions.iter().any(|other| *other.id == *one.id) {
            return Err(Error::bad_request(format!("two subscriptions have the id \"{}\"", one.id)));
        }
        let filter = one.filter.into_iter().map(|(column, value)| Ok((column, fields::json_value(&value)?))).collect::<Result<Wanted>>()?;
        since.push(parse_since(&one.since)?);
        subscriptions.push(app.subscription(&one.id, &one.table, filter).await?);
    }
    Ok(Poll::new(subscriptions, since))
}

fn parse_since(text: &str) -> Result<Since> {
    if text == "now" {
        return Ok(Since::Now);
    }
    let cursor = text.parse::<Cursor>().map_err(|error| Error::bad_request(format!("since is {error}")))?;
    Ok(Since::Cursor(Arc::new(cursor)))
}

fn whole_seconds(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::bad_request(format!("wait is \"{text}\", but must be a whole number of seconds")))
}

fn wait(seconds: Option<u64>) -> Result<Duration> {
    let (default, most) = WAIT_SECONDS;
    match seconds.unwrap_or(default) {
        seconds if seconds <= most => Ok(Duration::from_secs(seconds)),
        seconds => Err(Error::bad_request(format!("wait is {seconds}, but must be at most {most} seconds"))),
    }
}

/// 32 hexadecimal digits.
fn browser_id(text: &str) -> Result<BrowserId> {
    let hexadecimal = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = hexadecimal.then(|| BrowserId::from_str_radix(text, 16).ok()).flatten();
    // The text is a secret: it is not repeated.
    id.ok_or_else(|| Error::bad_request("browser must be 32 hexadecimal digits"))
}

/// The round that a poll of this wait ends in. All that wait as long, whenever they began, are then in the same one, so that
/// their next polls are equal again.
fn round(wait: Duration) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() / wait.as_secs().max(1)
}

fn json_response(app: &App, answer: &Answer) -> Response {
    let mut response = full(200, JSON, encode::body(answer, &app.room));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
