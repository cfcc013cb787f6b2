//! One connection: HTTP/1.1, or HTTP/2 where the client begins with that, and its end when the server stops.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::activity::{Activity, Watched};
use super::socket::Stream;
use super::{App, Response, router};
use crate::stop::Stop;

/// A connection whose next request's head is not complete after this is closed; so is one that stays idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest head of a request, and the read buffer's bound.
const HEAD_BYTES: usize = 32 << 10;

/// The most headers of a request; more is 431.
const HEADERS: usize = 64;

/// While the server stops, a connection that had a request just now may have its next one under way. That is answered, too,
/// and told that it was the last; closed is only what has been quiet for so long.
const QUIET: Duration = Duration::from_millis(500);

/// How often it is looked whether a connection has become quiet.
const LOOK: Duration = Duration::from_millis(100);

/// Requests that an HTTP/2 connection may have open; the client keeps the next to itself until one has ended.
const STREAMS: u32 = 200;

/// Requests that a client may take back before they were looked at (CVE-2023-44487); more end the connection.
const RESET_STREAMS: usize = 20;

/// How often an HTTP/2 client must show that it is there, and how long it may take.
const PING: Duration = Duration::from_secs(20);

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
        Ok(Some(true)) => Box::pin(serve_http2(stream, app, stop)).await,
        Ok(Some(false)) => serve_http1(stream, app, stop).await,
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

async fn serve_http1(stream: Stream, app: Arc<App>, mut stop: Stop) {
    let activity = Activity::begun_now();
    let stopping = stop.clone();
    let service = service_fn(|request: Request<Incoming>| {
        activity.begin(request.body().size_hint().exact().unwrap_or(0));
        let answered = router::handle(app.clone(), request);
        async {
            let response = answered.await;
            activity.end();
            if stopping.is_given() { response.map(last) } else { response }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        // A client that closes its half is gone: its poll must free its place.
        .half_close(false)
        .serve_connection(TokioIo::new(Watched::new(stream, &activity)), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return trace(ended),
        () = stop.given() => {}
    }
    // A request that is being worked on is told with its answer. What else is open may have its next one under way, or the
    // end of an answer that has begun.
    let stopped = Instant::now();
    loop {
        let quiet = activity.quiet_since().max(stopped) + QUIET;
        if !activity.is_busy() && quiet <= Instant::now() {
            break;
        }
        tokio::select! {
            biased;
            ended = connection.as_mut() => return trace(ended),
            () = sleep_until(quiet.max(Instant::now() + LOOK)) => {}
        }
    }
    connection.as_mut().graceful_shutdown();
    trace(connection.await);
}

/// Tells a client that this connection ends here.
fn last(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn serve_http2(stream: Stream, app: Arc<App>, mut stop: Stop) {
    let service = service_fn(move |request| router::handle(app.clone(), request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_header_list_size(HEAD_BYTES as u32)
        .max_concurrent_streams(STREAMS)
        .max_pending_accept_reset_streams(RESET_STREAMS)
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        biased;
        ended = connection.as_mut() => return trace(ended),
        () = stop.given() => {}
    }
    // GOAWAY: requests that crossed it are answered, later ones are the client's to send elsewhere.
    connection.as_mut().graceful_shutdown();
    trace(connection.await);
}

fn trace(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended");
    }
}
