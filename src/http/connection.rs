//! One connection: HTTP/1.1, or HTTP/2 where the client begins with that, and its end when the server stops.

mod activity;
mod handover;
mod http1;
mod http2;
mod long;
mod presence;
pub mod wire;

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{CONNECTION, HeaderValue};
use tokio::time::{sleep, timeout};

use super::socket::Stream;
use super::{App, Response};
use crate::stop::Stop;

/// A connection whose next request's head is not complete after this is closed; so is one that stays idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest head of a request, and the read buffer's bound.
const HEAD_BYTES: usize = 32 << 10;

/// While the server stops, a connection that had a request just now may have its next one under way. That is answered, too,
/// and told that it was the last; closed is only what has been quiet for so long.
const QUIET: Duration = Duration::from_millis(500);

/// What an HTTP/2 client that asks nobody first begins with (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The pause after a beginning that may become the preface, or HTTP/1.1.
const BEGINNING: Duration = Duration::from_millis(10);

/// Serves a connection to its end.
pub async fn serve(stream: Stream, app: Arc<App>, mut stop: Stop) {
    stream.tune(app.config.limits.stalled);
    let begins = tokio::select! {
        biased;
        begins = timeout(HEAD_TIMEOUT, begins_with_preface(&stream)) => begins,
        () = async { stop.given().await; sleep(QUIET).await } => return,
    };
    match begins {
        Ok(Some(true)) => Box::pin(http2::serve(stream, app, stop)).await,
        Ok(Some(false)) => http1::serve(stream, app, stop).await,
        Ok(None) | Err(_) => {}
    }
}

/// None if the client left without a request.
async fn begins_with_preface(stream: &Stream) -> Option<bool> {
    let mut first = [0; PREFACE.len()];
    loop {
        let count = stream.peek(&mut first).await.ok()?;
        if count == 0 {
            return None;
        }
        if first[..count] != PREFACE[..count] || count == PREFACE.len() {
            return Some(count == PREFACE.len() && first == *PREFACE);
        }
        // What was peeked at stays readable: only time tells of more.
        sleep(BEGINNING).await;
    }
}

/// Tells a client that this connection ends here.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn trace(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended");
    }
}
