//! What a run is made of: a seed and a length, from the environment where somebody gives them.
//!
//! ROWCAST_ORACLE_SEED, ROWCAST_ORACLE_SECONDS and ROWCAST_ORACLE_FAULTS are set by `tests/oracle`.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

#[derive(Clone, Debug)]
pub struct Settings {
    pub seed: u64,
    /// How long writers write, all phases together.
    pub length: Duration,
    /// More clients than the ones that are always there, and more writers.
    pub more_clients: usize,
    pub writers: usize,
    /// The faults that are made, as a list; all if it is empty.
    pub faults: String,
}

/// The short form's length: what continuous integration has time for.
const SHORT: Duration = Duration::from_secs(10);

impl Settings {
    pub fn from_environment() -> Settings {
        let seed = number("ROWCAST_ORACLE_SEED").unwrap_or_else(|| u64::from(rand::random::<u32>()));
        let length = number("ROWCAST_ORACLE_SECONDS").map_or(SHORT, Duration::from_secs);
        let is_long = length > SHORT;
        let faults = std::env::var("ROWCAST_ORACLE_FAULTS").unwrap_or_default();
        Settings { seed, length, faults, more_clients: if is_long { 12 } else { 3 }, writers: if is_long { 12 } else { 8 } }
    }

    /// How many times writers rest: about every six seconds.
    pub fn phases(&self, at_least: u32) -> u32 {
        (self.length.as_secs().div_ceil(6) as u32).max(at_least)
    }

    /// A stream of random numbers of its own for everybody, so that a change to one does not change the others.
    pub fn random(&self, purpose: u64) -> StdRng {
        let mut of_seed = StdRng::seed_from_u64(self.seed);
        StdRng::seed_from_u64(of_seed.next_u64() ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// What repeats the run, as far as concurrency lets it.
    pub fn command(&self, more: &str) -> String {
        format!("tests/oracle --seed {} --seconds {} {more}", self.seed, self.length.as_secs())
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\", and must be a whole number")))
}
