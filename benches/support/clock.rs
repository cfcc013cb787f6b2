//! A clock that all processes share.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the machine started.
pub fn clock() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
