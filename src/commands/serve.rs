//! `rowcast serve`: the server, from its start to SIGTERM or Ctrl-C.

use std::pin::pin;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::{Config, Settings, how_to_start};
use crate::error::{Error, Kind, Result};
use crate::http::socket::{self, HandedOver};
use crate::server::{self, Server};
use crate::stop::stop;

pub fn run(settings: Settings) -> Result<()> {
    let how_to_start = how_to_start(settings.database_url.as_deref());
    let config = Config::new(settings)?;
    let handed_over = socket::handed_over()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A thread per request that is at the database, and a few for closing and looking up names.
        .max_blocking_threads(config.limits.pool_connections as usize + 8)
        .thread_name("rowcast")
        .build()
        .map_err(|error| Error::internal(format!("the runtime could not be made: {error}")))?;
    let served = runtime.block_on(serve(config, handed_over));
    // A thread that still waits for the database does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match (served, how_to_start) {
        (Err(error), Some(hint)) if error.kind == Kind::Unavailable => Err(Error { detail: format!("{}. {hint}", error.detail), ..error }),
        (served, _) => served,
    }
}

async fn serve(config: Config, handed_over: Vec<HandedOver>) -> Result<()> {
    // Before anything else: a signal during the start must not be lost.
    let mut signals = Signals::catch()?;
    let database = config.database.to_string();
    if config.expose.is_empty() {
        tracing::warn!("no table is exposed: name some in rowcast.toml, as [expose] testtype = \"rw\"");
    }
    let server = tokio::select! {
        server = server::start(config, handed_over) => server?,
        () = signals.next() => return Ok(()),
    };
    for address in &server.addresses {
        tracing::info!("listening on {address}");
    }
    let port = server.addresses.iter().find_map(socket::tcp).map(|address| address.port());
    let where_to = port.map(|port| format!("; open http://localhost:{port} in a few tabs")).unwrap_or_default();
    tracing::info!("serving {database}{where_to}");
    tell_systemd(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(watchdog());
    let served = run_until_signalled(server, &mut signals).await;
    watchdog.abort();
    served
}

/// The first signal has everybody answered, the second does not wait for that.
async fn run_until_signalled(server: Server, signals: &mut Signals) -> Result<()> {
    let (stopper, mut stopped) = stop();
    let mut serving = pin!(server.run(async move { stopped.given().await }));
    tokio::select! {
        served = serving.as_mut() => return served,
        () = signals.next() => {}
    }
    tracing::info!("stopping: every waiting poll is answered");
    tell_systemd(&[NotifyState::Stopping]);
    stopper.stop();
    tokio::select! {
        served = serving => served,
        () = signals.next() => {
            tracing::warn!("told to stop again: the requests that are left are cut");
            Ok(())
        }
    }
}

/// SIGTERM and Ctrl-C.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn catch() -> Result<Signals> {
        let catch = |kind| signal(kind).map_err(|error| Error::internal(format!("signals cannot be caught: {error}")));
        Ok(Signals { terminate: catch(SignalKind::terminate())?, interrupt: catch(SignalKind::interrupt())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Tells systemd that the runtime still turns, twice as often as it wants to know. Ends at once where nobody asks.
async fn watchdog() {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let mut every = tokio::time::interval(within / 2);
    loop {
        every.tick().await;
        tell_systemd(&[NotifyState::Watchdog]);
    }
}

fn tell_systemd(state: &[NotifyState]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
