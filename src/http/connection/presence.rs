//! Whether a client is still there that is not expected to say anything.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::http::socket::Stream;

/// How often it is looked whether a client is still there that has sent more than is read for now.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Default)]
pub struct Presence {
    /// There while the client is ahead: bytes that nobody reads yet hide the end behind them.
    look: Option<Pin<Box<Sleep>>>,
}

impl Presence {
    /// Whether the client has been found to have sent more than is read for now.
    pub fn is_ahead(&self) -> bool {
        self.look.is_some()
    }

    /// Whether the client has left. If not, the task is woken when it does.
    pub fn has_left(&mut self, stream: &Stream, context: &mut Context<'_>) -> bool {
        if self.look.is_none() {
            match stream.poll_peek(context, &mut [0; 1]) {
                Poll::Pending => return false,
                Poll::Ready(Ok(1)) => {}
                Poll::Ready(_) => return true,
            }
        }
        self.has_left_who_is_ahead(stream, context)
    }

    /// The same for a client that is known to have sent more than is read for now.
    pub fn has_left_who_is_ahead(&mut self, stream: &Stream, context: &mut Context<'_>) -> bool {
        if stream.is_hung_up() {
            return true;
        }
        // The end wakes us at once where nothing lies unread before it; else it is found at the next look.
        stream.wake_when_readable(context);
        let look = self.look.get_or_insert_with(|| Box::pin(sleep(LOOK)));
        while look.as_mut().poll(context).is_ready() {
            look.as_mut().reset(Instant::now() + LOOK);
        }
        false
    }
}
