//! What the tailer and the pruner count and measure. Only their own threads write here.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, IntCounter, IntCounterVec, IntGauge};

use crate::catalog::Catalog;
use crate::change::{Batch, Relation};
use crate::db::log::Measured;
use crate::metrics::make;

/// From a change's last statement to its publishing: a millisecond where all is well.
const DELAYS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0];

/// Changes of one batch; above the default of `batch_rows` they are resets.
const BATCH_CHANGES: [f64; 8] = [1.0, 2.0, 5.0, 10.0, 50.0, 100.0, 1_000.0, 5_000.0];

pub struct Counts {
    changes: IntCounterVec,
    resets: IntCounterVec,
    batch_changes: Histogram,
    reads: IntCounter,
    last_read: Gauge,
    delay: Histogram,
    /// The longest delay since it was taken last, in microseconds.
    longest: AtomicU64,
    sessions_lost: IntCounter,
    log_bytes: IntGauge,
    unread_changes: IntGauge,
    unread_age: Gauge,
    measured: Gauge,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            changes: make::counters("rowcast_changes_total", "Changes published, of each exposed table.", &["table"]),
            resets: make::counters("rowcast_resets_total", "Times that a table was told as a reset instead of its changes.", &["table"]),
            batch_changes: make::histogram(
                "rowcast_batch_changes",
                "Batches published, by how many changes they held; 0 is a batch of resets alone.",
                &BATCH_CHANGES,
            ),
            reads: make::counter("rowcast_tail_reads_total", "Reads of the log that the tailer has finished."),
            last_read: make::level("rowcast_tail_last_read_timestamp_seconds", "When the tailer finished its last read of the log."),
            delay: make::histogram(
                "rowcast_tail_delay_seconds",
                "From the last change that a transaction logged to its publishing, by the database's clock.",
                &DELAYS,
            ),
            longest: AtomicU64::new(0),
            sessions_lost: make::counter("rowcast_tail_sessions_lost_total", "Times that the tailer lost its connection to the database."),
            log_bytes: make::gauge("rowcast_log_size_bytes", "Size of the change log with its index, when it was last measured."),
            unread_changes: make::gauge(
                "rowcast_log_unread_changes",
                "Changes in the log that the tailer had not read, counted up to 10000, when it was last measured.",
            ),
            unread_age: make::level("rowcast_log_unread_age_seconds", "Age of the oldest of those; 0 if there was none."),
            measured: make::level("rowcast_log_measured_timestamp_seconds", "When the log was last measured."),
        }
    }
}

impl Counts {
    /// A read of the log that has been published. `delays` has one for each transaction in it.
    pub fn read(&self, delays: &[Duration]) {
        self.reads.inc();
        self.last_read.set(now());
        for delay in delays {
            self.delay.observe(delay.as_secs_f64());
            self.longest.fetch_max(u64::try_from(delay.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
    }

    /// What a batch holds. Tables are called by the names that the configuration exposes, so there are no more of them.
    pub fn batch(&self, batch: &Batch, catalog: &Catalog) {
        if batch.changes.is_empty() && batch.resets.is_empty() {
            return;
        }
        self.batch_changes.observe(batch.changes.len() as f64);
        for same in batch.changes.chunk_by(|one, next| one.relation == next.relation) {
            if let Some(table) = catalog.relation(same[0].relation) {
                self.changes.with_label_values(&[&table.exposed_name]).inc_by(same.len() as u64);
            }
        }
        self.reset(batch.resets.keys(), catalog);
    }

    /// Tables that are told as resets.
    pub fn reset<'a>(&self, relations: impl IntoIterator<Item = &'a Relation>, catalog: &Catalog) {
        for table in relations.into_iter().filter_map(|&relation| catalog.relation(relation)) {
            self.resets.with_label_values(&[&table.exposed_name]).inc();
        }
    }

    pub fn session_lost(&self) {
        self.sessions_lost.inc();
    }

    pub fn measured(&self, log: &Measured) {
        self.log_bytes.set(log.bytes);
        self.unread_changes.set(log.unread);
        self.unread_age.set(log.oldest_unread_seconds);
        self.measured.set(now());
    }

    /// The size of the log as it was measured last, in bytes.
    pub fn log_bytes(&self) -> i64 {
        self.log_bytes.get()
    }

    /// The longest delay since it was taken last.
    pub fn longest_delay(&self) -> Duration {
        Duration::from_micros(self.longest.load(Ordering::Relaxed))
    }

    /// The same, and begins anew.
    pub fn take_longest_delay(&self) -> Duration {
        Duration::from_micros(self.longest.swap(0, Ordering::Relaxed))
    }

    /// Changes and resets of a table so far.
    pub fn of_table(&self, name: &str) -> (u64, u64) {
        (self.changes.with_label_values(&[name]).get(), self.resets.with_label_values(&[name]).get())
    }

    pub fn all(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.changes.clone()),
            Box::new(self.resets.clone()),
            Box::new(self.batch_changes.clone()),
            Box::new(self.reads.clone()),
            Box::new(self.last_read.clone()),
            Box::new(self.delay.clone()),
            Box::new(self.sessions_lost.clone()),
            Box::new(self.log_bytes.clone()),
            Box::new(self.unread_changes.clone()),
            Box::new(self.unread_age.clone()),
            Box::new(self.measured.clone()),
        ]
    }
}

/// Seconds since 1970, as Prometheus tells times.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
