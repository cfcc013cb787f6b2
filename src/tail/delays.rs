//! How long the changes of one read waited: from the last change that each transaction logged until the read is published.
//!
//! Both ends are by the database's clock, which need not be ours: the read's first row says what it showed when the read
//! began, and from there on our own clock counts. When a transaction committed is not in the log, so one that does much after
//! its last change, or waits before COMMIT, counts that in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Transactions of one read that are measured; the others of a read so large are not.
const MEASURED: usize = 1_000;

#[derive(Default)]
pub struct Delays {
    /// What the database's clock showed, and ours then.
    begun: Option<(OffsetDateTime, Instant)>,
    /// By transaction, when it logged its last change: JSON text.
    last: HashMap<u64, String>,
}

impl Delays {
    /// The read's first row, with the database's time as a JSON string.
    pub fn begin(&mut self, time: &str) {
        self.begun = parse(time).map(|time| (time, Instant::now()));
    }

    /// A change, in the log's order.
    pub fn change(&mut self, xid: u64, time: &str) {
        if self.last.len() < MEASURED || self.last.contains_key(&xid) {
            self.last.insert(xid, time.to_owned());
        }
    }

    /// One for each transaction, if the read is published now.
    pub fn until_now(&self) -> Vec<Duration> {
        let Some((clock, begun)) = self.begun else { return Vec::new() };
        let now = clock + begun.elapsed();
        // A writer's clock that was set back meanwhile is no negative delay.
        self.last.values().filter_map(|time| Some(Duration::try_from(now - parse(time)?).unwrap_or_default())).collect()
    }
}

fn parse(json: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(json.trim_matches('"'), &Rfc3339).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_counts_from_its_last_change() {
        let mut delays = Delays::default();
        delays.change(7, "\"2026-11-21T03:00:00+00:00\"");
        assert!(delays.until_now().is_empty(), "without the database's clock there is no telling");
        delays.begin("\"2026-11-21T03:00:10.5+00:00\"");
        delays.change(7, "\"2026-11-21T03:00:10+00:00\"");
        let only = delays.until_now();
        assert!(only.len() == 1 && (500..2_000).contains(&only[0].as_millis()), "{only:?}");
        delays.change(8, "\"2026-11-21T03:00:59+00:00\"");
        assert!(delays.until_now().contains(&Duration::ZERO), "a change from the future");
    }

    #[test]
    fn a_read_of_many_transactions_is_bounded() {
        let mut delays = Delays::default();
        delays.begin("\"2026-11-21T03:00:10+00:00\"");
        (0..5_000).for_each(|xid| delays.change(xid, "\"2026-11-21T03:00:00+00:00\""));
        assert_eq!(delays.until_now().len(), MEASURED);
    }
}
