//! Flags over environment over a TOML file, made into one validated struct that the rest reads.

mod command;
mod database;
mod flags;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Deserialize;

use crate::error::{Error, Result};

pub use command::{Command, Listen};
pub use database::{database_config, display, how_to_start};
pub use flags::{Cli, Flags, Settings};

/// What HTTP may do with an exposed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Access {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "rw")]
    ReadWrite,
}

/// What is in force. Times are `Duration`; sizes are in bytes.
#[derive(Clone, Debug)]
pub struct Config {
    pub database: tokio_postgres::Config,
    pub listen: Vec<SocketAddr>,
    /// Host names, besides those of loopback, that requests may be addressed to.
    pub public_hosts: Vec<String>,
    /// Exposed name to access.
    pub expose: BTreeMap<String, Access>,
    pub allow_superuser: bool,
    /// Whether pages written for PBP get the labels that they expect.
    pub pbp: bool,
    pub limits: Limits,
    pub tail: TailConfig,
}

/// Bounds on what clients can make the server do. What happens at each is told in the README.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections of the pool, and so threads that work on requests at once.
    pub pool_connections: u32,
    /// Requests that may wait for one of those; the next is answered 503.
    pub waiting_requests: usize,
    /// How long a request waits for its turn and for the database together.
    pub request_timeout: Duration,
    /// Open client connections; above it none is accepted until one ends.
    pub connections: usize,
    /// Polls open at once; the next is answered 503.
    pub polls: usize,
    pub body_bytes: usize,
    pub subscriptions: usize,
    /// Rows of a list that names no `limit`; the highest `limit` there may be.
    pub list_rows: usize,
    pub list_bytes: usize,
}

/// The tailer, the ring and the pruner.
#[derive(Clone, Copy, Debug)]
pub struct TailConfig {
    /// A batch with more changes than this becomes resets.
    pub batch_rows: usize,
    /// A batch with more image text than this becomes resets.
    pub batch_bytes: usize,
    /// What the ring may take in memory.
    pub ring_bytes: usize,
    /// How long the log keeps changes.
    pub keep: Duration,
    /// The longest sleep without a bell.
    pub slow_timer: Duration,
}

impl Config {
    /// Validates what flags, environment and file gave together. The error names the setting and says what to write.
    pub fn new(settings: Settings) -> Result<Config> {
        let listen = settings.listen.clone().unwrap_or_else(|| {
            let port = settings.port.unwrap_or(8888);
            vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), port).into(), (IpAddr::V6(Ipv6Addr::LOCALHOST), port).into()]
        });
        let public_hosts: Vec<String> =
            settings.public_hosts.clone().unwrap_or_default().iter().map(|host| host.to_ascii_lowercase()).collect();
        let expose = settings.expose.clone().unwrap_or_default();
        check_public(&listen, &public_hosts, &expose, settings.allow_anonymous_writes.unwrap_or(false))?;
        let slow_timer = in_range("slow_timer_seconds", settings.slow_timer_seconds, 5, 1..=3_600)?;
        let keep = in_range("keep_seconds", settings.keep_seconds, 3_600, 1..=31_536_000)?;
        if keep < 4 * slow_timer {
            return Err(Error::bad_request(format!(
                "keep_seconds is {keep}, but must be at least four times slow_timer_seconds ({slow_timer}), or the log is pruned under a sleeping tailer"
            )));
        }
        let pool_connections = in_range("pool_connections", settings.pool_connections, 8, 1..=500)?;
        Ok(Config {
            database: database_config(settings.database_url.as_deref())?,
            listen,
            public_hosts,
            expose,
            allow_superuser: settings.allow_superuser.unwrap_or(false),
            pbp: settings.pbp.unwrap_or(false),
            limits: Limits {
                pool_connections,
                waiting_requests: in_range("waiting_requests", settings.waiting_requests, 1_000, 1..=1_000_000)?,
                request_timeout: seconds(in_range("request_timeout_seconds", settings.request_timeout_seconds, 10, 1..=600)?),
                connections: in_range("connections", settings.connections, 16_000, 1..=1_000_000)?,
                polls: in_range("polls", settings.polls, 15_000, 1..=1_000_000)?,
                body_bytes: in_range("body_bytes", settings.body_bytes, 1 << 20, 1_024..=1 << 30)?,
                subscriptions: in_range("subscriptions", settings.subscriptions, 100, 1..=10_000)?,
                list_rows: in_range("list_rows", settings.list_rows, 10_000, 1..=10_000_000)?,
                list_bytes: in_range("list_bytes", settings.list_bytes, 32 << 20, 1_024..=1 << 30)?,
            },
            tail: TailConfig {
                batch_rows: in_range("batch_rows", settings.batch_rows, 5_000, 1..=1_000_000)?,
                batch_bytes: in_range("batch_bytes", settings.batch_bytes, 8 << 20, 1_024..=1 << 30)?,
                ring_bytes: in_range("ring_bytes", settings.ring_bytes, 64 << 20, 1_024..=1 << 40)?,
                keep: seconds(keep),
                slow_timer: seconds(slow_timer),
            },
        })
    }
}

/// Any address but loopback's must be meant: it needs the names by which it is reached, and a word of its own where
/// anybody could write.
fn check_public(listen: &[SocketAddr], public_hosts: &[String], expose: &BTreeMap<String, Access>, anonymous_writes: bool) -> Result<()> {
    let Some(public) = listen.iter().find(|address| !address.ip().is_loopback()) else {
        return Ok(());
    };
    if public_hosts.is_empty() {
        return Err(Error::bad_request(format!(
            "listening on {public} lets other machines in: name the hosts that it is reached by, as public_hosts = [\"db.example.org\"]"
        )));
    }
    let writable: Vec<&str> = expose.iter().filter(|(_, access)| **access == Access::ReadWrite).map(|(name, _)| name.as_str()).collect();
    if !writable.is_empty() && !anonymous_writes {
        return Err(Error::bad_request(format!(
            "listening on {public} would let anybody who reaches it write {}: expose as \"r\", or set allow_anonymous_writes = true if that is meant",
            writable.join(", ")
        )));
    }
    Ok(())
}

fn in_range<T: PartialOrd + std::fmt::Display + Copy>(
    name: &str,
    value: Option<T>,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T> {
    let value = value.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    Err(Error::bad_request(format!("{name} is {value}, but must be from {} to {}", range.start(), range.end())))
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}
