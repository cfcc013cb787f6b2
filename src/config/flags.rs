//! Flags, environment and file as they were typed.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Args, Parser};
use serde::Deserialize;

use super::{Access, Command};
use crate::error::{Error, Result};

/// What stands below the flags in `--help`.
const SETTINGS_HELP: &str = "\
Every setting can be given as a flag, as an environment variable (shown with each), or in the file under the flag's name with
underscores; a flag wins over the environment, and that over the file. Which tables are seen over HTTP is said in the file alone:

    [expose]
    testtype = \"rw\"          # \"r\" to read and subscribe, \"rw\" to write as well
    \"accounts.person\" = \"r\"  # in a schema other than public

The log goes to stderr; ROWCAST_LOG=debug says more.";

/// What stands above the commands in `--help`.
const FIRST_STEPS: &str = "\
Carries every committed change in PostgreSQL to every open browser tab.

First steps, in a checkout of rowcast:
    ./reinitdb.sh && cargo run --release      then open http://localhost:8888
With a database of your own, as a role that owns the tables:
    export DATABASE_URL=postgresql://role@host/database
    rowcast install                           once: the schema rowcast (--dry-run shows the SQL)
    rowcast watch person                      from now on its changes are logged
    rowcast listen person                     see them in this terminal
    echo '[expose]' > rowcast.toml; echo 'person = \"r\"' >> rowcast.toml
    rowcast check && rowcast serve            and the browser sees them too";

/// Carries every committed change in PostgreSQL to every open browser tab
#[derive(Parser, Debug)]
#[command(name = "rowcast", version, about = FIRST_STEPS, after_help = SETTINGS_HELP, max_term_width = 130)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    pub flags: Flags,
}

/// The settings on the command line, and where the file is.
#[derive(Args, Debug, Clone, Default)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// File with settings [default: rowcast.toml in the working directory, if it is there]
    #[arg(long, env = "ROWCAST_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub settings: Settings,
}

/// Every setting, where it was given. Deserialised from the file, parsed from flags and environment.
#[derive(Args, Deserialize, Debug, Clone, Default)]
#[command(next_help_heading = "Settings")]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The database [default: the PG* variables, else the private cluster that ./reinitdb.sh made here]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// Port on 127.0.0.1 and ::1 [default: 8888]
    #[arg(long, env = "ROWCAST_PORT", value_name = "PORT", conflicts_with = "listen", global = true)]
    pub port: Option<u16>,
    /// Addresses to listen on instead, such as 0.0.0.0:8888; any but loopback needs --public-hosts
    #[arg(long, env = "ROWCAST_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',', global = true)]
    pub listen: Option<Vec<SocketAddr>>,
    /// Host names, besides localhost, that the server is reached by
    #[arg(long, env = "ROWCAST_PUBLIC_HOSTS", value_name = "HOST", value_delimiter = ',', global = true)]
    pub public_hosts: Option<Vec<String>>,
    /// Let anybody who reaches a public address write to tables exposed as "rw"
    #[arg(long, env = "ROWCAST_ALLOW_ANONYMOUS_WRITES", num_args = 0..=1, default_missing_value = "true", global = true)]
    pub allow_anonymous_writes: Option<bool>,
    /// Serve although the database's role is a superuser, who passes every check of rights
    #[arg(long, env = "ROWCAST_ALLOW_SUPERUSER", num_args = 0..=1, default_missing_value = "true", global = true)]
    pub allow_superuser: Option<bool>,
    /// Label JSON as text/plain for jQuery calls that name no type, as pages written for PBP expect
    #[arg(long, env = "ROWCAST_PBP", num_args = 0..=1, default_missing_value = "true", global = true)]
    pub pbp: Option<bool>,
    /// Tables that are seen over HTTP; in the file only
    #[arg(skip)]
    pub expose: Option<BTreeMap<String, Access>>,
    /// Connections to the database, and so requests worked on at once [default: 8]
    #[arg(long, env = "ROWCAST_POOL_CONNECTIONS", value_name = "N", global = true)]
    pub pool_connections: Option<u32>,
    /// Requests that may wait for a connection; the next gets 503 [default: 1000]
    #[arg(long, env = "ROWCAST_WAITING_REQUESTS", value_name = "N", global = true)]
    pub waiting_requests: Option<usize>,
    /// The longest that a request takes, its wait for a connection included [default: 10]
    #[arg(long, env = "ROWCAST_REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS", global = true)]
    pub request_timeout_seconds: Option<u64>,
    /// Open client connections; above that none is accepted until one ends [default: 16000]
    #[arg(long, env = "ROWCAST_CONNECTIONS", value_name = "N", global = true)]
    pub connections: Option<usize>,
    /// Polls open at once; the next gets 503 [default: 15000]
    #[arg(long, env = "ROWCAST_POLLS", value_name = "N", global = true)]
    pub polls: Option<usize>,
    /// The largest body of a request [default: 1048576]
    #[arg(long, env = "ROWCAST_BODY_BYTES", value_name = "BYTES", global = true)]
    pub body_bytes: Option<usize>,
    /// Subscriptions in one poll [default: 100]
    #[arg(long, env = "ROWCAST_SUBSCRIPTIONS", value_name = "N", global = true)]
    pub subscriptions: Option<usize>,
    /// Rows of one list [default: 10000]
    #[arg(long, env = "ROWCAST_LIST_ROWS", value_name = "N", global = true)]
    pub list_rows: Option<usize>,
    /// Size of one list [default: 33554432]
    #[arg(long, env = "ROWCAST_LIST_BYTES", value_name = "BYTES", global = true)]
    pub list_bytes: Option<usize>,
    /// Changes in one batch; more becomes a reset of each table [default: 5000]
    #[arg(long, env = "ROWCAST_BATCH_ROWS", value_name = "N", global = true)]
    pub batch_rows: Option<usize>,
    /// Size of one batch; more becomes a reset of each table [default: 8388608]
    #[arg(long, env = "ROWCAST_BATCH_BYTES", value_name = "BYTES", global = true)]
    pub batch_bytes: Option<usize>,
    /// Memory for recent batches [default: 67108864]
    #[arg(long, env = "ROWCAST_RING_BYTES", value_name = "BYTES", global = true)]
    pub ring_bytes: Option<usize>,
    /// How long the log keeps changes; who was away for longer reads anew [default: 3600]
    #[arg(long, env = "ROWCAST_KEEP_SECONDS", value_name = "SECONDS", global = true)]
    pub keep_seconds: Option<u64>,
    /// The longest that the tailer sleeps without a bell [default: 5]
    #[arg(long, env = "ROWCAST_SLOW_TIMER_SECONDS", value_name = "SECONDS", global = true)]
    pub slow_timer_seconds: Option<u64>,
}

