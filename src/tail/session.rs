//! The tailer's connection: LISTEN, the beds and the reads, on one unpooled autocommit session.

mod start;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use std::pin::pin;

use futures_util::{StreamExt, TryStreamExt};
use tokio::sync::Notify;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Statement};

use super::bell::Bed;
use super::delays::Delays;
use crate::batch::{BatchBuilder, BatchLimits};
use crate::catalog::Catalog;
use crate::change::Batch;
use crate::config::{Access, Address};
use crate::cursor::{Cursor, Snapshot};
use crate::db::connect::{Messages, connect};
use crate::db::{catalog, log};
use crate::error::{Error, Result};
use start::{Epoch, prove_delivery, refuse_superuser, settle_epoch};

/// The longest silence of the database that the tailer bears before it gives the session up for lost. A read may take
/// longer as long as rows come: were it cut short, it would be begun again and cut short for ever.
const QUERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Rows must be printed as the pool's sessions and the capture trigger print them. The read is planned once, for planning
/// takes longer than an idle read; a generic plan may choose to read the whole log, so it may not.
const SETTINGS: &str = "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; \
    set bytea_output = 'hex'; set extra_float_digits = 1; set lc_monetary = 'C'; set search_path = pg_catalog, pg_temp; \
    set plan_cache_mode = force_generic_plan; set enable_seqscan = off; set jit = off; \
    set max_parallel_workers_per_gather = 0; set default_transaction_isolation = 'read committed'";

/// A time-out that the role or the database was given must not end a session that sleeps, or a long read. By the names that the server
/// knows, for not all are of every version.
const NO_TIMEOUTS: &str = "select set_config(s.name, '0', false) from pg_settings s \
    where s.name in ('statement_timeout', 'transaction_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout')";

/// By these PostgreSQL finds a server dead whose machine or network is gone: until then the bed that it slept in is taken, and every writer
/// rings for nobody. The system's own bounds are hours. A server that hangs, and for which more bells are waiting than the
/// network holds, is cut off too. Without effect on a unix socket.
const SILENCE: &str =
    "set tcp_keepalives_idle = 30; set tcp_keepalives_interval = 10; set tcp_keepalives_count = 3; set tcp_user_timeout = 60000";

/// Evaluated bed by bed, until the first that is free.
const TAKE_BED: &str = "select bed from generate_series(1, rowcast.beds()) as bed where pg_try_advisory_lock(1919907683, bed) limit 1";

const BEDS: &str = "select rowcast.beds()";

const LEAVE_BED: &str = "select pg_advisory_unlock(1919907683, $1)";

/// A connected session. The connection is driven by a task that ends with it.
pub struct Session {
    client: Client,
    bell: Arc<Bell>,
    driver: tokio::task::JoinHandle<()>,
    read: Statement,
    horizon: Statement,
    take_bed: Statement,
    beds: Statement,
    leave_bed: Statement,
    epoch: Epoch,
}

/// Bells that arrived. Any number of them count as one.
#[derive(Default)]
struct Bell {
    rung: AtomicBool,
    wake: Notify,
}

/// What one read of the log brought.
pub struct Read {
    pub batch: Batch,
    /// Rows of the log, of exposed tables or not.
    pub rows: usize,
    /// The batch is not all that happened: the horizon had moved past the cursor, or history had gone back behind it.
    pub lost: bool,
    pub delays: Delays,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Connects, settles the epoch, and LISTENs before it has read anything. `first` time round, it makes sure that
    /// LISTEN delivers.
    pub async fn connect(address: &Address, allow_superuser: bool, first: bool) -> Result<Session> {
        let (client, messages) = connect(address, QUERY_TIMEOUT).await?;
        let bell = Arc::new(Bell::default());
        let driver = tokio::spawn(ring(messages, bell.clone()));
        if first {
            // Before any setting: what a pooler shares among its clients is not to be left with ours.
            prove_delivery(address, &client, &bell).await?;
        }
        bounded(client.batch_execute(&[SETTINGS, NO_TIMEOUTS, SILENCE].join("; "))).await?;
        refuse_superuser(&client, allow_superuser).await?;
        let epoch = settle_epoch(&client).await?;
        bounded(client.batch_execute("listen rowcast")).await?;
        let read = bounded(client.prepare(log::READ)).await?;
        let horizon = bounded(client.prepare(log::HORIZON)).await?;
        let take_bed = bounded(client.prepare(TAKE_BED)).await?;
        let beds = bounded(client.prepare(BEDS)).await?;
        let leave_bed = bounded(client.prepare(LEAVE_BED)).await?;
        Ok(Session { client, bell, driver, read, horizon, take_bed, beds, leave_bed, epoch })
    }

