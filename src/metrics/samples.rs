//! The last minutes: one sample every few seconds, for the charts of `/status`. Bounded, and taken from numbers that are
//! there anyway, so nobody pays for a page that nobody looks at.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, interval_at};

use super::{FEED, Metrics, process};
use crate::error::Kind;
use crate::stop::Stop;

/// How often a sample is taken.
pub const EVERY: Duration = Duration::from_secs(5);

/// Samples that are kept: 15 minutes. The oldest goes where a newer one comes.
const KEPT: usize = 181;

/// How often pages that show numbers are told to look again, if there are any.
const TELL_EVERY: Duration = Duration::from_secs(2);

/// The numbers of one moment. Totals are since the server started.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Instant,
    pub parked: u64,
    pub deliveries: u64,
    /// The longest delay since the sample that was kept before.
    pub delay: Duration,
    pub log_bytes: u64,
    pub busy: u64,
    pub requests: u64,
    pub errors: u64,
    /// What the process has in RAM, in bytes; None where the system does not tell.
    pub memory: Option<u64>,
}

#[derive(Default)]
pub(super) struct Samples(Mutex<VecDeque<Sample>>);

impl Samples {
    fn push(&self, sample: Sample) {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(sample);
    }
}

impl Metrics {
    /// The samples that are kept, the oldest first.
    pub fn samples(&self) -> Vec<Sample> {
        self.samples.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).iter().copied().collect()
    }

    /// The numbers of this moment.
    pub fn sample(&self) -> Sample {
        let (hub, counts) = (&self.parts.hub, &self.parts.vitals.counts);
        // A browser that polls anew ends its older poll: that is no trouble.
        let errors = self.http.errors().filter(|(kind, _)| *kind != Kind::Superseded).map(|(_, count)| count).sum();
        Sample {
            at: Instant::now(),
            parked: u64::try_from(hub.counts.parked.get()).unwrap_or_default(),
            deliveries: hub.counts.deliveries(),
            delay: counts.longest_delay(),
            log_bytes: u64::try_from(counts.log_bytes()).unwrap_or_default(),
            busy: self.parts.database.busy() as u64,
            requests: self.http.requests(),
            errors,
            memory: process::resident_bytes(),
        }
    }
}

/// Takes samples, and tells pages to look again, until it is told to stop.
pub async fn run(metrics: Arc<Metrics>, mut stop: Stop) {
    // By then the pruner has measured the log.
    let mut sample = interval_at(tokio::time::Instant::now() + TELL_EVERY, EVERY);
    let mut tell = interval(TELL_EVERY);
    sample.set_missed_tick_behavior(MissedTickBehavior::Skip);
    tell.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            _ = sample.tick() => {
                let delay = metrics.parts.vitals.counts.take_longest_delay();
                metrics.samples.push(Sample { delay, ..metrics.sample() });
            }
            _ = tell.tick() => metrics.parts.hub.nudge(FEED.1),
            () = stop.given() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minutes_are_kept() {
        let samples = Samples::default();
        for number in 0..1_000 {
            let at = Instant::now();
            let delay = Duration::ZERO;
            samples.push(Sample { at, parked: number, deliveries: 0, delay, log_bytes: 0, busy: 0, requests: 0, errors: 0, memory: None });
        }
        let kept = samples.0.into_inner().unwrap();
        assert_eq!((kept.len(), kept.front().unwrap().parked, kept.back().unwrap().parked), (KEPT, 819, 999));
    }
}
