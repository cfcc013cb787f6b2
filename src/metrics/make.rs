//! Makes single numbers. Their names and helps are ours, so a bad one is found by the first test that starts a server.

use prometheus::{Counter, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

const NAMES: &str = "the names of our metrics are good ones";

pub fn counter(name: &str, help: &str) -> IntCounter {
    IntCounter::new(name, help).expect(NAMES)
}

pub fn counters(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    IntCounterVec::new(Opts::new(name, help), labels).expect(NAMES)
}

pub fn gauge(name: &str, help: &str) -> IntGauge {
    IntGauge::new(name, help).expect(NAMES)
}

pub fn gauges(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    IntGaugeVec::new(Opts::new(name, help), labels).expect(NAMES)
}

/// A counter of what is no whole number.
pub fn sum(name: &str, help: &str) -> Counter {
    Counter::new(name, help).expect(NAMES)
}

/// A gauge of what is no whole number, or a large one.
pub fn level(name: &str, help: &str) -> Gauge {
    Gauge::new(name, help).expect(NAMES)
}

pub fn histogram(name: &str, help: &str, buckets: &[f64]) -> Histogram {
    Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec())).expect(NAMES)
}

pub fn histograms(name: &str, help: &str, buckets: &[f64], labels: &[&str]) -> HistogramVec {
    HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels).expect(NAMES)
}
