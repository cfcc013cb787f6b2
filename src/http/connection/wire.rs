//! The bare socket of a long answer, shared by the connection's task and by whoever makes the answer that a parked poll waits for.
//!
//! A poll's answer is its last chunk, so the hub can write it to the socket itself, without waking the task: the task finds
//! out when the client sends its next request. Whatever cannot be written at once is left to the task.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, ready};

use bytes::buf::Chain;
use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use super::presence::Presence;
use crate::http::encode;
use crate::http::room::Room;
use crate::http::socket::Stream;
use crate::hub::{Answer, Line, Open};

const END_OF_CHUNK: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Between [`Wire::take`] and [`Wire::give_back`] it has the socket; before and after nobody is told by it.
pub struct Wire {
    held: Mutex<Held>,
    room: Room,
}

struct Held {
    /// None before hyper has been taken apart, and once the answer has been sent.
    stream: Option<Stream>,
    /// What has yet to be sent of a chunk.
    rest: Chunk,
    /// Whether an answer may be told: nothing else is under way.
    is_open: bool,
    /// An answer has been told, or has been put into `rest`: nothing else is to be sent.
    is_told: bool,
    /// Nothing will wake the task of who was told: the client has sent its next request already, or the server stops.
    wakes: bool,
    /// The poll's place in the count, given up as soon as it has been told.
    open: Option<Open>,
}

/// A chunk as it is sent: its size, its data, which others who are told the same share, and its end.
type Chunk = Chain<Chain<Bytes, Bytes>, &'static [u8]>;

impl Wire {
    /// Of a poll that has such a place, or of another long answer.
    pub fn new(room: Room, open: Option<Open>) -> Wire {
        let held = Held { stream: None, rest: nothing(), is_open: false, is_told: false, wakes: false, open };
        Wire { held: Mutex::new(held), room }
    }

    /// Begins: from here on an answer may be told.
    pub fn take(&self, stream: Stream, is_ahead: bool) {
        let mut held = self.held();
        held.stream = Some(stream);
        held.is_open = true;
        held.wakes = is_ahead;
    }

    /// Ends.
    pub fn give_back(&self) -> Option<Stream> {
        let mut held = self.held();
        held.is_open = false;
        held.open = None;
        held.stream.take()
    }

    /// The next chunk is this, unless the answer has been told already. No data is the end alone.
    pub fn begin(&self, data: Bytes, is_last: bool) {
        let mut held = self.held();
        if held.is_told {
            return;
        }
        held.is_open = false;
        held.is_told = is_last;
        held.rest = match (data.is_empty(), is_last) {
            (true, true) => chunk(data, LAST_CHUNK),
            // A chunk of no bytes would end the body.
            (true, false) => nothing(),
            (false, true) => chunk(data, encode::CHUNK_END.as_bytes()),
            (false, false) => chunk(data, END_OF_CHUNK),
        };
    }

    /// Sends what has been begun; an error if the client leaves before.
    pub fn poll_send(&self, presence: &mut Presence, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut held = self.held();
        let Held { stream: Some(stream), rest, is_open, is_told, .. } = &mut *held else { return Poll::Ready(Err(gone())) };
        while rest.has_remaining() {
            match write(rest, |slices| Pin::new(&mut *stream).poll_write_vectored(context, slices)) {
                Poll::Pending if presence.has_left(stream, context) => return Poll::Ready(Err(gone())),
                written => ready!(written)?,
            }
        }
        *rest = nothing();
        *is_open = !*is_told;
        Poll::Ready(Ok(()))
    }

    /// What is waited for, or an error once the client has left.
    pub fn while_present<T>(&self, presence: &mut Presence, context: &mut Context<'_>, awaited: Poll<T>) -> Poll<io::Result<T>> {
        if awaited.is_pending() {
            let mut held = self.held();
            if held.stream.as_ref().is_none_or(|stream| presence.has_left(stream, context)) {
                return Poll::Ready(Err(gone()));
            }
            held.wakes |= presence.is_ahead();
            if held.is_told {
                // Since it was asked for. Nothing else may wake this task.
                context.waker().wake_by_ref();
            }
        }
        awaited.map(Ok)
    }

