//! How the body of a long answer comes from hyper's hands into the connection's own.
//!
//! hyper gets another in its place, which never brings anything. It asks that for its first part once it has put the head into
//! its buffer; with the first flush from then on the head has been written, and nothing else is in hyper's hands.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame};
use hyper::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use hyper::{Method, Request, Version};

use super::wire::Wire;
use crate::http::{Response, ResponseBody};

/// Shared by what hyper is made of, which is one task.
#[derive(Default)]
pub struct Handover {
    body: Mutex<Option<Handed>>,
    /// How far hyper has come with the head.
    head: AtomicU8,
}

/// What is handed over.
pub struct Handed {
    pub body: ResponseBody,
    /// The wire that its answer may be told on, if it knows one.
    pub wire: Option<Arc<Wire>>,
}

const IN_BUFFER: u8 = 1;
const WRITTEN: u8 = 2;

impl Handover {
    /// Keeps a body that comes bit by bit, and puts one in its place that hyper can wait for.
    pub fn take_body(self: &Arc<Self>, mut response: Response) -> Response {
        let headers = response.headers();
        // What ends with its connection, as where the request was not read to its end, or has a length, is not ours to frame.
        let is_chunked =
            response.body().size_hint().exact().is_none() && !headers.contains_key(CONNECTION) && !headers.contains_key(CONTENT_LENGTH);
        if !is_chunked {
            return response;
        }
        let wire = response.extensions_mut().remove();
        response.map(|body| {
            *self.body() = Some(Handed { body, wire });
            Placeholder(self.clone()).boxed_unsync()
        })
    }

    /// hyper's buffer is empty.
    pub fn flushed(&self) {
        _ = self.head.compare_exchange(IN_BUFFER, WRITTEN, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The body, once its head has been written.
    pub fn body_if_due(&self) -> Option<Handed> {
        if self.head.load(Ordering::Relaxed) != WRITTEN {
            return None;
        }
        self.body().take()
    }

    fn body(&self) -> std::sync::MutexGuard<'_, Option<Handed>> {
        self.body.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Whether a long answer to a request is chunked (RFC 9112, 7.1), and the connection goes on after it.
pub fn is_fit<B>(request: &Request<B>) -> bool {
    let closes = |value: &hyper::header::HeaderValue| value.as_bytes().to_ascii_lowercase().windows(5).any(|word| word == b"close");
    let headers = request.headers();
    request.version() == Version::HTTP_11
        && request.method() != Method::HEAD
        && !headers.get_all(CONNECTION).iter().any(closes)
        // Beside a Content-Length, which hyper then leaves out, it ends the connection (RFC 9112, 6.1).
        && !headers.contains_key(TRANSFER_ENCODING)
}

struct Placeholder(Arc<Handover>);

impl Body for Placeholder {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        _ = self.0.head.compare_exchange(0, IN_BUFFER, Ordering::Relaxed, Ordering::Relaxed);
        // Nobody wakes the task for more: it takes the body, in the same turn or when the socket can be written to.
        Poll::Pending
    }
}
