//! The body of a poll with a heartbeat: a space now and then, which JSON allows before it begins, and then the answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

/// Drives the poll itself, so that dropping the body, as when the client leaves, ends the poll.
pub struct PollBody {
    /// None once the answer has been given out.
    answer: Option<Pin<Box<dyn Future<Output = Bytes> + Send>>>,
    heartbeat: Interval,
}

impl PollBody {
    pub fn new(answer: impl Future<Output = Bytes> + Send + 'static, every: Duration) -> PollBody {
        let mut heartbeat = interval_at(Instant::now() + every, every);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        PollBody { answer: Some(Box::pin(answer)), heartbeat }
    }
}

impl Body for PollBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(answer) = self.answer.as_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(body) = answer.as_mut().poll(context) {
            self.answer = None;
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        self.heartbeat.poll_tick(context).map(|_| Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_none()
    }
}
