//! Flags over environment over a TOML file, made into one validated struct that the rest reads.

mod command;
mod database;
mod file;
mod flags;
mod layers;
mod libpq;
mod nearest;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use crate::error::{Error, Result};

pub use command::{Command, Listen};
pub use database::{Address, ChannelBinding, ClientCertificate, Host, Place, Roots, SslMode, Tls, TlsVersion};
pub use database::{database_config, how_to_start, tail_database_config};
pub use flags::{Cli, Flags, Settings};
pub use layers::{InForce, Origin};
pub use libpq::without_secrets;
pub use nearest::nearest;

/// What HTTP may do with an exposed table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Access {
    #[serde(rename = "r")]
    Read,
    #[serde(rename = "rw")]
    ReadWrite,
}

/// What is in force. Times are `Duration`; sizes are in bytes.
#[derive(Clone, Debug)]
pub struct Config {
    /// The pool's way to the database.
    pub database: Address,
    /// The tailer's way to the same database.
    pub tail_database: Address,
    pub listen: Vec<SocketAddr>,
    /// Host names, besides those of loopback, that requests may be addressed to.
    pub public_hosts: Vec<String>,
    /// Exposed name to access.
    pub expose: BTreeMap<String, Access>,
    pub allow_anonymous_writes: bool,
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
    /// How long a client may take nothing of what is sent to it; then it is cut off.
    pub stalled: Duration,
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
    /// How much the log keeps.
    pub log_bytes: u64,
    /// The longest sleep without a bell.
    pub slow_timer: Duration,
}

impl Config {
    /// Validates what flags, environment and file gave together. The error names the setting and says what to write.
    pub fn new(settings: Settings) -> Result<Config> {
        let loopback =
            || vec![(IpAddr::V4(Ipv4Addr::LOCALHOST), settings.port).into(), (IpAddr::V6(Ipv6Addr::LOCALHOST), settings.port).into()];
        let listen = settings.listen.clone().unwrap_or_else(loopback);
        let public_hosts: Vec<String> = settings.public_hosts.iter().map(|host| host.to_ascii_lowercase()).collect();
        check_public(&listen, &public_hosts, &settings.expose, settings.allow_anonymous_writes)?;
        let (keep, slow_timer) = (settings.keep_seconds, settings.slow_timer_seconds);
        if keep < 4 * slow_timer {
            return Err(Error::bad_request(format!(
                "keep_seconds is {keep}, but must be at least four times slow_timer_seconds ({slow_timer}), or the log is pruned under a sleeping tailer"
            )));
        }
        let database = database_config(settings.database_url.as_deref())?;
        Ok(Config {
            tail_database: tail_database_config(settings.tail_database_url.as_deref(), &database)?,
            database,
            listen,
            public_hosts,
            expose: settings.expose,
            allow_anonymous_writes: settings.allow_anonymous_writes,
            allow_superuser: settings.allow_superuser,
            pbp: settings.pbp,
            limits: Limits {
                pool_connections: settings.pool_connections,
                waiting_requests: settings.waiting_requests,
                request_timeout: Duration::from_secs(settings.request_timeout_seconds),
                connections: settings.connections,
                polls: settings.polls,
                stalled: Duration::from_secs(settings.stalled_seconds),
                body_bytes: settings.body_bytes,
                subscriptions: settings.subscriptions,
                list_rows: settings.list_rows,
                list_bytes: settings.list_bytes,
            },
            tail: TailConfig {
                batch_rows: settings.batch_rows,
                batch_bytes: settings.batch_bytes,
                ring_bytes: settings.ring_bytes,
                keep: Duration::from_secs(keep),
                log_bytes: settings.log_bytes,
                slow_timer: Duration::from_secs(slow_timer),
            },
        })
    }

    /// Whether these addresses may be listened on, besides those that the configuration names: what is asked of them is asked
    /// of whoever hands over a socket, too.
    pub fn check_listening(&self, addresses: &[SocketAddr]) -> Result<()> {
        check_public(addresses, &self.public_hosts, &self.expose, self.allow_anonymous_writes)
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
