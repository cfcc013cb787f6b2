//! Sends an answer that comes bit by bit: the rest of a chunked body, on the bare socket (RFC 9112, 7.1).

use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};

use bytes::Bytes;
use hyper::body::{Body, Frame};

use super::activity::Activity;
use super::presence::Presence;
use super::wire::Wire;
use crate::http::ResponseBody;
use crate::stop::Stop;

/// Sends a body whose head has been sent, to its end. An error if the client leaves before; then the body has been dropped.
///
/// The body is asked for its next part when the client has taken the last one.
pub async fn send(wire: &Wire, mut body: ResponseBody, activity: &Activity, stop: &mut Stop) -> io::Result<()> {
    let mut presence = Presence::default();
    let mut stop = pin!(stop.given());
    let mut is_stopping = false;
    loop {
        let frame = poll_fn(|context| {
            let frame = Pin::new(&mut body).poll_frame(context);
            // Who has been told and stays silent must not hold up the stop: this very wake-up lets its task find out.
            if frame.is_pending() && !is_stopping && stop.as_mut().poll(context).is_ready() {
                is_stopping = true;
                wire.wake_always();
            }
            wire.while_present(&mut presence, context, frame)
        });
        let (data, is_last) = match frame.await? {
            None => (Bytes::new(), true),
            Some(Ok(frame)) => (data(frame), body.is_end_stream()),
        };
        wire.begin(data, is_last);
        poll_fn(|context| wire.poll_send(&mut presence, context)).await?;
        activity.touch();
        if is_last {
            return Ok(());
        }
    }
}

/// A frame's data; trailers are none.
fn data(frame: Frame<Bytes>) -> Bytes {
    frame.into_data().unwrap_or_default()
}
