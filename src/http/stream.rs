//! One subscription as server-sent events: each answer is an event whose id is its cursor, so that a browser that
//! reconnects goes on where it was (HTML standard, "Server-sent events").

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

use super::{App, Response, encode, full, problem};
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
    _open: Open,
}

/// The stream's response. It goes on until the client leaves, the server stops, or an answer fails.
pub fn response(app: Arc<App>, table: String, filter: Wanted, since: Since, open: Open) -> Response {
    let state = State { app, table, filter, since, ended: false, _open: open };
    let events = stream::unfold(state, |mut state| async {
        if state.ended {
            return None;
        }
        let event = next(&mut state).await;
        Some((Ok::<_, Infallible>(Frame::data(event)), state))
    });
    let mut response = full(200, "text/event-stream", "");
    *response.body_mut() = StreamBody::new(events).boxed_unsync();
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.headers_mut().insert("X-Accel-Buffering", HeaderValue::from_static("no"));
    response
}

async fn next(state: &mut State) -> Bytes {
    match next_answer(state).await {
        Ok(answer) => {
            state.since = Since::Cursor(answer.cursor.clone());
            if let Some(retry_after) = answer.retry_after {
                state.ended = true;
                return Bytes::from(format!("retry: {}\nid: {}\n\n", retry_after.as_millis(), answer.cursor));
            }
            if answer.answers.is_empty() {
                // An event without data is not dispatched, but its id is remembered: the browser's cursor moves on too.
                return Bytes::from(format!("id: {}\n\n", answer.cursor));
            }
            Bytes::from(format!("id: {}\ndata: {}\n\n", answer.cursor, one_line(&encode::body(&answer, &state.app.room))))
        }
        Err(error) => {
            state.ended = true;
            problem::log(&Method::GET, "/notify", &error);
            state.app.metrics.http.failed(error.kind);
            Bytes::from(format!("event: problem\ndata: {}\n\n", one_line(&encode::late_problem(&error))))
        }
    }
}

/// The table is looked up by its name each time: it may have been made anew, or be exposed no longer.
async fn next_answer(state: &State) -> Result<Arc<Answer>> {
    let subscription = state.app.subscription(&state.table, &state.table, state.filter.clone()).await?;
    let poll = Poll { subscriptions: Arc::new([subscription]), since: vec![state.since.clone()] };
    // Its rounds are no polls: they are not counted as such.
    state.app.follow.answer(&poll, Instant::now() + HEARTBEAT).await
}

/// A line break ends an event's line. JSON has none inside of strings, and elsewhere a space means the same; a `json`
/// column keeps those that it was written with.
fn one_line(json: &[u8]) -> String {
    String::from_utf8_lossy(json).replace(['\n', '\r'], " ")
}
