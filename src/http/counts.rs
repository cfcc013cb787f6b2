//! What the HTTP side counts: requests by route and status, how long they took, and errors by kind.
//!
//! Labels are looked up once a combination; from then on a request adds to numbers that it finds by place, without a lock.

use std::sync::OnceLock;
use std::time::Instant;

use hyper::{Method, StatusCode};
use prometheus::core::Collector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::route::Route;
use crate::error::Kind;
use crate::metrics::make;

/// REST and pages: from a row out of the cache to the request's time-out.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Polls: news at once, news while waiting, and the ends of the usual waits, 30 s and 120 s.
const WAIT_SECONDS: [f64; 12] = [0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 29.0, 31.0, 60.0, 121.0];

/// The methods that are told apart; any other is "other".
const METHODS: [(Method, &str); 7] = [
    (Method::GET, "GET"),
    (Method::POST, "POST"),
    (Method::HEAD, "HEAD"),
    (Method::PUT, "PUT"),
    (Method::PATCH, "PATCH"),
    (Method::DELETE, "DELETE"),
    (Method::OPTIONS, "OPTIONS"),
];

/// The statuses that are told apart: those that this server gives. Any other is "other".
const STATUSES: [(u16, &str); 16] = [
    (200, "200"),
    (201, "201"),
    (204, "204"),
    (304, "304"),
    (400, "400"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (409, "409"),
    (411, "411"),
    (413, "413"),
    (415, "415"),
    (431, "431"),
    (500, "500"),
    (503, "503"),
];

/// What stands for any other.
const OTHER: &str = "other";

/// What became of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    News,
    Quiet,
    Failed,
    /// The client went away.
    Left,
}

const ENDS: [(Ended, &str); 4] = [(Ended::News, "news"), (Ended::Quiet, "quiet"), (Ended::Failed, "failed"), (Ended::Left, "left")];

pub struct Counts {
    requests: IntCounterVec,
    /// The same by place: route, method, status.
    by_place: Vec<OnceLock<IntCounter>>,
    seconds: HistogramVec,
    /// The same by place: route, method.
    seconds_by_place: Vec<OnceLock<Histogram>>,
    waits: HistogramVec,
    wait_by_end: [Histogram; ENDS.len()],
    errors: IntCounterVec,
    error_by_kind: Vec<(Kind, IntCounter)>,
}

impl Default for Counts {
    fn default() -> Counts {
        let waits = make::histograms(
            "rowcast_poll_wait_seconds",
            "How long polls waited, by how that ended: with news, quiet, failed, or the client left.",
            &WAIT_SECONDS,
            &["ended"],
        );
        let errors = make::counters("rowcast_errors_total", "Requests that failed, by the kind of problem that they were told.", &["kind"]);
        Counts {
            requests: make::counters("rowcast_http_requests_total", "Requests answered.", &["route", "method", "status"]),
            by_place: places(BY_METHOD * BY_STATUS),
            seconds: make::histograms(
                "rowcast_http_request_duration_seconds",
                "How long requests took to be answered; polls are in rowcast_poll_wait_seconds.",
                &SECONDS,
                &["route", "method"],
            ),
            seconds_by_place: places(BY_METHOD),
            wait_by_end: ENDS.map(|(_, name)| waits.with_label_values(&[name])),
            waits,
            error_by_kind: Kind::ALL.iter().map(|&kind| (kind, errors.with_label_values(&[kind.name()]))).collect(),
            errors,
        }
    }
}

impl Counts {
    /// A request that has its answer, and came at `begun`.
    pub fn answered(&self, route: Route, method: &Method, status: StatusCode, begun: Instant) {
        let (method, method_name) = place_of(&METHODS, |name| name == method);
        let (status, status_name) = place_of(&STATUSES, |code| *code == status.as_u16());
        let place = (route as usize * BY_METHOD + method) * BY_STATUS + status;
        let labels = [route.pattern(), method_name, status_name];
        self.by_place[place].get_or_init(|| self.requests.with_label_values(&labels)).inc();
        if !route.is_poll() {
            let seconds = &self.seconds_by_place[route as usize * BY_METHOD + method];
            seconds.get_or_init(|| self.seconds.with_label_values(&labels[..2])).observe(begun.elapsed().as_secs_f64());
        }
    }

