//! What an HTTP/1.1 connection is at: whether a request is being worked on, and when something last happened. And the bytes that a
//! client sends behind such a request, which must not hide that it has left.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::socket::Stream;

/// How often it is looked whether a client is still there that has sent more than is read for now.
const LOOK: Duration = Duration::from_secs(1);

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

    fn touch(&self) {
        self.last.store(self.begun.elapsed().as_millis() as u64, Ordering::Relaxed);
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
    /// There while the client is ahead.
    look: Option<Pin<Box<Sleep>>>,
}

impl<'a> Watched<'a> {
    pub fn new(stream: Stream, activity: &'a Activity) -> Watched<'a> {
        Watched { stream, activity, look: None }
    }

    fn has_left(&mut self, context: &mut Context<'_>) -> bool {
        if !self.activity.is_ahead() {
            self.look = None;
            return false;
        }
        if self.stream.is_hung_up() {
            return true;
        }
        // The end wakes us at once where nothing lies unread before it; else it is found at the next look.
        self.stream.wake_when_readable(context);
        let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK)));
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
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
