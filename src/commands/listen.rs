//! `rowcast listen`: prints changes in the terminal as they come. A tailer, a hub and one poll of our own, without a
//! server; nothing need be exposed.

mod line;
mod wanted;

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use crate::batch::BatchLimits;
use crate::catalog::Catalog;
use crate::config::{Access, Config, Listen, Settings};
use crate::cursor::Cursor;
use crate::db::Database;
use crate::db::filters::Printed;
use crate::error::{Error, Kind, Result};
use crate::follow::Follow;
use crate::hub::{Hub, HubLimits, Poll, Since};
use crate::stop::stop;
use crate::tail::{self, Tailer};

use super::named;
use line::Lines;
use wanted::Subscribed;

/// A poll of ours waits this long for news, and then moves its cursor on.
const WAIT: Duration = Duration::from_secs(30);

/// The pause after a failure that may pass.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Connections of the pool: a filter's values and reads of the log, one at a time.
const CONNECTIONS: u32 = 2;

pub fn run(settings: Settings, asked: &Listen) -> Result<()> {
    let subscribed = wanted::subscribed(&asked.tables, &asked.filters)?;
    let since = asked.since.as_deref().map(str::parse::<Cursor>).transpose();
    let since = since.map_err(|error| Error::bad_request(format!("--since is {error}")))?;
    let mut config = Config::new(Settings {
        expose: subscribed.iter().map(|one| (one.table.clone(), Access::Read)).collect(),
        // Nobody is served: what is said of addresses does not matter, nor who else would have the role's rights.
        listen: None,
        allow_superuser: true,
        pool_connections: CONNECTIONS,
        ..settings
    })?;
    // Told from a server's sessions by `rowcast status`.
    config.database = named("rowcast listen", config.database);
    config.tail_database = named("rowcast listen", config.tail_database);
    let lines = if asked.json || !std::io::stdout().is_terminal() { Lines::json() } else { Lines::for_a_person(&subscribed) };
    // Blocking work, so not on the runtime.
    let database = Database::connect(&config.database, config.limits)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("rowcast")
        .build()
        .map_err(|error| Error::internal(format!("the runtime could not be made: {error}")))?;
    let ended = runtime.block_on(listen(config, database, subscribed, since, lines));
    // A thread that still writes to a reader who does not read does not keep the process.
    runtime.shutdown_timeout(Duration::from_millis(100));
    ended
}

async fn listen(config: Config, database: Database, subscribed: Vec<Subscribed>, since: Option<Cursor>, mut lines: Lines) -> Result<()> {
    let catch = |kind| signal(kind).map_err(|error| Error::internal(format!("signals cannot be caught: {error}")));
    let (mut terminate, mut interrupt) = (catch(SignalKind::terminate())?, catch(SignalKind::interrupt())?);
    let closed = reader_gone();
    let ended = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = closed => {}
        }
    };
    let mut ended = std::pin::pin!(ended);

    let config = Arc::new(config);
    let hub = Arc::new(Hub::new(HubLimits { ring_bytes: config.tail.ring_bytes, answer_bytes: config.tail.batch_bytes, polls: 1 }));
    let catalog = watch::Sender::new(Arc::new(Catalog::default()));
    let limits = BatchLimits { rows: config.tail.batch_rows, bytes: config.tail.batch_bytes };
    let follow = Follow { database, hub: hub.clone(), catalog: catalog.subscribe(), printed: Printed::default(), limits };
    let (stopper, working) = stop();
    let mut tailer = tokio::select! {
        tailer = tail::start(Tailer { config: config.clone(), hub: hub.clone(), catalog, vitals: Arc::default(), stop: working }) => tailer?,
        () = ended.as_mut() => return Ok(()),
    };
    if let Some(sentence) = follow.catalog.borrow().missing.first() {
        return Err(Error::not_found(sentence.replacen("the exposed ", "the ", 1)));
    }
    let mut cursor = since.map_or_else(|| hub.tip(), Arc::new);
    // What cannot be subscribed to is told before anything is said to be followed.
    poll(&follow, &subscribed, &cursor).await?;
    let names: Vec<&str> = subscribed.iter().map(|one| one.table.as_str()).collect();
    tracing::info!("following {} in {}; Ctrl-C ends it", names.join(", "), config.database);
    let outcome = loop {
        // Whatever is dropped here is asked for again with the same cursor, or by whoever goes on from it.
        let step = tokio::select! {
            step = step(&follow, &subscribed, &mut cursor, &mut lines) => step,
            () = ended.as_mut() => break Ok(()),
            _ = &mut tailer.ended => break Err(Error::internal("the tailer ended unexpectedly; the log above says why")),
        };
        match step {
            Ok(true) => {}
            Ok(false) => break Ok(()),
            Err(error) if error.kind == Kind::Unavailable => {
                tracing::warn!(%error, "trying again");
                tokio::select! {
                    () = tokio::time::sleep(TRY_AGAIN) => {}
                    () = ended.as_mut() => break Ok(()),
                }
            }
            Err(error) => break Err(error),
        }
    };
    tracing::info!("to go on from here: --since {cursor}");
    // The tailer lets go of its bed by closing its session.
    stopper.stop();
    _ = tokio::time::timeout(Duration::from_millis(300), &mut tailer.ended).await;
    outcome
}

/// One answer, printed. False once nobody reads what is printed. The cursor moves on when all of an answer is written.
async fn step(follow: &Follow, subscribed: &[Subscribed], cursor: &mut Arc<Cursor>, lines: &mut Lines) -> Result<bool> {
    let poll = poll(follow, subscribed, cursor).await?;
    let answer = follow.answer(&poll, Instant::now() + WAIT).await?;
    let text = lines.of(&answer, cursor, &follow.catalog.borrow());
    let written = text.is_empty() || write(text).await?;
    if written {
        *cursor = answer.cursor.clone();
    }
    Ok(written)
}

/// Tables are looked up by name each time: one may have been made anew.
async fn poll(follow: &Follow, subscribed: &[Subscribed], cursor: &Arc<Cursor>) -> Result<Poll> {
    let mut subscriptions = Vec::with_capacity(subscribed.len());
    for one in subscribed {
        subscriptions.push(follow.subscription(&one.table, &one.table, one.filter.clone()).await?);
    }
    let since = vec![Since::Cursor(cursor.clone()); subscriptions.len()];
    Ok(Poll::new(subscriptions, since))
}

/// Writes to stdout on a thread of its own, because a reader may be slow, and Ctrl-C must work all the same. False if the
/// reader has gone.
async fn write(text: String) -> Result<bool> {
    let written = tokio::task::spawn_blocking(move || {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
    });
    match written.await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Ok(Err(error)) => Err(Error::internal(format!("stdout cannot be written to: {error}"))),
        Err(panic) => Err(Error::internal(format!("writing to stdout ended early: {panic}"))),
    }
}

/// Ready when the reader of stdout has gone, also while there is nothing to write: `… | head -n 1` ends at once.
async fn reader_gone() {
    let (gone, closed) = oneshot::channel();
    let body = move || {
        let stdout = std::io::stdout();
        // No event is asked for: only what cannot be ignored, an error or the end of the reader, ends the wait.
        let mut watched = [rustix::event::PollFd::new(&stdout, rustix::event::PollFlags::empty())];
        while let Err(rustix::io::Errno::INTR) = rustix::event::poll(&mut watched, None) {}
        _ = gone.send(());
    };
    match std::thread::Builder::new().name("reader".to_owned()).spawn(body) {
        Ok(_) => _ = closed.await,
        // Then the next line finds out.
        Err(_) => std::future::pending().await,
    }
}
