//! The tailer: one thread and one connection that read what is visible now and was not at the cursor.
//!
//! The session is asynchronous, on a runtime of its own with one thread, so that a bell, a client that needs a fresher
//! cursor, the slow timer and the stop can be awaited together, and so that every query has a time-out: a network that
//! swallows packets in silence would otherwise hold the tailer for ever.
//!
//! The tailer knows nothing of HTTP; it feeds the hub through [`Hub`]'s narrow door.

pub mod bell;
mod counts;
mod delays;
pub mod prune;
pub mod session;
mod turn;
mod vitals;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::batch::BatchLimits;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::cursor::Cursor;
use crate::error::{Error, Result};
use crate::hub::Hub;
use crate::stop::Stop;

use session::{Read, Session};

pub use vitals::Vitals;

/// The first and the longest pause between attempts to connect again.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// How often the catalog is read when nothing asks for it.
const CATALOG_EVERY: Duration = Duration::from_secs(5);

/// What the tailer works with.
pub struct Tailer {
    pub config: Arc<Config>,
    pub hub: Arc<Hub>,
    pub catalog: watch::Sender<Arc<Catalog>>,
    pub vitals: Arc<Vitals>,
    pub stop: Stop,
}

/// A running tailer.
pub struct Handle {
    /// Ready when the thread ended, by order or by a panic.
    pub ended: oneshot::Receiver<()>,
}

/// Starts the tailer, and waits until it has read for the first time: what is wrong with the database is told now.
pub async fn start(tailer: Tailer) -> Result<Handle> {
    let (started, start) = oneshot::channel();
    let (end, ended) = oneshot::channel::<()>();
    let body = move || {
        // Dropped when the thread ends, however it ends.
        let _end = end;
        match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(tailer.run(started)),
            Err(error) => _ = started.send(Err(Error::internal(format!("the tailer's runtime could not be made: {error}")))),
        }
    };
    std::thread::Builder::new()
        .name("tailer".to_owned())
        .spawn(body)
        .map_err(|error| Error::internal(format!("the tailer's thread could not be started: {error}")))?;
    start.await.map_err(|_| Error::internal("the tailer ended before its first read"))??;
    Ok(Handle { ended })
}

impl Tailer {
    async fn run(mut self, started: oneshot::Sender<Result<()>>) {
        let mut first = Some(started);
        let mut cursor: Option<Arc<Cursor>> = None;
        let mut pause = BACKOFF.0;
        loop {
            let mut stop = self.stop.clone();
            let outcome = tokio::select! {
                // What is lost here is the session alone: the cursor moves only after a batch was published.
                outcome = self.connected(&mut cursor, &mut first, &mut pause) => outcome,
                () = stop.given() => return,
            };
            let Err(error) = outcome;
            self.hub.tail_lost();
            self.vitals.lost(&error);
            if let Some(started) = first.take() {
                _ = started.send(Err(error));
                return;
            }
            tracing::warn!(%error, retry_in = ?pause, "the tailer lost the database; it goes on from its cursor when it is back");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.given() => return,
            }
            pause = (pause * 2).min(BACKOFF.1);
        }
    }

    /// One session, from LISTEN to the error that ends it.
    async fn connected(
        &mut self,
        cursor: &mut Option<Arc<Cursor>>,
        first: &mut Option<oneshot::Sender<Result<()>>>,
        pause: &mut Duration,
    ) -> Result<std::convert::Infallible> {
        let session = Session::connect(&self.config.tail_database, self.config.allow_superuser, first.is_some()).await?;
        self.vitals.connected(session.schema());
        session.note_shapes().await?;
        let renewed = match cursor.as_ref().and_then(|cursor| session.renewed(cursor)) {
            Some(renewed) if !session.is_far_behind(&renewed, self.limits()).await? => Some(Arc::new(renewed)),
            _ => None,
        };
        match renewed {
            Some(renewed) => {
                self.hub.begin(&renewed, session.past(), true);
                *cursor = Some(renewed);
                self.read_catalog(&session, cursor.as_mut()).await?;
            }
            None => {
                self.read_catalog(&session, None).await?;
                if cursor.is_some() {
                    tracing::warn!(
                        "the database has a new epoch (a crash, a failover or another copy), or too much was missed: every subscriber gets a reset"
                    );
                }
                let start = Arc::new(session.tip().await?);
                self.hub.begin(&start, session.past(), false);
                *cursor = Some(start);
            }
        }
        let cursor = cursor.as_mut().ok_or_else(|| Error::internal("the tailer has no cursor"))?;
        self.read(&session, cursor).await?;
        if let Some(started) = first.take() {
            _ = started.send(Ok(()));
        } else {
            tracing::info!("the tailer has the database back");
        }
        *pause = BACKOFF.0;
        loop {
            let catalog_due = tokio::time::Instant::now() + CATALOG_EVERY;
            turn::turn(self, &session, cursor, catalog_due).await?;
            session.note_shapes().await?;
            self.read_catalog(&session, Some(cursor)).await?;
        }
    }

    /// Reads what is new and publishes it. Returns how many changes there were, of exposed tables or not.
    async fn read(&self, session: &Session, cursor: &mut Arc<Cursor>) -> Result<usize> {
        let ticket = self.hub.begin_read();
        let catalog = self.catalog.borrow().clone();
        let Read { batch, rows, lost, delays } = session.read(cursor.clone(), &catalog, self.limits()).await?;
        *cursor = batch.to.clone();
        let counts = &self.vitals.counts;
        if lost {
            tracing::warn!("the log no longer reaches back to the tailer's cursor: every subscriber gets a reset");
            counts.reset(catalog.tables().map(|table| &table.relation), &catalog);
            self.hub.restart(cursor);
        } else {
            counts.batch(&batch, &catalog);
            self.hub.publish(batch);
        }
        self.hub.end_read(ticket);
        counts.read(&delays.until_now());
        self.vitals.read();
        Ok(rows)
    }

    fn limits(&self) -> BatchLimits {
        BatchLimits { rows: self.config.tail.batch_rows, bytes: self.config.tail.batch_bytes }
    }

    /// Reads the catalog. If it changed, whoever knows a changed table by an older cursor gets a reset: a cursor that sees
    /// a transaction of our own, begun after the change was noticed, tells the older from the newer.
    async fn read_catalog(&self, session: &Session, cursor: Option<&mut Arc<Cursor>>) -> Result<()> {
        let newer = session.catalog(&self.config.expose).await?;
        let older = self.catalog.borrow().clone();
        if *older == newer {
            return Ok(());
        }
        for sentence in &newer.missing {
            tracing::warn!("{sentence}");
        }
        let mut changed = older.changed(&newer);
        changed.extend(newer.changed(&older));
        let newer = Arc::new(newer);
        self.catalog.send_replace(newer.clone());
        // At the first read there is no older shape that anybody could know by this server.
        if let Some(cursor) = cursor {
            session.pass_a_transaction().await?;
            self.read(session, cursor).await?;
            changed.sort_unstable();
            changed.dedup();
            self.vitals.counts.reset(&changed, &newer);
            self.hub.reshape(&changed, cursor);
        }
        Ok(())
    }
}
