//! The ring: the recent batches in memory, so that a returning poll is answered without the database.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::change::Batch;
use crate::cursor::Cursor;

/// Batches in the order of the log, oldest first. Together they are all that happened between `floor` and `tip`.
pub struct Ring {
    floor: Arc<Cursor>,
    tip: Arc<Cursor>,
    batches: VecDeque<Arc<Batch>>,
    bytes: usize,
    /// When the batches take more than this the oldest leave; a cursor below the floor reads the log instead.
    limit_bytes: usize,
}

/// A batch counts for this much beside its changes.
const BATCH_OVERHEAD: usize = 512;

impl Ring {
    pub fn new(tip: Arc<Cursor>, limit_bytes: usize) -> Ring {
        Ring { floor: tip.clone(), tip, batches: VecDeque::new(), bytes: 0, limit_bytes }
    }

    pub fn tip(&self) -> &Arc<Cursor> {
        &self.tip
    }

    /// What the batches take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn push(&mut self, batch: Arc<Batch>) {
        self.tip = batch.to.clone();
        if batch.changes.is_empty() && batch.resets.is_empty() {
            return;
        }
        self.bytes += batch.bytes + BATCH_OVERHEAD;
        self.batches.push_back(batch);
        while self.bytes > self.limit_bytes {
            let Some(oldest) = self.batches.pop_front() else { break };
            self.bytes -= oldest.bytes + BATCH_OVERHEAD;
            self.floor = oldest.to.clone();
        }
    }

    /// The same history goes on in another epoch.
    pub fn renew(&mut self, epoch: i64) {
        self.tip = Arc::new(Cursor { epoch, snapshot: self.tip.snapshot.clone() });
    }

    /// Empties the ring: nothing is known of what was before `tip`.
    pub fn restart(&mut self, tip: Arc<Cursor>) {
        *self = Ring::new(tip, self.limit_bytes);
    }

    /// The batches that `cursor` has seen, the newest first: as many as have `changes` changes together.
    pub fn until(&self, cursor: &Cursor, changes: usize) -> Vec<Arc<Batch>> {
        let end = self.batches.partition_point(|batch| cursor.snapshot.includes(&batch.to.snapshot));
        let mut left = changes;
        let wanted = |batch: &&Arc<Batch>| {
            let wanted = left > 0;
            left = left.saturating_sub(batch.changes.len().max(1));
            wanted
        };
        self.batches.range(..end).rev().take_while(wanted).cloned().collect()
    }

    /// Whether the ring holds all that `cursor`, which is of its history, has not seen.
    pub fn reaches(&self, cursor: &Cursor) -> bool {
        cursor.snapshot.includes(&self.floor.snapshot)
    }

    /// The batches that may hold something that `cursor` has not seen, in order.
    pub fn since(&self, cursor: &Cursor) -> Vec<Arc<Batch>> {
        let first = self.batches.partition_point(|batch| cursor.snapshot.includes(&batch.to.snapshot));
        self.batches.range(first..).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::Snapshot;

    fn cursor(text: &str) -> Arc<Cursor> {
        Arc::new(Cursor { epoch: 1, snapshot: text.parse().unwrap() })
    }

    fn batch(from: &Arc<Cursor>, to: &Arc<Cursor>) -> Arc<Batch> {
        let resets = [(7, crate::change::Unseen::default())].into();
        Arc::new(Batch { from: from.clone(), to: to.clone(), changes: vec![], resets, bytes: 488 })
    }

    #[test]
    fn a_cursor_between_two_batches_gets_what_it_may_not_have_seen() {
        let cursors = [cursor("10:10:"), cursor("12:14:12"), cursor("12:20:12"), cursor("30:30:")];
        let mut ring = Ring::new(cursors[0].clone(), 1 << 20);
        cursors.windows(2).for_each(|pair| ring.push(batch(&pair[0], &pair[1])));
        assert_eq!(ring.since(&cursors[0]).len(), 3);
        assert_eq!(ring.since(&cursors[1]).len(), 2);
        assert_eq!(ring.since(&cursor("12:17:12")).len(), 2);
        assert_eq!(ring.since(&cursors[3]).len(), 0);
        let newest = |cursor: &Cursor, changes| ring.until(cursor, changes).iter().map(|batch| batch.to.clone()).collect::<Vec<_>>();
        assert_eq!(newest(&cursor("12:25:12"), 9), [cursors[2].clone(), cursors[1].clone()]);
        assert_eq!(newest(&cursors[3], 1), [cursors[3].clone()]);
        assert!(newest(&cursors[0], 9).is_empty());
        assert!(ring.reaches(&cursors[0]) && !ring.reaches(&cursor("9:10:9")));
    }

    #[test]
    fn the_oldest_batches_leave_and_raise_the_floor() {
        let mut ring = Ring::new(cursor("10:10:"), 2500);
        for xid in 10..20u64 {
            ring.push(batch(&cursor(&format!("{xid}:{xid}:")), &cursor(&format!("{0}:{0}:", xid + 1))));
        }
        assert!(!ring.reaches(&cursor("17:17:")));
        assert!(ring.reaches(&cursor("18:18:")));
        assert_eq!(ring.tip().snapshot, Snapshot::new(20, vec![]));
    }
}
