//! HTTP/1.1. hyper reads requests and answers them; an answer that comes bit by bit is sent here, on the bare socket.
//!
//! A parked poll is the usual state of a connection. hyper would keep two buffers and its own state for it, 8 KB and more, and
//! take a long way to send a few hundred bytes. So once the head of such an answer has been written, hyper is taken
//! apart; it is made anew when the next request comes.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use hyper::Request;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::activity::{Activity, Watched};
use super::handover::{Handed, Handover, is_fit};
use super::wire::Wire;
use super::{HEAD_BYTES, HEAD_TIMEOUT, QUIET, last, long, trace};
use crate::http::socket::Stream;
use crate::http::{App, router};
use crate::stop::Stop;

/// The most headers of a request; more is 431.
const HEADERS: usize = 64;

/// How often it is looked whether a connection has become quiet.
const LOOK: Duration = Duration::from_millis(100);

/// What is left of a connection when hyper has been taken apart.
struct Parted {
    stream: Stream,
    /// What hyper has read of later requests.
    read: Bytes,
    /// What is left to be sent of the answer.
    answer: Handed,
    /// Whether no other request is to be taken.
    is_last: bool,
}

/// Serves a connection, from its first byte on to its end.
pub async fn serve(mut stream: Stream, app: Arc<App>, mut stop: Stop) {
    let activity = Activity::begun_now();
    let mut read = Bytes::new();
    loop {
        // In a box, which is gone while a long answer is being sent.
        let Some(parted) = Box::pin(exchange(stream, read, &app, &activity, &mut stop)).await else { return };
        let wire = parted.answer.wire.unwrap_or_else(|| Arc::new(Wire::new(app.room.clone(), None)));
        wire.take(parted.stream, !parted.read.is_empty());
        let sent = long::send(&wire, parted.answer.body, &activity, &mut stop).await;
        match wire.give_back() {
            Some(after) if sent.is_ok() && !parted.is_last => stream = after,
            _ => return,
        }
        read = parted.read;
        if read.is_empty() && !another_comes(&stream, &mut stop).await {
            return;
        }
    }
}

/// Whether a next request begins before the connection has been idle for too long.
async fn another_comes(stream: &Stream, stop: &mut Stop) -> bool {
    let mut first = [0; 1];
    tokio::select! {
        biased;
        begins = timeout(HEAD_TIMEOUT, stream.peek(&mut first)) => matches!(begins, Ok(Ok(1))),
        () = async { stop.given().await; sleep(QUIET).await } => false,
    }
}

/// Has hyper serve requests until the connection ends, which is None, or until the body of an answer is handed over.
async fn exchange(stream: Stream, read: Bytes, app: &Arc<App>, activity: &Activity, stop: &mut Stop) -> Option<Parted> {
    let handover = Arc::new(Handover::default());
    let stopping = stop.clone();
    let (handing_over, stopping) = (&handover, &stopping);
    let service = service_fn(move |request: Request<Incoming>| {
        activity.begin(request.body().size_hint().exact().unwrap_or(0));
        let is_fit = is_fit(&request);
        let answered = router::handle(app.clone(), request);
        async move {
            let response = answered.await;
            activity.end();
            if stopping.is_given() {
                response.map(last)
            } else if is_fit {
                response.map(|response| handing_over.take_body(response))
            } else {
                response
            }
        }
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        // A client that closes its half is gone: its poll must free its place.
        .half_close(false)
        .serve_connection(TokioIo::new(Watched::new(stream, read, activity, &handover)), service);
    let over = tokio::select! {
        biased;
        over = until_over(&mut connection, &handover) => Some(over),
        () = stop.given() => until_quiet(&mut connection, &handover, activity).await,
    };
    let is_last = over.is_none();
    let over = match over {
        Some(over) => over,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            until_over(&mut connection, &handover).await
        }
    };
    match over {
        Over::Ended(ended) => {
            trace(ended);
            None
        }
        Over::HandedOver(answer) => {
            let parts = connection.into_parts();
            let (stream, unread) = parts.io.into_inner().into_parts();
            // What hyper took came before what it did not. An empty piece of its buffer would keep the whole.
            let read = if parts.read_buf.is_empty() { unread } else { Bytes::from([parts.read_buf, unread].concat()) };
            Some(Parted { stream, read, answer, is_last })
        }
    }
}

/// How hyper's part ends.
enum Over {
    Ended(hyper::Result<()>),
    HandedOver(Handed),
}

async fn until_over(connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin), handover: &Handover) -> Over {
    poll_fn(|context| match Pin::new(&mut *connection).poll(context) {
        Poll::Ready(ended) => Poll::Ready(Over::Ended(ended)),
        Poll::Pending => handover.body_if_due().map_or(Poll::Pending, |answer| Poll::Ready(Over::HandedOver(answer))),
    })
    .await
}

/// The server stops: a request that is being worked on is told with its answer. What else is open may have its next one under way.
/// None when nothing has come for so long that nothing is expected any more.
async fn until_quiet(
    connection: &mut (impl Future<Output = hyper::Result<()>> + Unpin),
    handover: &Handover,
    activity: &Activity,
) -> Option<Over> {
    let stopped = Instant::now();
    loop {
        let quiet = activity.quiet_since().max(stopped) + QUIET;
        if !activity.is_busy() && quiet <= Instant::now() {
            return None;
        }
        tokio::select! {
            biased;
            over = until_over(connection, handover) => return Some(over),
            () = sleep_until(quiet.max(Instant::now() + LOOK)) => {}
        }
    }
}
