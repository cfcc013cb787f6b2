//! Every setting, described once: its name, variable, default and range are here and nowhere else. The file's keys are the
//! same names.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};
use serde::Serialize;

use super::layers::Origin;
use super::{Access, Command};

/// What stands below the flags in `--help`.
const SETTINGS_HELP: &str = "\
Every setting can be given as a flag, as an environment variable (shown with each), or in the file under the flag's name with
underscores; a flag wins over the environment, and that over the file. Which tables are seen over HTTP is said in the file alone:

    [expose]
    testtype = \"rw\"          # \"r\" to read and subscribe, \"rw\" to write as well
    \"accounts.person\" = \"r\"  # in a schema other than public

`rowcast config` shows what is in force and where it was set. The log goes to stderr; ROWCAST_LOG=debug says more.";

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
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Settings")]
pub struct Flags {
    /// File with settings [default: rowcast.toml in the working directory, if it is there]
    #[arg(long, env = "ROWCAST_CONFIG", value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,
    /// Without the file: see [`Flags::settings`].
    #[command(flatten)]
    pub(super) without_file: Settings,
}

impl Flags {
    /// Flags and environment alone, for whoever has to go on although the file is wrong.
    pub fn without_file(&self) -> &Settings {
        &self.without_file
    }
}

/// What is in force, as it was typed.
#[derive(Args, Serialize, Debug, Clone)]
#[command(next_help_heading = "Settings")]
pub struct Settings {
    /// The database [default: the PG* variables, else the private cluster that ./reinitdb.sh made here]
    #[arg(long, env = "DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub database_url: Option<String>,
    /// The tailer's own way to the same database, past a pooler such as pgbouncer [default: that of --database-url]
    #[arg(long, env = "ROWCAST_TAIL_DATABASE_URL", value_name = "URL", hide_env_values = true, global = true)]
    pub tail_database_url: Option<String>,
    /// Port on 127.0.0.1 and ::1
    #[arg(long, env = "ROWCAST_PORT", value_name = "PORT", default_value_t = 8888, global = true)]
    pub port: u16,
    /// Addresses to listen on instead, such as 0.0.0.0:8888; any but loopback needs --public-hosts
    #[arg(long, env = "ROWCAST_LISTEN", value_name = "ADDRESS:PORT", value_delimiter = ',', global = true)]
    pub listen: Option<Vec<SocketAddr>>,
    /// Host names, besides localhost, that the server is reached by
    #[arg(long, env = "ROWCAST_PUBLIC_HOSTS", value_name = "HOST", value_delimiter = ',', global = true)]
    pub public_hosts: Vec<String>,
    /// Let anybody who reaches a public address write to tables exposed as "rw"
    #[arg(long, env = "ROWCAST_ALLOW_ANONYMOUS_WRITES",
        default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub allow_anonymous_writes: bool,
    /// Serve although the database's role is a superuser, who passes every check of rights
    #[arg(long, env = "ROWCAST_ALLOW_SUPERUSER", default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub allow_superuser: bool,
    /// Label JSON as text/plain for jQuery calls that name no type, as pages written for PBP expect
    #[arg(long, env = "ROWCAST_PBP", default_value_t = false, num_args = 0..=1, default_missing_value = "true", global = true)]
    pub pbp: bool,
    /// Tables that are seen over HTTP; in the file only
    #[arg(skip)]
    pub expose: BTreeMap<String, Access>,
    /// Where each of these was given, by its name.
    #[arg(skip)]
    #[serde(skip)]
    pub origins: BTreeMap<String, Origin>,
    /// Connections to the database, and so requests worked on at once
    #[arg(long, env = "ROWCAST_POOL_CONNECTIONS", value_name = "N", default_value_t = 8, value_parser = between::<u32>(1, 500), global = true)]
    pub pool_connections: u32,
    /// Requests that may wait for a connection; the next gets 503
    #[arg(long, env = "ROWCAST_WAITING_REQUESTS", value_name = "N",
        default_value_t = 1_000, value_parser = between::<usize>(1, 1_000_000), global = true)]
    pub waiting_requests: usize,
    /// The longest that a request takes, its wait for a connection included
    #[arg(long, env = "ROWCAST_REQUEST_TIMEOUT_SECONDS", value_name = "SECONDS",
        default_value_t = 10, value_parser = between::<u64>(1, 600), global = true)]
    pub request_timeout_seconds: u64,
    /// Open client connections; above that none is accepted until one ends
    #[arg(long, env = "ROWCAST_CONNECTIONS", value_name = "N",
        default_value_t = 16_000, value_parser = between::<usize>(1, 1_000_000), global = true)]
    pub connections: usize,
    /// Polls open at once; the next gets 503
    #[arg(long, env = "ROWCAST_POLLS", value_name = "N", default_value_t = 15_000, value_parser = between::<usize>(1, 1_000_000), global = true)]
    pub polls: usize,
    /// How long a client may take nothing of what is sent to it; then it is cut off
    #[arg(long, env = "ROWCAST_STALLED_SECONDS", value_name = "SECONDS",
        default_value_t = 30, value_parser = between::<u64>(1, 3_600), global = true)]
    pub stalled_seconds: u64,
    /// The largest body of a request
    #[arg(long, env = "ROWCAST_BODY_BYTES", value_name = "BYTES",
        default_value_t = 1 << 20, value_parser = between::<usize>(1_024, 1 << 30), global = true)]
    pub body_bytes: usize,
    /// Subscriptions in one poll
    #[arg(long, env = "ROWCAST_SUBSCRIPTIONS", value_name = "N", default_value_t = 100, value_parser = between::<usize>(1, 10_000), global = true)]
    pub subscriptions: usize,
    /// Rows of one list
    #[arg(long, env = "ROWCAST_LIST_ROWS", value_name = "N",
        default_value_t = 10_000, value_parser = between::<usize>(1, 10_000_000), global = true)]
    pub list_rows: usize,
    /// Size of one list
    #[arg(long, env = "ROWCAST_LIST_BYTES", value_name = "BYTES",
        default_value_t = 32 << 20, value_parser = between::<usize>(1_024, 1 << 30), global = true)]
    pub list_bytes: usize,
    /// Changes in one batch; more becomes a reset of each table
    #[arg(long, env = "ROWCAST_BATCH_ROWS", value_name = "N", default_value_t = 5_000, value_parser = between::<usize>(1, 1_000_000), global = true)]
    pub batch_rows: usize,
    /// Size of one batch; more becomes a reset of each table
    #[arg(long, env = "ROWCAST_BATCH_BYTES", value_name = "BYTES",
        default_value_t = 8 << 20, value_parser = between::<usize>(1_024, 1 << 30), global = true)]
    pub batch_bytes: usize,
    /// Memory for recent batches
    #[arg(long, env = "ROWCAST_RING_BYTES", value_name = "BYTES",
        default_value_t = 64 << 20, value_parser = between::<usize>(1_024, 1 << 40), global = true)]
    pub ring_bytes: usize,
    /// How long the log keeps changes; who was away for longer reads anew
    #[arg(long, env = "ROWCAST_KEEP_SECONDS", value_name = "SECONDS",
        default_value_t = 3_600, value_parser = between::<u64>(1, 31_536_000), global = true)]
    pub keep_seconds: u64,
    /// How much the log keeps; beyond it the oldest changes go before their time
    #[arg(long, env = "ROWCAST_LOG_BYTES", value_name = "BYTES",
        default_value_t = 1 << 30, value_parser = between::<u64>(1 << 20, 1 << 50), global = true)]
    pub log_bytes: u64,
    /// The longest that the tailer sleeps without a bell
    #[arg(long, env = "ROWCAST_SLOW_TIMER_SECONDS", value_name = "SECONDS",
        default_value_t = 5, value_parser = between::<u64>(1, 3_600), global = true)]
    pub slow_timer_seconds: u64,
}

/// A number from `low` to `high`.
fn between<T: TryFrom<u64> + Clone + Send + Sync + 'static>(low: u64, high: u64) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(low..=high)
}
