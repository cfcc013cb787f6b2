//! One subscription as server-sent events: each answer is an event whose id is its cursor, so that a browser that
//! reconnects goes on where it was (HTML standard, "Server-sent events").

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::Method;
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use tokio::time::Instant;

use super::{App, Response, encode, jitter, problem, with_body};
use crate::error::Result;
use crate::filter::Wanted;
use crate::hub::{Answer, Open, Poll, Since};

/// An id without data this often moves the browser's cursor on, and tells both ends that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct State {
    app: Arc<App>,
    table: String,
    filter: Wanted,
    since: Since,
    ended: bool,
    /// What of the last event has not been sent yet.
    pending: VecDeque<Bytes>,
    _open: Open,
}

/// The stream's response. It goes on until the client leaves, the server stops, or an answer fails.
pub fn response(app: Arc<App>, table: String, filter: Wanted, since: Since, open: Open) -> Response {
    let state = State { app, table, filter, since, ended: false, pending: VecDeque::new(), _open: open };
    let events = stream::unfold(state, |mut state| async {
        if state.pending.is_empty() && !state.ended {
            state.pending = next(&mut state).await.into();
        }
        let part = state.pending.pop_front()?;
        Some((Ok::<_, Infallible>(Frame::data(part)), state))
    });
    let mut response = with_body(200, "text/event-stream", StreamBody::new(events).boxed_unsync());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("X-Accel-Buffering", HeaderValue::from_static("no"));
    response
}

/// The next event, in parts: what all are told is shared by all, however slowly one takes it. Nothing is asked for before the
/// client has taken the last one, so it has no queue: it goes on from its cursor.
async fn next(state: &mut State) -> Vec<Bytes> {
    match next_answer(state).await {
        Ok(answer) => {
            state.since = Since::Cursor(answer.cursor.clone());
            let id = format!("id: {}\n", answer.cursor);
            if let Some(retry_after) = answer.retry_after {
                state.ended = true;
                return vec![Bytes::from(format!("retry: {}\n{id}\n", jitter(retry_after).as_millis()))];
            }
            if answer.answers.is_empty() {
                // An event without data is not dispatched, but its id is remembered: the browser's cursor moves on too.
                return vec![Bytes::from(id + "\n")];
            }
            event(id + "data: ", encode::body(&answer, &state.app.room))
        }
        Err(error) => {
            state.ended = true;
            problem::log(&Method::GET, "/notify", &error);
            state.app.metrics.http.failed(error.kind);
            event("event: problem\ndata: ".to_owned(), encode::late_problem(&error))
        }
    }
}

/// A small event is one part, which is cheaper to send; of a large one, what all are told is not copied.
fn event(head: String, json: Bytes) -> Vec<Bytes> {
    const SMALL: usize = 16 << 10;
    const END: &[u8] = b"\n\n";
    let json = one_line(json);
    if json.len() > SMALL {
        return vec![Bytes::from(head), json, Bytes::from_static(END)];
    }
    vec![Bytes::from([head.as_bytes(), &json, END].concat())]
}

/// The table is looked up by its name each time: it may have been made anew, or be exposed no longer.
async fn next_answer(state: &State) -> Result<Arc<Answer>> {
    let subscription = state.app.subscription(&state.table, &state.table, state.filter.clone()).await?;
    let poll = Poll::new([subscription], vec![state.since.clone()]);
    // Its rounds are no polls: they are not counted as such.
    state.app.follow.answer(&poll, Instant::now() + HEARTBEAT).await
}

/// A line break ends an event's line. JSON has none inside of strings, and elsewhere a space means the same; a `json`
/// column keeps those that it was written with.
fn one_line(json: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &json).is_none() {
        return json;
    }
    json.iter().map(|&byte| if byte == b'\n' || byte == b'\r' { b' ' } else { byte }).collect()
}
