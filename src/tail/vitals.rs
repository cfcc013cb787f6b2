//! What is known of the tailer without asking it: its numbers, whether it has the database, and why not.

use std::sync::{Mutex, MutexGuard};
use std::time::Instant;

use super::counts::Counts;
use crate::error::Error;

/// Written by the tailer, read by whoever wants to know.
#[derive(Default)]
pub struct Vitals {
    pub counts: Counts,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
pub struct State {
    /// The version of the database's schema, as the present session found it; None without a session.
    pub schema: Option<i32>,
    /// When the last read ended.
    pub last_read: Option<Instant>,
    /// Since when the tailer has no database, and what the last try to get it back said.
    pub lost: Option<(Instant, String)>,
}

impl Vitals {
    /// A session has settled on the database's epoch.
    pub(super) fn connected(&self, schema: i32) {
        self.lock().schema = Some(schema);
    }

    /// A read of the log has been published.
    pub(super) fn read(&self) {
        let mut state = self.lock();
        state.last_read = Some(Instant::now());
        state.lost = None;
    }

    /// A session ended, or a try to get one failed.
    pub(super) fn lost(&self, error: &Error) {
        let mut state = self.lock();
        // What counts is how long it has been away, not when it tried last.
        let since = match state.lost.take() {
            Some((since, _)) => since,
            None => {
                self.counts.session_lost();
                Instant::now()
            }
        };
        state.lost = Some((since, error.to_string()));
        state.schema = None;
    }

    pub fn state(&self) -> State {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
