//! How a parked poll gets its answer: it is put into a letter that the poll waits for. Where the client can be told at once by
//! whoever made the answer, its task sleeps on until the client stirs: waking ten thousand tasks costs more than what they do.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::answer::Answer;
use crate::cursor::Cursor;

/// The way to a parked poll's client, if there is one that leads past its task.
pub trait Line: Debug + Send + Sync {
    /// Tells the client, without waiting. True if it has been told all; then the poll is in no hurry to hear of it.
    fn tell(&self, answer: &Answer) -> bool;
}

/// One end of a letter. Dropped without having been sent, it leaves the reader with nothing to wait for.
pub struct Sender {
    letter: Arc<Mutex<Letter>>,
    line: Option<Arc<dyn Line>>,
}

/// The other end.
pub struct Reader(Arc<Mutex<Letter>>);

#[derive(Default)]
struct Letter {
    content: Content,
    reader: Option<Waker>,
}

#[derive(Default)]
enum Content {
    #[default]
    None,
    Answer(Arc<Answer>),
    /// The client has been told, with this cursor. The answer, which may be large, is not kept for who sleeps.
    Told(Arc<Cursor>, Instant),
    /// Nobody will send it any more.
    Lost,
}

/// A letter for a poll whose client can be told by `line`.
pub fn letter(line: Option<Arc<dyn Line>>) -> (Sender, Reader) {
    let letter = Arc::<Mutex<Letter>>::default();
    (Sender { letter: letter.clone(), line }, Reader(letter))
}

impl Sender {
    pub fn send(mut self, answer: Arc<Answer>) {
        lock(&self.letter).content = Content::Answer(answer.clone());
        // Only now: who is told may come back at once, and then the poll must find that it has been answered.
        let told = answer.retry_after.is_none() && self.line.take().is_some_and(|line| line.tell(&answer));
        if told {
            lock(&self.letter).content = Content::Told(answer.cursor.clone(), Instant::now());
        } else {
            wake(&self.letter);
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let mut letter = lock(&self.letter);
        if matches!(letter.content, Content::None) {
            letter.content = Content::Lost;
            drop(letter);
            wake(&self.letter);
        }
    }
}

/// The letter has been lost.
#[derive(Debug)]
pub struct Lost;

impl Future for Reader {
    type Output = Result<Arc<Answer>, Lost>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut letter = lock(&self.0);
        match &letter.content {
            Content::Answer(answer) => Poll::Ready(Ok(answer.clone())),
            Content::Told(cursor, at) => Poll::Ready(Ok(Arc::new(Answer::told(cursor.clone(), *at)))),
            Content::Lost => Poll::Ready(Err(Lost)),
            Content::None => {
                match &mut letter.reader {
                    Some(reader) => reader.clone_from(context.waker()),
                    none => *none = Some(context.waker().clone()),
                }
                Poll::Pending
            }
        }
    }
}

fn wake(letter: &Mutex<Letter>) {
    let reader = lock(letter).reader.take();
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn lock(letter: &Mutex<Letter>) -> MutexGuard<'_, Letter> {
    letter.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;
    use crate::cursor::Snapshot;

    #[derive(Debug)]
    struct Telling(bool);

    impl Line for Telling {
        fn tell(&self, _: &Answer) -> bool {
            self.0
        }
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer(retry_after: Option<std::time::Duration>) -> Arc<Answer> {
        let cursor = Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(1, Vec::new()) });
        Arc::new(Answer { retry_after, ..Answer::new(cursor, Vec::new()) })
    }

    /// How often a poll is woken by its answer, which it then has.
    fn woken_by(answer: Arc<Answer>, line: Option<Arc<dyn Line>>) -> usize {
        let woken = Arc::<Woken>::default();
        let (waker, (sender, mut reader)) = (woken.clone().into(), letter(line));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut reader).poll(&mut context).is_pending());
        sender.send(answer);
        let read = Pin::new(&mut reader).poll(&mut context);
        let was_woken = woken.0.load(Ordering::Relaxed);
        // What its client was told is not kept.
        assert!(matches!(read, Poll::Ready(Ok(answer)) if answer.told_at.is_none() == (was_woken > 0)));
        woken.0.load(Ordering::Relaxed)
    }

    #[test]
    fn only_whose_client_was_not_told_is_woken() {
        assert_eq!(woken_by(answer(None), None), 1);
        assert_eq!(woken_by(answer(None), Some(Arc::new(Telling(false)))), 1);
        assert_eq!(woken_by(answer(None), Some(Arc::new(Telling(true)))), 0);
    }

    #[test]
    fn a_dismissal_wakes_for_the_connection_is_to_end() {
        assert_eq!(woken_by(answer(Some(std::time::Duration::ZERO)), Some(Arc::new(Telling(true)))), 1);
    }

    #[test]
    fn a_letter_that_is_never_sent_is_not_waited_for() {
        let (sender, mut reader) = letter(None);
        drop(sender);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(Pin::new(&mut reader).poll(&mut context), Poll::Ready(Err(Lost))));
    }
}
