//! The ways to follow: GET and POST long poll, and server-sent events.

use std::net::TcpStream;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::events::{Event, Events};
use crate::support::raw::{self, Reply};
use crate::support::rows::{Filter, Told};

/// What came of one request, or of waiting for one event.
pub enum Said {
    Answer(Answer, String),
    /// Not now: again after this.
    Later(Duration),
    /// The server is away, or the connection was cut.
    Gone,
}

#[derive(Deserialize)]
pub struct Answer {
    pub cursor: String,
    pub answers: Vec<Told>,
    pub retry_after_ms: Option<u64>,
}

/// A list of a table.
pub enum Listed {
    Rows { cursor: String, key: String, body: String },
    Later(Duration),
    Gone,
}

/// A subscription as a request names it.
pub struct Asked<'a> {
    pub table: &'a str,
    pub filter: Option<&'a Filter>,
    pub since: &'a str,
}

/// The longest that a client waits for what it was told to wait for: a run has no minutes to lose.
const LONGEST: Duration = Duration::from_secs(2);

fn connect(port: u16) -> Option<TcpStream> {
    TcpStream::connect(("127.0.0.1", port)).ok()
}

fn query(filter: Option<&Filter>) -> String {
    let Some(filter) = filter else { return String::new() };
    let value = match serde_json::from_str(filter.json) {
        Ok(Value::Null) => "is.null".to_owned(),
        Ok(Value::String(text)) => format!("eq.{text}"),
        _ => format!("eq.{}", filter.json),
    };
    format!("&{}={}", filter.column, utf8_percent_encode(&value, NON_ALPHANUMERIC))
}

/// Lists. An answer that a healthy server must not give is an error.
pub fn list(port: u16, table: &str, filter: Option<&Filter>) -> Result<Listed, String> {
    let Some(mut stream) = connect(port) else { return Ok(Listed::Gone) };
    let path = format!("/api/{table}?{}", query(filter).trim_start_matches('&'));
    if !raw::try_send(&mut stream, "GET", &path, &[], "") {
        return Ok(Listed::Gone);
    }
    let Some(reply) = raw::read(stream) else { return Ok(Listed::Gone) };
    match reply.status {
        200 => {
            let header = |name: &str| reply.header(name).to_owned();
            Ok(Listed::Rows { cursor: header("rowcast-cursor"), key: header("rowcast-key"), body: reply.body })
        }
        503 => Ok(Listed::Later(retry_after(&reply))),
        _ => Err(format!("GET {path} was answered {reply:?}")),
    }
}

/// `GET /notify`.
pub fn get(port: u16, asked: &Asked, wait: u64) -> Result<Said, String> {
    let Some(mut stream) = connect(port) else { return Ok(Said::Gone) };
    let path = format!("/notify?table={}&since={}&wait={wait}{}", asked.table, asked.since, query(asked.filter));
    if !raw::try_send(&mut stream, "GET", &path, &[], "") {
        return Ok(Said::Gone);
    }
    said(raw::read(stream))
}

/// `POST /notify`, with a heartbeat. `browser`: the seat that the poll takes.
pub fn post(port: u16, asked: &[Asked], wait: u64, browser: Option<(&str, u64)>) -> Result<Said, String> {
    let Some(mut stream) = connect(port) else { return Ok(Said::Gone) };
    let subscription = |(place, asked): (usize, &Asked)| {
        let mut one = json!({"id": place.to_string(), "table": asked.table, "since": asked.since});
        if let Some(filter) = asked.filter {
            let value: Value = serde_json::from_str(filter.json).map_err(|error| error.to_string())?;
            one["where"] = json!({ (filter.column): value });
        }
        Ok::<Value, String>(one)
    };
    let subscriptions: Vec<Value> = asked.iter().enumerate().map(subscription).collect::<Result<_, _>>()?;
    let mut body = json!({"wait": wait, "heartbeat": 1, "subscriptions": subscriptions});
    if let Some((browser, term)) = browser {
        (body["browser"], body["term"]) = (browser.into(), term.into());
    }
    if !raw::try_send(&mut stream, "POST", "/notify", &[("Content-Type", "application/json")], &body.to_string()) {
        return Ok(Said::Gone);
    }
    said(raw::read(stream))
}

/// Opens a stream of events; None where that cannot be now.
pub fn open(port: u16, asked: &Asked) -> Option<Events> {
    let mut stream = connect(port)?;
    let path = format!("/notify?table={}&since={}{}", asked.table, asked.since, query(asked.filter));
    if !raw::try_send(&mut stream, "GET", &path, &[("Accept", "text/event-stream")], "") {
        return None;
    }
    Events::open(stream).filter(|events| events.status() == 200)
}

/// Waits for the next event.
pub fn next(events: &mut Events) -> Result<Said, String> {
    match events.next() {
        None => Ok(Said::Gone),
        Some(Event { name, data, .. }) if name == "problem" => answer(&data),
        Some(Event { id, retry_ms, data, .. }) if data.is_empty() => {
            Ok(Said::Answer(Answer { cursor: id, answers: Vec::new(), retry_after_ms: retry_ms }, data))
        }
        Some(Event { data, .. }) => answer(&data),
    }
}

fn said(reply: Option<Reply>) -> Result<Said, String> {
    match reply {
        None => Ok(Said::Gone),
        Some(reply) if reply.status == 200 => answer(reply.body.trim()),
        Some(reply) if reply.status == 503 => Ok(Said::Later(retry_after(&reply))),
        Some(reply) => Err(format!("a poll was answered {reply:?}")),
    }
}

/// An answer, or the problem that came in its place after the head had been sent.
fn answer(text: &str) -> Result<Said, String> {
    #[derive(Deserialize)]
    struct Late {
        problem: Value,
        retry_after_ms: Option<u64>,
    }
    if let Ok(late) = serde_json::from_str::<Late>(text) {
        return match late.problem["status"].as_u64() {
            Some(503) => Ok(Said::Later(Duration::from_millis(late.retry_after_ms.unwrap_or(0)).min(LONGEST))),
            _ => Err(format!("a poll was answered {text}")),
        };
    }
    let answer = serde_json::from_str(text).map_err(|error| format!("an answer is none: {error} in {text}"))?;
    Ok(Said::Answer(answer, text.to_owned()))
}

fn retry_after(reply: &Reply) -> Duration {
    Duration::from_secs(reply.header("retry-after").parse().unwrap_or(1)).min(LONGEST)
}
