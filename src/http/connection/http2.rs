//! HTTP/2: hyper's, with limits.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::{HEAD_BYTES, trace};
use crate::http::socket::Stream;
use crate::http::{App, router};
use crate::stop::Stop;

/// Requests that a connection may have open; the client keeps the next to itself until one has ended.
const STREAMS: u32 = 200;

/// Requests that a client may take back before they were looked at (CVE-2023-44487); more end the connection.
const RESET_STREAMS: usize = 20;

/// How often a client must show that it is there, and how long it may take.
const PING: Duration = Duration::from_secs(20);

/// Serves a connection to its end.
pub async fn serve(stream: Stream, app: Arc<App>, mut stop: Stop) {
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
