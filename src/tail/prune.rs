//! The pruner: keeps the log to its retention. Any server may; the database lets one at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::db::{Database, log};
use crate::stop::Stop;

/// Prunes at a tenth of the retention, but neither all the time nor hardly ever, until it is told to stop.
pub async fn run(config: Arc<Config>, database: Database, mut stop: Stop) {
    let keep = config.tail.keep;
    let every = (keep / 10).clamp(Duration::from_secs(1), Duration::from_secs(60));
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            () = stop.given() => return,
        }
        match database.run(move |session| log::prune(session, keep)).await {
            Ok(0) => {}
            Ok(changes) => tracing::debug!(changes, "pruned the log"),
            Err(error) => tracing::warn!(%error, "the log could not be pruned; the next try is in {every:?}"),
        }
    }
}
