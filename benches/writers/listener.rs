//! Somebody who listens, for whom the yardstick's trigger rings.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;

use crate::support::Database;
use crate::tables::CHANNEL;

/// A session that listens and takes what it hears, until it is dropped.
pub struct Listener {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    pub fn start(db: &Database) -> Listener {
        let mut client = db.client();
        client.batch_execute(&format!("listen {CHANNEL}")).expect("a session can listen");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let mut notifications = client.notifications();
            while !stopped.load(Ordering::Relaxed) {
                notifications.timeout_iter(Duration::from_millis(50)).next().expect("the listener's connection holds");
            }
        });
        Listener { stop, thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the listener ends well");
        }
    }
}
