//! Sends an answer that comes bit by bit: the rest of a chunked body, on the bare socket (RFC 9112, 7.1).

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::Body;
use tokio::io::AsyncWrite;

use super::activity::Activity;
use super::presence::Presence;
use crate::http::ResponseBody;
use crate::http::socket::Stream;

const END_OF_CHUNK: &[u8] = b"\r\n";
const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
const END_OF_CHUNK_AND_BODY: &[u8] = b"\r\n0\r\n\r\n";

/// Sends a body whose head has been sent, to its end. An error if the client leaves before; then the body has been dropped.
///
/// The body is asked for its next part when the client has taken the last one.
pub async fn send(stream: &mut Stream, mut body: ResponseBody, activity: &Activity) -> io::Result<()> {
    let mut presence = Presence::default();
    loop {
        let frame = poll_fn(|context| {
            let frame = Pin::new(&mut body).poll_frame(context);
            while_present(&mut presence, stream, context, frame.map(Ok))
        });
        let (mut bytes, is_last) = match frame.await? {
            None => (chunk(Bytes::new(), LAST_CHUNK), true),
            Some(Ok(frame)) => match frame.into_data() {
                // A chunk of no bytes would end the body.
                Ok(data) if !data.is_empty() => {
                    let is_last = body.is_end_stream();
                    (chunk(data, if is_last { END_OF_CHUNK_AND_BODY } else { END_OF_CHUNK }), is_last)
                }
                _ => continue,
            },
        };
        while bytes.has_remaining() {
            poll_fn(|context| {
                let written = write_some(stream, context, &mut bytes);
                while_present(&mut presence, stream, context, written)
            })
            .await?;
        }
        activity.touch();
        if is_last {
            return Ok(());
        }
    }
}

/// A part of the body as it is sent. `data` is shared with others who are told the same, and not copied.
fn chunk(data: Bytes, tail: &'static [u8]) -> impl Buf {
    let head = if data.is_empty() { String::new() } else { format!("{:x}\r\n", data.len()) };
    Bytes::from(head).chain(data).chain(tail)
}

fn write_some(stream: &mut Stream, context: &mut Context<'_>, bytes: &mut impl Buf) -> Poll<io::Result<()>> {
    let mut slices = [IoSlice::new(&[]); 3];
    let count = bytes.chunks_vectored(&mut slices);
    let written = ready!(Pin::new(stream).poll_write_vectored(context, &slices[..count]))?;
    if written == 0 {
        return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
    }
    bytes.advance(written);
    Poll::Ready(Ok(()))
}

/// What is waited for, or an error once the client has left.
fn while_present<T>(
    presence: &mut Presence,
    stream: &Stream,
    context: &mut Context<'_>,
    awaited: Poll<io::Result<T>>,
) -> Poll<io::Result<T>> {
    if awaited.is_pending() && presence.has_left(stream, context) {
        return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    awaited
}
