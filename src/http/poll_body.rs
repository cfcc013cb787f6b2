//! The body of a poll with a heartbeat: a space now and then, which JSON allows before it begins, and then the answer.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

pin_project! {
    /// Drives the poll itself, so that dropping the body, as when the client leaves, ends the poll. There are as many of these
    /// as there are parked polls, so each is one piece of memory, the poll and its clock included.
    pub struct PollBody<F> {
        // None once the answer has been given out.
        #[pin]
        answer: Option<F>,
        #[pin]
        heartbeat: Sleep,
        every: Duration,
    }
}

impl<F: Future<Output = Bytes>> PollBody<F> {
    pub fn new(answer: F, every: Duration) -> PollBody<F> {
        PollBody { answer: Some(answer), heartbeat: sleep(every), every }
    }
}

impl<F: Future<Output = Bytes>> Body for PollBody<F> {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        let Some(answer) = this.answer.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        if let Poll::Ready(body) = answer.poll(context) {
            this.answer.set(None);
            return Poll::Ready(Some(Ok(Frame::data(body))));
        }
        ready!(this.heartbeat.as_mut().poll(context));
        // From now, not from when it was due: a heartbeat that comes late is not followed by another at once.
        this.heartbeat.reset(Instant::now() + *this.every);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
    }

    fn is_end_stream(&self) -> bool {
        self.answer.is_none()
    }
}
