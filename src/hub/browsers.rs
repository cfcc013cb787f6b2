//! One open poll a browser: a newer poll takes the seat of an older one, by its term.
//!
//! The term is the fencing number of the browser's own election. It clears the ghosts: polls of frozen, cached and killed
//! pages, which stay open at the server. Correctness does not depend on it; the cursor makes two polls harmless.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::error::{Error, Kind, Result};

/// A browser's random secret. Never logged or shown.
pub type BrowserId = u128;

/// How long a browser's highest term is remembered after its last poll.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The most that a term may be above the highest seen, so that a wrong one cannot lock a browser out for good.
const LARGEST_STEP: u64 = 1_000_000;

/// Browsers that are remembered without an open poll, at most: more of them are forgotten early, all at once. Whoever
/// sends an id of its own with every poll gains nothing by it.
const MOST_REMEMBERED: usize = 100_000;

#[derive(Default)]
pub struct Browsers(Mutex<Known>);

#[derive(Default)]
struct Known {
    browsers: HashMap<BrowserId, Browser>,
    /// The number of browsers at which those that left long ago are looked for: twice what the last search left, so that
    /// a seat costs the same however many there are.
    sweep_at: usize,
    /// Seats taken so far.
    seats: u64,
}

struct Browser {
    highest_term: u64,
    /// The number of the seat taken last.
    seat: u64,
    /// Ends the poll in the seat when dropped; None when nobody sits there.
    sitting: Option<oneshot::Sender<()>>,
    left_at: Instant,
}

/// A poll's seat, given up when dropped.
pub struct Seat {
    browsers: Arc<Browsers>,
    browser: BrowserId,
    number: u64,
    /// Ready when a newer poll took the seat.
    taken: oneshot::Receiver<()>,
}

impl Browsers {
    pub fn sit(this: &Arc<Self>, browser: BrowserId, term: u64) -> Result<Seat> {
        let mut known = this.lock();
        known.sweep();
        known.seats += 1;
        let number = known.seats;
        let browsers = &mut known.browsers;
        let forgotten = |known: &Browser| known.sitting.is_none() && known.left_at.elapsed() >= REMEMBERED;
        if browsers.get(&browser).is_some_and(forgotten) {
            browsers.remove(&browser);
        }
        if let Some(known) = browsers.get(&browser) {
            if term < known.highest_term {
                return Err(superseded());
            }
            if term - known.highest_term > LARGEST_STEP {
                return Err(Error::bad_request(format!("a term may be at most {LARGEST_STEP} above the one before it")));
            }
        }
        let (sitting, taken) = oneshot::channel();
        let entry = browsers.entry(browser).or_insert(Browser { highest_term: term, seat: 0, sitting: None, left_at: Instant::now() });
        entry.highest_term = term;
        entry.seat = number;
        let older = entry.sitting.replace(sitting);
        drop(known);
        drop(older);
        Ok(Seat { browsers: this.clone(), browser, number, taken })
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Known {
    fn sweep(&mut self) {
        if self.browsers.len() < self.sweep_at.max(1_000) {
            return;
        }
        self.browsers.retain(|_, browser| browser.sitting.is_some() || browser.left_at.elapsed() < REMEMBERED);
        if self.browsers.len() >= MOST_REMEMBERED {
            self.browsers.retain(|_, browser| browser.sitting.is_some());
        }
        self.sweep_at = 2 * self.browsers.len();
    }
}

impl Seat {
    /// Ready when a newer poll of the same browser took this one's place.
    pub async fn taken(&mut self) -> Error {
        _ = (&mut self.taken).await;
        superseded()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut known = self.browsers.lock();
        if let Some(browser) = known.browsers.get_mut(&self.browser)
            && browser.seat == self.number
        {
            browser.sitting = None;
            browser.left_at = Instant::now();
        }
    }
}

fn superseded() -> Error {
    Error::new(Kind::Superseded, "another tab of this browser polls with an equal or higher term: read the lease again before polling")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_newer_poll_of_an_equal_or_higher_term_takes_the_seat() {
        let browsers = Arc::new(Browsers::default());
        let mut first = Browsers::sit(&browsers, 1, 5).unwrap();
        let mut second = Browsers::sit(&browsers, 1, 5).unwrap();
        assert_eq!(first.taken().await.kind, Kind::Superseded);
        drop(first);
        let third = Browsers::sit(&browsers, 1, 6).unwrap();
        assert_eq!(second.taken().await.kind, Kind::Superseded);
        drop(second);
        drop(third);
    }

    #[test]
    fn a_lower_term_is_refused_also_after_the_higher_one_left() {
        let browsers = Arc::new(Browsers::default());
        drop(Browsers::sit(&browsers, 1, 6).unwrap());
        assert_eq!(Browsers::sit(&browsers, 1, 5).err().unwrap().kind, Kind::Superseded);
        assert!(Browsers::sit(&browsers, 2, 5).is_ok(), "another browser has terms of its own");
    }

    #[test]
    fn a_term_far_above_the_last_is_refused() {
        let browsers = Arc::new(Browsers::default());
        let _seat = Browsers::sit(&browsers, 1, 6).unwrap();
        assert_eq!(Browsers::sit(&browsers, 1, u64::MAX).err().unwrap().kind, Kind::BadRequest);
        assert!(Browsers::sit(&browsers, 1, 6 + LARGEST_STEP).is_ok());
    }

    #[test]
    fn browsers_that_come_once_do_not_pile_up() {
        let browsers = Arc::new(Browsers::default());
        let _sitting = Browsers::sit(&browsers, u128::MAX, 7).unwrap();
        for browser in 0..250_000 {
            drop(Browsers::sit(&browsers, browser, 1).unwrap());
        }
        assert!(browsers.lock().browsers.len() <= 2 * MOST_REMEMBERED);
        assert!(Browsers::sit(&browsers, u128::MAX, 6).is_err(), "a browser with an open poll was forgotten");
    }
}
