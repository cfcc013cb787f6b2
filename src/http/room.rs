//! Room for answers that are made and not yet taken. A slow reader holds nobody up, but what it has yet to read is memory:
//! all of that together has a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

/// A cheap handle to share.
#[derive(Clone)]
pub struct Room(Arc<Inner>);

struct Inner {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    pub fn new(most: usize) -> Room {
        Room(Arc::new(Inner { taken: AtomicUsize::new(0), most }))
    }

    /// Makes bytes of an answer, which take room until the last who shares them has sent them or has left. None where there
    /// is not enough.
    pub fn hold(&self, answer: Vec<u8>) -> Option<Bytes> {
        let size = answer.capacity();
        let held = Held { room: self.clone(), size, answer };
        let before = self.0.taken.fetch_add(size, Ordering::Relaxed);
        (before.saturating_add(size) <= self.0.most).then(|| Bytes::from_owner(held))
    }
}

struct Held {
    room: Room,
    size: usize,
    answer: Vec<u8>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.0.taken.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_has_a_bound_and_comes_back() {
        let room = Room::new(100);
        let first = room.hold(vec![0; 60]).unwrap();
        let shared = first.clone();
        assert!(room.hold(vec![0; 60]).is_none());
        let second = room.hold(vec![1; 40]).unwrap();
        assert_eq!(second[..], [1; 40]);
        drop(first);
        assert!(room.hold(vec![0; 60]).is_none(), "somebody else still has it");
        drop(shared);
        assert!(room.hold(vec![0; 60]).is_some());
    }
}