    /// From here on whoever tells wakes the task, too: the server stops.
    pub fn wake_always(&self) {
        self.held().wakes = true;
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Line for Wire {
    fn tell(&self, answer: &Answer) -> bool {
        let mut held = self.held();
        let Held { stream: Some(stream), rest, is_open: is_open @ true, is_told, wakes, open } = &mut *held else { return false };
        *is_open = false;
        *is_told = true;
        *rest = encode::last_chunk(answer, &self.room).chain(Bytes::new()).chain(&[]);
        // An error is the task's to find, too.
        let written = write(rest, |slices| Poll::Ready(stream.try_write_vectored(slices)));
        if !matches!(written, Poll::Ready(Ok(()))) || rest.has_remaining() {
            return false;
        }
        // What has been sent is not kept for who sleeps.
        *rest = nothing();
        *open = None;
        !*wakes
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Wire")
    }
}

fn chunk(data: Bytes, end: &'static [u8]) -> Chunk {
    let head = if data.is_empty() { Bytes::new() } else { Bytes::from(format!("{:x}\r\n", data.len())) };
    head.chain(data).chain(end)
}

fn nothing() -> Chunk {
    chunk(Bytes::new(), &[])
}

/// Writes some of a chunk.
fn write(chunk: &mut Chunk, to: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>) -> Poll<io::Result<()>> {
    let mut slices = [IoSlice::new(&[]); 3];
    let count = chunk.chunks_vectored(&mut slices);
    let written = ready!(to(&slices[..count]))?;
    if written == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    chunk.advance(written);
    Poll::Ready(Ok(()))
}

fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::*;
    use crate::cursor::{Cursor, Snapshot};
    use crate::hub::{SubscriptionAnswer, Told};

    /// An answer of at least so many bytes.
    fn answer(size: usize) -> Answer {
        let cursor = Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(1, Vec::new()) });
        let answers = vec![SubscriptionAnswer { id: "x".repeat(size).into(), told: Told::Reset }];
        Answer::new(cursor, answers)
    }

    /// A wire that is open, and the client's end of it.
    async fn open(room: &Room) -> (Wire, std::net::TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let wire = Wire::new(room.clone(), None);
        wire.take(Stream::Tcp(listener.accept().await.unwrap().0), false);
        (wire, client)
    }

    async fn send(wire: &Wire) {
        std::future::poll_fn(|context| wire.poll_send(&mut Presence::default(), context)).await.unwrap();
    }

    /// All that the client gets.
    fn received(wire: Wire, mut client: std::net::TcpStream) -> String {
        drop(wire);
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn who_has_been_told_is_sent_nothing_else() {
        let (wire, client) = open(&Room::new(1 << 20)).await;
        assert!(wire.tell(&answer(1)));
        wire.begin(Bytes::from_static(b" "), false);
        send(&wire).await;
        wire.begin(Bytes::from_static(b"{}"), true);
        send(&wire).await;
        assert!(!wire.tell(&answer(2)));
        let text = received(wire, client);
        assert_eq!(text.matches("cursor").count(), 1, "{text}");
        assert!(text.ends_with("\r\n0\r\n\r\n") && !text.contains(" "), "{text}");
    }

    /// The task may have been woken by something else, and have found the answer before it could be told.
    #[tokio::test]
    async fn what_the_task_has_sent_is_not_told_again() {
        let (wire, client) = open(&Room::new(1 << 20)).await;
        wire.begin(Bytes::from_static(b"{}"), true);
        send(&wire).await;
        assert!(!wire.tell(&answer(1)));
        assert_eq!(received(wire, client), "2\r\n{}\r\n0\r\n\r\n");
    }

    #[tokio::test]
    async fn nobody_is_told_in_the_middle_of_a_chunk() {
        let (wire, client) = open(&Room::new(1 << 20)).await;
        wire.begin(Bytes::from_static(b" "), false);
        assert!(!wire.tell(&answer(1)));
        send(&wire).await;
        assert!(wire.tell(&answer(1)));
        assert!(received(wire, client).starts_with("1\r\n \r\n0"));
    }

    #[tokio::test]
    async fn who_will_not_stir_is_woken() {
        let (wire, _client) = open(&Room::new(1 << 20)).await;
        wire.wake_always();
        assert!(!wire.tell(&answer(1)));
        // And whoever was told before it was known finds out by itself.
        let (wire, _client) = open(&Room::new(1 << 20)).await;
        assert!(wire.tell(&answer(1)));
        let (waker, count) = counting_waker();
        let mut context = Context::from_waker(&waker);
        assert!(wire.while_present(&mut Presence::default(), &mut context, Poll::<()>::Pending).is_pending());
        assert!(count.0.load(Ordering::Relaxed) > 0);
    }

    #[tokio::test]
    async fn room_is_free_when_all_have_been_told() {
        let room = Room::new(30_000);
        let (wire, _client) = open(&room).await;
        assert!(wire.tell(&answer(6_000)));
        assert!(room.hold(vec![0; 25_000]).is_some(), "who sleeps keeps what it was told");
        let (wire, _client) = open(&room).await;
        wire.begin(room.hold(vec![0; 6_000]).unwrap(), false);
        send(&wire).await;
        assert!(room.hold(vec![0; 25_000]).is_some(), "what was sent is kept");
    }

    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counting_waker() -> (Waker, Arc<Count>) {
        let count = Arc::new(Count(AtomicUsize::new(0)));
        (count.clone().into(), count)
    }
}
