//! What requests' way to the database counts.

use prometheus::Histogram;
use prometheus::core::Collector;

use crate::metrics::make;

/// A turn comes at once, or after a few others' work; above the request's time-out nobody waits.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

pub struct Counts {
    /// How long requests waited for their turn.
    pub turn: Histogram,
    /// How long they then had a connection.
    pub work: Histogram,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            turn: make::histogram("rowcast_pool_wait_seconds", "How long requests waited for a connection to be free.", &SECONDS),
            work: make::histogram("rowcast_pool_work_seconds", "How long requests had a connection, its opening included.", &SECONDS),
        }
    }
}

impl Counts {
    pub fn all(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.turn.clone()), Box::new(self.work.clone())]
    }
}
