//! What the hub counts. A poll that parks pays for one atomic number, a batch for one more however many it wakes.

use prometheus::core::Collector;
use prometheus::{IntCounter, IntCounterVec, IntGauge};

use crate::metrics::make;

/// Numbers that anybody may add to at any time: none is behind a lock.
pub struct Counts {
    /// Polls and streams that wait for news right now.
    pub parked: IntGauge,
    /// Answers with news to polls that were parked when it came.
    pub from_batch: IntCounter,
    /// The same to polls that came with a cursor from before, which the ring still reaches.
    pub from_ring: IntCounter,
    /// The same to those that only the log could tell.
    pub from_log: IntCounter,
    deliveries: IntCounterVec,
}

impl Default for Counts {
    fn default() -> Counts {
        let deliveries = make::counters("rowcast_deliveries_total", "Answers that told a poll or event stream of news.", &["from"]);
        let from = |source| deliveries.with_label_values(&[source]);
        Counts {
            parked: make::gauge("rowcast_polls_parked", "Polls and event streams that wait for news."),
            from_batch: from("batch"),
            from_ring: from("ring"),
            from_log: from("log"),
            deliveries,
        }
    }
}

impl Counts {
    /// All answers with news.
    pub fn deliveries(&self) -> u64 {
        self.from_batch.get() + self.from_ring.get() + self.from_log.get()
    }

    pub fn all(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.parked.clone()), Box::new(self.deliveries.clone())]
    }
}
