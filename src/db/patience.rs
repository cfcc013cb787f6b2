//! Patience with locks: short tries, again and again, so that writers never queue behind a command for long.

use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long a command tries.
const GIVE_UP: Duration = Duration::from_secs(30);

/// The pause between tries: longer than a try, so that whoever queued behind it gets by.
const PAUSE: Duration = Duration::from_millis(300);

/// Tries `work`, which bounds its own wait for locks, until it is done or fails for good.
pub fn patiently<T>(what: &str, mut work: impl FnMut() -> Result<T>) -> Result<T> {
    let give_up = Instant::now() + GIVE_UP;
    let mut told = false;
    loop {
        let error = match work() {
            Err(error) if passes(&error) => error,
            outcome => return outcome,
        };
        if Instant::now() > give_up {
            let detail = format!(
                "{what} stayed locked by others for {} seconds ({}): try again when they have ended",
                GIVE_UP.as_secs(),
                error.detail
            );
            return Err(Error { detail, ..error });
        }
        if !std::mem::replace(&mut told, true) {
            tracing::info!("{what} is in use ({}): trying for up to {} seconds", error.detail, GIVE_UP.as_secs());
        }
        std::thread::sleep(PAUSE);
    }
}

/// What ends by itself: lock_not_available, deadlock_detected, and two installers at once, who meet in the rows of the
/// system's catalog ("tuple concurrently updated", unique_violation).
fn passes(error: &Error) -> bool {
    match error.code.as_deref() {
        Some("55P03" | "40P01") => true,
        Some("XX000") => error.detail.starts_with("tuple concurrently"),
        Some("23505") => error.detail.contains("\"pg_"),
        _ => false,
    }
}
