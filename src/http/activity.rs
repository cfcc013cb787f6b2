//! What an HTTP/1.1 connection is at: whether a request is being worked on, and when it last had one. And the bytes that a
//! client sends behind such a request, which must not hide that it has left.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::socket::Stream;

/// How often it is looked whether a client is still there that has sent more than is read for now.
const LOOK: Duration = Duration::from_secs(1);

/// Shared by a connection's parts, which are one task.
pub struct Activity {
    begun: Instant,
    /// ms from `begun` to when the last request came or was answered.
    last: AtomicU64,
    busy: AtomicBool,
}

impl Activity {
    /// Of a connection that has just been made.
    pub fn begun_now() -> Activity {
        Activity { begun: Instant::now(), last: AtomicU64::new(0), busy: AtomicBool::new(false) }
    }

    /// A request has come.
    pub fn begin(&self) {
        self.note(true);
    }

    /// Its response is there. The body may still be on its way.
    pub fn end(&self) {
        self.note(false);
    }

    pub fn is_busy(&self) -> bool {
        self.busy.load(Ordering::Relaxed)
    }

    /// Since when nothing has begun or ended.
    pub fn quiet_since(&self) -> Instant {
        self.begun + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    fn note(&self, busy: bool) {
        self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
        self.busy.store(busy, Ordering::Relaxed);
    }
}

/// A connection whose end is noticed, too, when the client has sent a second request behind one that is being worked on.
///
/// hyper finds out that a client has left by reading; but with a request in its buffer that has to wait its turn it reads no
/// further, and a parked poll would keep its place until its time is up. hyper flushes at the end of every turn, even with
/// nothing to write: that is when this looks.
pub struct Watched<'a> {
    stream: Stream,
    activity: &'a Activity,
    /// There while bytes have come in behind a request.
    behind: Option<Pin<Box<Sleep>>>,
}

impl<'a> Watched<'a> {
    pub fn new(stream: Stream, activity: &'a Activity) -> Watched<'a> {
        Watched { stream, activity, behind: None }
    }

    fn has_left(&mut self, context: &mut Context<'_>) -> bool {
        let Some(look) = &mut self.behind else { return false };
        if !self.activity.is_busy() {
            self.behind = None;
            return false;
        }
        if self.stream.is_hung_up() {
            return true;
        }
        // The end wakes us at once where nothing lies unread before it; else it is found at the next look.
        self.stream.wake_when_readable(context);
        while look.as_mut().poll(context).is_ready() {
            look.as_mut().reset(Instant::now() + LOOK);
        }
        false
    }
}

impl AsyncRead for Watched<'_> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.activity.is_busy() && self.behind.is_none() && buffer.filled().len() > before {
            self.behind = Some(Box::pin(sleep(LOOK)));
        }
        read
    }
}

impl AsyncWrite for Watched<'_> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.has_left(context) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
