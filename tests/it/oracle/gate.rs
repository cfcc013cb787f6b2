//! The gate that writers pass for each transaction: closed, they rest.

use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

#[derive(Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    is_open: bool,
    is_over: bool,
    inside: usize,
}

/// Somebody's time inside; it ends when this is dropped, by a panic too.
pub struct Inside<'a>(&'a Gate);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().inside -= 1;
        self.0.changed.notify_all();
    }
}

impl Gate {
    /// Waits until the gate is open. None when the run is over.
    pub fn pass(&self) -> Option<Inside<'_>> {
        let mut state = self.lock();
        while !state.is_open && !state.is_over {
            state = self.changed.wait(state).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        if state.is_over {
            return None;
        }
        state.inside += 1;
        Some(Inside(self))
    }

    pub fn open(&self) {
        self.lock().is_open = true;
        self.changed.notify_all();
    }

    /// Closes, and waits until everybody is out.
    pub fn close(&self, limit: Duration) -> Result<(), String> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        state.is_open = false;
        while state.inside > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(format!("{} writers did not end their transactions within {limit:?}", state.inside));
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(|poisoned| poisoned.into_inner()).0;
        }
        Ok(())
    }

    /// Everybody who waits, and who comes, goes home.
    pub fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
