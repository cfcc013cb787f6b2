//! Reads on demand: a poll whose cursor is newer than the tailer's asks for a read that begins after it asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::error::{Error, Result};

/// Requests are numbered; a read serves those that were made before it began.
#[derive(Default)]
pub struct Freshness {
    requested: AtomicU64,
    wake: Notify,
    served: watch::Sender<u64>,
    alive: AtomicBool,
}

/// What a read that has begun will have served.
pub struct Ticket(u64);

impl Freshness {
    pub fn begin(&self) -> Ticket {
        Ticket(self.requested.load(Ordering::SeqCst))
    }

    pub fn end(&self, ticket: Ticket) {
        self.alive.store(true, Ordering::Relaxed);
        self.served.send_if_modified(|served| {
            let newer = ticket.0 > *served;
            *served = ticket.0.max(*served);
            newer
        });
    }

    pub fn lost(&self) {
        self.alive.store(false, Ordering::Relaxed);
    }

    /// Nobody need wait for a read any more.
    pub fn close(&self) {
        self.served.send_replace(u64::MAX);
    }

    pub fn alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }

    pub async fn wanted(&self) {
        while self.requested.load(Ordering::SeqCst) <= *self.served.borrow() {
            self.wake.notified().await;
        }
    }

    /// Waits for a read that begins after this call.
    pub async fn read(&self, patience: Duration) -> Result<()> {
        let number = self.requested.fetch_add(1, Ordering::SeqCst) + 1;
        let mut served = self.served.subscribe();
        self.wake.notify_one();
        match tokio::time::timeout(patience, served.wait_for(|&served| served >= number)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Error::unavailable("the database cannot be reached to find out what is new", Duration::from_secs(2))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn a_read_serves_only_what_was_asked_before_it_began() {
        let freshness = Arc::new(Freshness::default());
        let early = freshness.begin();
        let asking = freshness.clone();
        let mut asked = tokio::spawn(async move { asking.read(Duration::from_secs(10)).await });
        freshness.wanted().await;
        freshness.end(early);
        assert!(tokio::time::timeout(Duration::from_millis(30), &mut asked).await.is_err(), "a read that had begun before served it");
        let late = freshness.begin();
        freshness.end(late);
        assert!(asked.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn without_a_database_the_asker_is_told_so() {
        let freshness = Freshness::default();
        assert!(freshness.read(Duration::from_millis(5)).await.is_err());
    }
}