    /// This cursor in the present epoch; None if it is of another history.
    pub fn renewed(&self, cursor: &Cursor) -> Option<Cursor> {
        let goes_on = cursor.epoch == self.epoch.number || self.epoch.past.contains(&cursor.epoch);
        goes_on.then(|| Cursor { epoch: self.epoch.number, snapshot: cursor.snapshot.clone() })
    }

    /// The version of the database's schema.
    pub fn schema(&self) -> i32 {
        self.epoch.schema
    }

    /// The epochs of earlier runs of PostgreSQL that this one goes on with.
    pub fn past(&self) -> &[i64] {
        &self.epoch.past
    }

    /// A cursor that has seen everything visible now.
    pub async fn tip(&self) -> Result<Cursor> {
        let row = bounded(self.client.query_one("select pg_current_snapshot()::text", &[])).await?;
        Ok(Cursor { epoch: self.epoch.number, snapshot: log::parse_snapshot(row.get(0))? })
    }

    /// Reads what is visible now and was not at the cursor, then, in a new snapshot, the horizon.
    pub async fn read(&self, from: Arc<Cursor>, catalog: &Catalog, limits: BatchLimits) -> Result<Read> {
        match self.read_by(&self.read, from.clone(), catalog, limits).await {
            // One row that cannot be told must not keep all others from being told.
            Err(error) if error.is_of_encoding() => {
                tracing::warn!(%error, "text was written that has no form in UTF-8: what is read with it becomes resets");
                let resets = bounded(self.client.prepare(&log::read_resets())).await?;
                self.read_by(&resets, from, catalog, limits).await
            }
            read => read,
        }
    }

    async fn read_by(&self, statement: &Statement, from: Arc<Cursor>, catalog: &Catalog, limits: BatchLimits) -> Result<Read> {
        let (xmax, in_progress) = log::read_parameters(&from.snapshot);
        let rows = async {
            let parameters = [&xmax as &(dyn ToSql + Sync), &in_progress];
            let mut rows = pin!(bounded(self.client.query_raw(statement, parameters)).await?);
            let mut builder = BatchBuilder::new(catalog, limits);
            let mut head: Option<(Snapshot, Option<String>)> = None;
            let mut delays = Delays::default();
            let mut count = 0;
            // Each row is bounded, not the whole: a long read is fine, a silent one is not.
            while let Some(row) = bounded(rows.try_next()).await? {
                match log::read_head(&row)? {
                    Some(read) => {
                        delays.begin(&read.time);
                        head = Some((read.snapshot, read.epoch_id));
                    }
                    None => {
                        let change = log::read_change(&row)?;
                        delays.change(change.xid, &change.time);
                        builder.push(change);
                        count += 1;
                    }
                }
            }
            let (snapshot, epoch_id) = head.ok_or_else(|| Error::internal("the read of the log brought no snapshot"))?;
            if epoch_id.as_deref() != Some(&self.epoch.id) {
                return Err(Error::unavailable("the database began a new epoch", Duration::ZERO));
            }
            let to = Arc::new(Cursor { epoch: self.epoch.number, snapshot });
            Ok((builder.finish(from.clone(), to), count, delays))
        };
        // Both are sent at once and run one after the other, so the horizon is as it was after the read. Its time is
        // counted from the end of the read only, which may take long.
        let horizon_parameters = [&self.epoch.number as &(dyn ToSql + Sync)];
        let mut horizon = pin!(self.client.query_opt(&self.horizon, &horizon_parameters));
        let mut early = None;
        let mut rows = pin!(rows);
        let read = loop {
            tokio::select! {
                biased;
                read = &mut rows => break read,
                outcome = &mut horizon, if early.is_none() => early = Some(outcome),
            }
        };
        let (batch, rows, delays) = read?;
        let horizon = match early {
            Some(outcome) => outcome?,
            None => bounded(horizon).await?,
        };
        let horizon = horizon.ok_or_else(|| Error::unavailable("the database began a new epoch", Duration::ZERO))?;
        // A history that went back has nothing to tell to a cursor from beyond it.
        let lost = !from.snapshot.includes(&log::parse_snapshot(horizon.get(0))?) || !batch.to.snapshot.includes(&from.snapshot);
        Ok(Read { batch, rows, lost, delays })
    }

