//! The program `rowcast`: parses the command line, calls one function, turns its error into an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use time::macros::format_description;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::UtcTime;

/// Parked polls are many small pieces of memory that come and go by ten thousands: the system's allocator takes a third more
/// for them, and twice the time.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What is free goes back to the system after two seconds, also while nothing is asked of the server.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static ALLOCATOR_SETTINGS: &[u8] = b"background_thread:true,dirty_decay_ms:2000,muzzy_decay_ms:0\0";

fn main() -> ExitCode {
    let cli = rowcast::config::Cli::parse();
    start_log();
    match rowcast::commands::run(cli) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs go to stderr: with times for a person, without for journald, which has its own.
fn start_log() {
    let filter = EnvFilter::try_from_env("ROWCAST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    if std::env::var_os("JOURNAL_STREAM").is_some() {
        log.without_time().with_ansi(false).init();
    } else {
        let times = UtcTime::new(format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]Z"));
        log.with_timer(times).with_ansi(std::io::stderr().is_terminal()).init();
    }
}
