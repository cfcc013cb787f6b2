//! `rowcast serve`: the server, from its start to SIGTERM or Ctrl-C.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::config::{Config, Settings, how_to_start};
use crate::error::{Error, Kind, Result};
use crate::server;

pub fn run(settings: Settings) -> Result<()> {
    let how_to_start = how_to_start(settings.database_url.as_deref());
    let config = Config::new(settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        // A thread per request that is at the database, and a few for closing and looking up names.
        .max_blocking_threads(config.limits.pool_connections as usize + 8)
        .thread_name("rowcast")
        .build()
        .map_err(|error| Error::internal(format!("the runtime could not be made: {error}")))?;
    let served = runtime.block_on(serve(config));
    // A thread that still waits for the database does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    match (served, how_to_start) {
        (Err(error), Some(hint)) if error.kind == Kind::Unavailable => Err(Error { detail: format!("{}. {hint}", error.detail), ..error }),
        (served, _) => served,
    }
}

async fn serve(config: Config) -> Result<()> {
    // Before anything else: a signal during the start must not be lost.
    let catch = |kind| signal(kind).map_err(|error| Error::internal(format!("signals cannot be caught: {error}")));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let signalled = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    let mut signalled = std::pin::pin!(signalled);

    let database = config.database.to_string();
    if config.expose.is_empty() {
        tracing::warn!("no table is exposed: name some in rowcast.toml, as [expose] testtype = \"rw\"");
    }
    let server = tokio::select! {
        server = server::start(config) => server?,
        () = signalled.as_mut() => return Ok(()),
    };
    for address in &server.addresses {
        tracing::info!("listening on http://{address}");
    }
    let port = server.addresses.first().map_or(0, std::net::SocketAddr::port);
    tracing::info!("serving {database}; open http://localhost:{port} in a few tabs");
    tell_systemd(&[NotifyState::Ready]);
    let watchdog = tokio::spawn(watchdog());
    let shutdown = async {
        signalled.await;
        tracing::info!("stopping: every waiting poll is answered");
        tell_systemd(&[NotifyState::Stopping]);
    };
    let served = server.run(shutdown).await;
    watchdog.abort();
    served
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