    /// Whether so much has been logged since a cursor that reading it would take long, only to become resets.
    pub async fn is_far_behind(&self, from: &Cursor, limits: BatchLimits) -> Result<bool> {
        let (xmax, _) = log::read_parameters(&from.snapshot);
        let most = i64::try_from(limits.rows.saturating_mul(20)).unwrap_or(i64::MAX);
        let row = bounded(self.client.query_one(log::BACKLOG, &[&xmax, &most])).await?;
        Ok(row.get::<_, i64>(0) >= most)
    }

    /// Notes the shapes of the watched tables; a changed one gets a reset in the log, by whichever server finds it first.
    pub async fn note_shapes(&self) -> Result<()> {
        bounded(self.client.execute("select rowcast.note_shapes()", &[])).await?;
        Ok(())
    }

    /// The exposed tables as they are now.
    pub async fn catalog(&self, expose: &BTreeMap<String, Access>) -> Result<Catalog> {
        let names: Vec<&String> = expose.keys().collect();
        let rows = bounded(self.client.query(catalog::QUERY, &[&names])).await?;
        Ok(catalog::catalog(expose, &rows))
    }

    /// Takes a transaction id and ends it, so that every snapshot from here on differs from all before.
    pub async fn pass_a_transaction(&self) -> Result<()> {
        bounded(self.client.execute("select pg_current_xact_id()", &[])).await?;
        Ok(())
    }

    /// Takes a free bed that every writer tries. None if there is none.
    pub async fn take_bed(&self) -> Result<Option<Bed>> {
        // Sent at once and run one after the other. While the beds were tried their number may have been lowered; whoever lowers it
        // holds the beds that go, so a later statement of somebody who has got one of them sees the new number.
        let (taken, beds) =
            tokio::join!(bounded(self.client.query_opt(&self.take_bed, &[])), bounded(self.client.query_one(&self.beds, &[])),);
        let (taken, beds): (Option<Bed>, Bed) = (taken?.map(|row| row.get(0)), beds?.get(0));
        match taken {
            Some(bed) if bed > beds => {
                self.leave_bed(bed).await?;
                Ok(None)
            }
            taken => Ok(taken),
        }
    }

    /// Lets go of a bed.
    pub async fn leave_bed(&self, bed: Bed) -> Result<()> {
        bounded(self.client.execute(&self.leave_bed, &[&bed])).await?;
        Ok(())
    }

    /// Forgets the bells that arrived so far. Only ever right before a read.
    pub fn discard_bells(&self) {
        self.bell.rung.store(false, Ordering::SeqCst);
    }

    /// Ready when a bell has arrived since the last discard, or the connection is gone.
    pub async fn bell(&self) {
        self.bell.rings().await;
    }
}

impl Bell {
    fn ring(&self) {
        self.rung.store(true, Ordering::SeqCst);
        self.wake.notify_one();
    }

    async fn rings(&self) {
        while !self.rung.load(Ordering::SeqCst) {
            self.wake.notified().await;
        }
    }
}

/// Drives a connection to its end, and rings for each notification.
async fn ring(mut messages: Messages, bell: Arc<Bell>) {
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(_) = message {
            bell.ring();
        }
    }
    // A lost connection wakes the sleeper, who finds out at its next query.
    bell.ring();
}

/// Bounds a query in time, and turns its error into ours.
async fn bounded<T>(query: impl Future<Output = std::result::Result<T, tokio_postgres::Error>>) -> Result<T> {
    match tokio::time::timeout(QUERY_TIMEOUT, query).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(Error::unavailable("the database did not answer the tailer in time", Duration::ZERO)),
    }
}
