//! What an HTTP/1.1 connection is at: whether a request is being worked on, and when something last happened. And the bytes that a
//! client sends behind such a request, which must not hide that it has left.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::handover::Handover;
use super::presence::Presence;
use crate::http::socket::Stream;

const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Shared by a connection's parts, which are one task.
pub struct Activity {
    begun: Instant,
    /// ms from `begun` to when a request last came, or a part of an answer went.
    last: AtomicU64,
    busy: AtomicBool,
    /// Bytes that have come in behind the head of the request at hand, less those of its body.
    behind: AtomicI64,
}

impl Activity {
    /// Of a connection that has just been made.
    pub fn begun_now() -> Activity {
        Activity { begun: Instant::now(), last: AtomicU64::new(0), busy: AtomicBool::new(false), behind: AtomicI64::new(0) }
    }

    /// A request has come, with a body of this size.
    pub fn begin(&self, body_bytes: u64) {
        self.behind.fetch_sub(i64::try_from(body_bytes).unwrap_or(i64::MAX), Ordering::Relaxed);
        self.busy.store(true, Ordering::Relaxed);
        self.touch();
    }

    /// Its response is there. The body may still be on its way.
    pub fn end(&self) {
        self.busy.store(false, Ordering::Relaxed);
        self.touch();
    }

    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Since when nothing has come or gone.
    pub fn quiet_since(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    /// Whether a client has sent more than the request that is being worked on.
    fn is_ahead(&self) -> bool {
        self.is_busy() && self.behind.load(Ordering::Relaxed) > 0
    }

    /// Bytes have come.
    fn read(&self, bytes: &[u8]) {
        if self.is_busy() {
            self.behind.fetch_add(bytes.len() as i64, Ordering::Relaxed);
        } else {
            let behind = memmem::find(bytes, END_OF_HEAD).map_or(0, |end| bytes.len() - end - END_OF_HEAD.len());
            self.behind.store(behind as i64, Ordering::Relaxed);
        }
    }

    /// A part of an answer has gone.
    pub fn touch(&self) {
        self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

/// A connection whose end is noticed, too, when the client has sent a second request behind one that is being worked on; and
/// whose flushes are told to who waits for a head to be written.
///
/// hyper finds out that a client has left by reading; but with a request in its buffer that has to wait its turn it reads no
/// further, and a poll that it holds would keep its place until its time is up. hyper flushes at the end of every turn, even with
/// nothing to write: that is when this looks.
pub struct Watched<'a> {
    stream: Stream,
    /// What has been read before, and comes first.
    read: Bytes,
    activity: &'a Activity,
    handover: &'a Handover,
    presence: Presence,
}

impl<'a> Watched<'a> {
    pub fn new(stream: Stream, read: Bytes, activity: &'a Activity, handover: &'a Handover) -> Watched<'a> {
        Watched { stream, read, activity, handover, presence: Presence::default() }
    }

    /// The stream, and what of what had been read before nobody has taken.
    pub fn into_parts(self) -> (Stream, Bytes) {
        (self.stream, self.read)
    }

    fn has_left(&mut self, context: &mut Context<'_>) -> bool {
        if self.activity.is_ahead() {
            return self.presence.has_left_who_is_ahead(&self.stream, context);
        }
        self.presence = Presence::default();
        false
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = if self.read.is_empty() {
            Pin::new(&mut self.stream).poll_read(context, buffer)
        } else {
            let count = self.read.len().min(buffer.remaining());
            buffer.put_slice(&self.read.split_to(count));
            Poll::Ready(Ok(()))
        };
        if buffer.filled().len() > before {
            self.activity.read(&buffer.filled()[before..]);
        }
        read
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.activity.touch();
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.activity.touch();
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_left(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            self.handover.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
