//! One subscription as server-sent events: each answer is an event whose id is its cursor, so that a browser that
//! reconnects goes on where it was (HTML standard, "Server-sent events").

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, HeaderValue};
use tokio::time::Instant;

use super::{App, Response, answer, encode, full};
use crate::hub::{Open, Poll, Since};

/// A comment this often tells both ends that the other is there.
const HEARTBEAT: Duration = Duration::from_secs(15);

struct State {
    app: Arc<App>,
    poll: Poll,
    ended: bool,
    _open: Open,
}

/// The stream's response. It goes on until the client leaves, the server stops, or an answer fails.
pub fn response(app: Arc<App>, poll: Poll, open: Open) -> Response {
    let state = State { app, poll, ended: false, _open: open };
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
    match answer::by(&state.app, &state.poll, Instant::now() + HEARTBEAT).await {
        Ok(answer) => {
            state.poll.since = vec![Since::Cursor(answer.cursor.clone())];
            if let Some(retry_after) = answer.retry_after {
                state.ended = true;
                return Bytes::from(format!("retry: {}\nid: {}\n\n", retry_after.as_millis(), answer.cursor));
            }
            if answer.answers.is_empty() {
                // An event without data is not dispatched, but its id is remembered: the browser's cursor moves on too.
                return Bytes::from(format!("id: {}\n\n", answer.cursor));
            }
            let body = encode::body(&answer);
            Bytes::from(format!("id: {}\ndata: {}\n\n", answer.cursor, String::from_utf8_lossy(&body)))
        }
        Err(error) => {
            state.ended = true;
            let problem = encode::late_problem(&error);
            Bytes::from(format!("event: problem\ndata: {}\n\n", String::from_utf8_lossy(&problem)))
        }
    }
}