    /// A request, or what followed its head, that failed.
    pub fn failed(&self, kind: Kind) {
        if let Some((_, counter)) = self.error_by_kind.iter().find(|(one, _)| *one == kind) {
            counter.inc();
        }
    }

    /// A poll begins to wait. Dropped before it is told how that ended, its client has left.
    pub fn poll(&self) -> Wait<'_> {
        Wait { counts: self, begun: Instant::now(), ended: Ended::Left, ended_at: None }
    }

    /// All requests answered.
    pub fn requests(&self) -> u64 {
        self.by_place.iter().filter_map(OnceLock::get).map(IntCounter::get).sum()
    }

    /// Requests of a route, and how many of them were answered 4xx and 5xx.
    pub fn of_route(&self, route: Route) -> [u64; 3] {
        let mut counts = [0; 3];
        for (place, counter) in self.by_place[route as usize * BY_METHOD * BY_STATUS..][..BY_METHOD * BY_STATUS].iter().enumerate() {
            let count = counter.get().map_or(0, IntCounter::get);
            counts[0] += count;
            match STATUSES.get(place % BY_STATUS) {
                Some((400..=499, _)) => counts[1] += count,
                Some((500.., _)) => counts[2] += count,
                _ => {}
            }
        }
        counts
    }

    /// Failures by kind.
    pub fn errors(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.error_by_kind.iter().map(|(kind, counter)| (*kind, counter.get()))
    }

    pub fn all(&self) -> Vec<Box<dyn Collector>> {
        vec![Box::new(self.requests.clone()), Box::new(self.seconds.clone()), Box::new(self.waits.clone()), Box::new(self.errors.clone())]
    }
}

/// A poll's wait, measured when it is dropped.
pub struct Wait<'a> {
    counts: &'a Counts,
    begun: Instant,
    ended: Ended,
    /// None while it goes on, and where it ends as it is dropped.
    ended_at: Option<Instant>,
}

impl Wait<'_> {
    pub fn ended(mut self, ended: Ended) {
        self.ended = ended;
    }

    /// It ended earlier than is known now.
    pub fn ended_at(mut self, ended: Ended, at: Instant) {
        self.ended = ended;
        self.ended_at = Some(at);
    }
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.counts.wait_by_end[self.ended as usize].observe((self.ended_at.unwrap_or_else(Instant::now) - self.begun).as_secs_f64());
    }
}

/// Places of a route's methods, and of a method's statuses.
const BY_METHOD: usize = METHODS.len() + 1;
const BY_STATUS: usize = STATUSES.len() + 1;

/// Where something stands in a list, and its name; after the last, for what is not in it.
fn place_of<T>(known: &[(T, &'static str)], is: impl Fn(&T) -> bool) -> (usize, &'static str) {
    let place = known.iter().position(|(one, _)| is(one));
    place.map_or((known.len(), OTHER), |place| (place, known[place].1))
}

/// Empty places, `each` of them a route.
fn places<T>(each: usize) -> Vec<OnceLock<T>> {
    std::iter::repeat_with(OnceLock::new).take(Route::ALL.len() * each).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_found_by_place() {
        assert!(ENDS.iter().enumerate().all(|(place, (ended, _))| *ended as usize == place));
    }

    #[test]
    fn what_a_client_makes_up_gets_no_label_of_its_own() {
        let counts = Counts::default();
        for number in 0..100 {
            let method = Method::from_bytes(format!("M{number}").as_bytes()).unwrap();
            counts.answered(Route::of(&format!("/x{number}")), &method, StatusCode::from_u16(600 + number).unwrap(), Instant::now());
        }
        assert_eq!((counts.requests(), counts.requests.collect()[0].get_metric().len()), (100, 1));
    }
}
