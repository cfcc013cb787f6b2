//! What the server knows of itself, in numbers: the registry that `/metrics` prints, and the last minutes for `/status`.
//!
//! Each room counts for itself (`counts.rs` in `hub`, `tail`, `db` and `http`), by atomic numbers that it adds to without a
//! lock. Here they are gathered; what is there anyway is looked at only when somebody asks, and what only the database knows
//! was measured before.

pub mod make;
mod process;
mod samples;

use std::sync::Arc;
use std::time::Instant;

use prometheus::core::Collector;
use prometheus::{PullingGauge, Registry, TextEncoder};

use crate::change::Relation;
use crate::config::Config;
use crate::db::Database;
use crate::error::{Error, Result};
use crate::http::counts::Counts;
use crate::http::listener::Connections;
use crate::hub::Hub;
use crate::tail::Vitals;

pub use samples::{EVERY, Sample, run};

/// What polls subscribe to in order to be told that there are new numbers, and what the hub calls it: no table has this oid.
pub const FEED: (&str, Relation) = ("rowcast.status", 0);

/// The parts that have numbers.
#[derive(Clone)]
pub struct Parts {
    pub hub: Arc<Hub>,
    pub vitals: Arc<Vitals>,
    pub database: Database,
    pub connections: Arc<Connections>,
}

pub struct Metrics {
    pub http: Counts,
    parts: Parts,
    registry: Registry,
    samples: samples::Samples,
    started: Instant,
}

impl Metrics {
    pub fn new(config: &Config, parts: Parts) -> Result<Metrics> {
        let http = Counts::default();
        let registry = Registry::new();
        let all = [parts.hub.counts.all(), parts.vitals.counts.all(), parts.database.counts().all(), http.all(), gauges(config, &parts)];
        for collector in all.into_iter().flatten().chain(process::collector()) {
            registry.register(collector).map_err(|error| Error::internal(format!("two numbers have one name: {error}")))?;
        }
        // A series that begins with 0 shows its first change, too.
        config.expose.keys().for_each(|table| _ = parts.vitals.counts.of_table(table));
        let samples = samples::Samples::default();
        Ok(Metrics { http, parts, registry, samples, started: Instant::now() })
    }

    /// When the server started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Connections of clients that are open.
    pub fn connections(&self) -> usize {
        self.parts.connections.open()
    }

    /// Prometheus' text form, version 0.0.4.
    pub fn text(&self) -> Result<String> {
        let printed = TextEncoder::new().encode_to_string(&self.registry.gather());
        printed.map_err(|error| Error::internal(format!("the numbers cannot be printed: {error}")))
    }
}

/// What is looked at when somebody asks, and the limits beside it.
fn gauges(config: &Config, parts: &Parts) -> Vec<Box<dyn Collector>> {
    let build = make::gauges("rowcast_build_info", "The version that runs; always 1.", &["version"]);
    build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
    let looked = |name, help, look: Box<dyn Fn(&Parts) -> f64 + Send + Sync>| {
        let parts = parts.clone();
        let gauge = PullingGauge::new(name, help, Box::new(move || look(&parts)));
        Box::new(gauge.expect("the names of our gauges are good ones")) as Box<dyn Collector>
    };
    let fixed = |name, help, value: usize| looked(name, help, Box::new(move |_| value as f64));
    let limits = config.limits;
    vec![
        Box::new(build),
        looked(
            "rowcast_polls_open",
            "Polls and event streams that the server holds open, parked or about to be answered.",
            Box::new(|parts| parts.hub.open_polls() as f64),
        ),
        fixed("rowcast_polls_max", "Polls that may be open at once.", limits.polls),
        looked("rowcast_ring_size_bytes", "Memory that the recent batches take.", Box::new(|parts| parts.hub.ring_bytes() as f64)),
        fixed("rowcast_ring_max_bytes", "Memory that they may take.", config.tail.ring_bytes),
        looked("rowcast_http_connections_open", "Connections of clients that are open.", Box::new(|parts| parts.connections.open() as f64)),
        fixed("rowcast_http_connections_max", "Connections of clients that may be open.", limits.connections),
        looked(
            "rowcast_pool_connections_busy",
            "Connections to the database that requests are using.",
            Box::new(|parts| parts.database.busy() as f64),
        ),
        looked(
            "rowcast_pool_connections_open",
            "Connections to the database that are open for requests.",
            Box::new(|parts| f64::from(parts.database.open())),
        ),
        fixed("rowcast_pool_connections_max", "Connections to the database that requests may use.", limits.pool_connections as usize),
        looked(
            "rowcast_pool_requests_waiting",
            "Requests that wait for a connection to the database.",
            Box::new(|parts| parts.database.waiting() as f64),
        ),
        looked(
            "rowcast_tail_connected",
            "Whether the tailer has the database: 1 or 0.",
            Box::new(|parts| f64::from(u8::from(parts.hub.tail_alive()))),
        ),
        fixed("rowcast_log_max_bytes", "What the pruner lets the change log keep.", config.tail.log_bytes as usize),
    ]
}