/// The file that is read where no other is named.
const DEFAULT_FILE: &str = "rowcast.toml";

impl Flags {
    /// Flags and environment over the file.
    pub fn settings(&self) -> Result<Settings> {
        let file = match &self.config {
            Some(path) => read_file(path)?,
            None if Path::new(DEFAULT_FILE).exists() => read_file(Path::new(DEFAULT_FILE))?,
            None => Settings::default(),
        };
        Ok(self.settings.clone().over(file))
    }
}

impl Settings {
    /// These settings, and below them those of `file`. Listening is one setting of two spellings: a port on the command
    /// line wins over addresses in the file.
    fn over(self, file: Settings) -> Settings {
        let listening = self.port.is_some() || self.listen.is_some();
        Settings {
            database_url: self.database_url.or(file.database_url),
            port: if listening { self.port } else { file.port },
            listen: if listening { self.listen } else { file.listen },
            public_hosts: self.public_hosts.or(file.public_hosts),
            allow_anonymous_writes: self.allow_anonymous_writes.or(file.allow_anonymous_writes),
            allow_superuser: self.allow_superuser.or(file.allow_superuser),
            pbp: self.pbp.or(file.pbp),
            expose: self.expose.or(file.expose),
            pool_connections: self.pool_connections.or(file.pool_connections),
            waiting_requests: self.waiting_requests.or(file.waiting_requests),
            request_timeout_seconds: self.request_timeout_seconds.or(file.request_timeout_seconds),
            connections: self.connections.or(file.connections),
            polls: self.polls.or(file.polls),
            body_bytes: self.body_bytes.or(file.body_bytes),
            subscriptions: self.subscriptions.or(file.subscriptions),
            list_rows: self.list_rows.or(file.list_rows),
            list_bytes: self.list_bytes.or(file.list_bytes),
            batch_rows: self.batch_rows.or(file.batch_rows),
            batch_bytes: self.batch_bytes.or(file.batch_bytes),
            ring_bytes: self.ring_bytes.or(file.ring_bytes),
            keep_seconds: self.keep_seconds.or(file.keep_seconds),
            slow_timer_seconds: self.slow_timer_seconds.or(file.slow_timer_seconds),
        }
    }
}

fn read_file(path: &Path) -> Result<Settings> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::bad_request(format!("cannot read the configuration {}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| Error::bad_request(format!("the configuration {} is wrong: {error}", path.display())))
}
