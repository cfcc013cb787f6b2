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
use crate::hub::{Answer, Line};

const END_OF_CHUNK: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const END_OF_CHUNK_AND_BODY: &[u8] = b"\r\n0\r\n\r\n";

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
    /// The client has sent its next request already: it will not stir.
    is_ahead: bool,
}

/// A chunk as it is sent: its size, its data, which others who are told the same share, and its end.
type Chunk = Chain<Chain<Bytes, Bytes>, &'static [u8]>;

impl Wire {
    pub fn new(room: Room) -> Wire {
        let held = Held { stream: None, rest: chunk(Bytes::new(), &[]), is_open: false, is_told: false, is_ahead: false };
        Wire { held: Mutex::new(held), room }
    }

    /// Begins: from here on an answer may be told.
    pub fn take(&self, stream: Stream, is_ahead: bool) {
        let mut held = self.held();
        held.stream = Some(stream);
        held.is_open = true;
        held.is_ahead = is_ahead;
    }

    /// Ends.
    pub fn give_back(&self) -> Option<Stream> {
        let mut held = self.held();
        held.is_open = false;
        held.stream.take()
    }

    /// The next chunk is this, unless the answer has been told already. No data is the end alone.
    pub fn begin(&self, data: Bytes, is_last: bool) {
        let mut held = self.held();
        if held.is_told {
            return;
        }
        held.is_open = false;
        held.rest = match (data.is_empty(), is_last) {
            (true, true) => chunk(data, LAST_CHUNK),
            // A chunk of no bytes would end the body.
            (true, false) => chunk(data, &[]),
            (false, true) => chunk(data, END_OF_CHUNK_AND_BODY),
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
            held.is_ahead |= presence.is_ahead();
            if held.is_told {
                // Since it was asked for. Nothing else may wake this task.
                context.waker().wake_by_ref();
            }
        }
        awaited.map(Ok)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Line for Wire {
    fn tell(&self, answer: &Answer) -> bool {
        let mut held = self.held();
        let Held { stream: Some(stream), rest, is_open: is_open @ true, is_told, is_ahead } = &mut *held else { return false };
        *is_open = false;
        *is_told = true;
        *rest = encode::last_chunk(answer, &self.room).chain(Bytes::new()).chain(&[]);
        // An error is the task's to find, too.
        let written = write(rest, |slices| Poll::Ready(stream.try_write_vectored(slices)));
        matches!(written, Poll::Ready(Ok(()))) && !rest.has_remaining() && !*is_ahead
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
