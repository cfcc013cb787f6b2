//! The pruner: keeps the log to its retention and its size. Any server may; the database lets one at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::Config;
use crate::db::{Database, log};
use crate::error::Result;
use crate::hub::Hub;
use crate::stop::Stop;

use super::Vitals;

/// A vacuum rests for this many times as long as it took, but at least so long: where a long transaction keeps what was
/// deleted, it has nothing to show for its work.
const REST: (u32, Duration) = (10, Duration::from_secs(1));

struct Pruner {
    database: Database,
    hub: Arc<Hub>,
    vitals: Arc<Vitals>,
    keep: Duration,
    log_bytes: u64,
    /// The log is not vacuumed before.
    next_vacuum: Instant,
}

/// Prunes at a tenth of the retention, but neither all the time nor hardly ever, until it is told to stop. At once, to begin
/// with: there may be much to do after a time without a server. Each round measures what it has left.
pub async fn run(config: Arc<Config>, database: Database, hub: Arc<Hub>, vitals: Arc<Vitals>, mut stop: Stop) {
    let (keep, log_bytes) = (config.tail.keep, config.tail.log_bytes);
    let every = (keep / 10).clamp(Duration::from_secs(1), Duration::from_secs(5));
    let mut pruner = Pruner { database, hub, vitals, keep, log_bytes, next_vacuum: Instant::now() };
    loop {
        let outcome = tokio::select! {
            outcome = pruner.round() => outcome,
            // What is at work in the database ends by itself, and the next server goes on from there.
            () = stop.given() => return,
        };
        match outcome {
            Ok(0) => {}
            Ok(changes) => tracing::debug!(changes, "pruned the log"),
            Err(error) => tracing::warn!(%error, "the log could not be pruned; the next try is in {every:?}"),
        }
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.given() => return,
        }
    }
}

impl Pruner {
    /// Moves the horizon, then deletes in short transactions; returns how many changes those deleted. Each step is a turn of
    /// its own at the pool: where there is much to delete, requests come in between.
    async fn round(&mut self) -> Result<u64> {
        let (keep, log_bytes) = (self.keep, self.log_bytes);
        let mut pruned = 0;
        if self.database.keep_house(move |session| log::advance_horizon(session, keep, log_bytes)).await? {
            loop {
                match self.database.keep_house(log::prune).await? {
                    0 => break,
                    changes => pruned += changes,
                }
                self.vacuum().await?;
            }
        }
        self.vacuum().await?;
        self.measure().await?;
        Ok(pruned)
    }

    /// Once a round is often enough: nobody who asks for numbers is to make the database work.
    async fn measure(&self) -> Result<()> {
        let tip = self.hub.tip();
        self.vitals.counts.measured(&self.database.keep_house(move |session| log::measure(session, &tip)).await?);
        Ok(())
    }

    async fn vacuum(&mut self) -> Result<()> {
        let begun = Instant::now();
        if begun < self.next_vacuum {
            return Ok(());
        }
        // Also where it fails: it would fail again.
        self.next_vacuum = begun + REST.1;
        if self.database.keep_house(log::vacuum).await? {
            let took = begun.elapsed();
            tracing::debug!(?took, "vacuumed the log");
            self.next_vacuum = Instant::now() + (took * REST.0).max(REST.1);
        }
        Ok(())
    }
}
