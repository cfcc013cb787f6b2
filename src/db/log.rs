//! The log's statements: the tailer's read, a returning poll's catch-up, the epoch, the horizon and pruning.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use tokio_postgres::Row;

use super::Session;
use super::session::{reading, working};
use crate::batch::{BatchBuilder, BatchLimits, LogRow};
use crate::catalog::Catalog;
use crate::change::Batch;
use crate::cursor::{Cursor, Snapshot};
use crate::error::{Error, Result};

/// What is visible now and was not at the cursor, in one statement and so under one snapshot.
///
/// A row is in it exactly if its transaction is visible now and was at or beyond the cursor's xmax ($1) or in progress
/// then ($2). The first row carries the snapshot and the epoch's random id, with the oid of its table, which a dump that is
/// restored under a running server leaves another; then come the changes in the log's order. The method is PgQ's.
pub const READ: &str = "\
select null::bigint as id, pg_current_snapshot()::text as snapshot, (select concat(e.id, e.tableoid) from rowcast.epoch e) as epoch_id,
       null::text as xid, null::oid as relation, null::\"char\" as op, null::text as old, null::text as new, null::text as time,
       null::text[] as elided
union all
(select c.id, null, null, c.xid::text, c.relation, c.op, c.old::text, c.new::text, to_json(c.time)::text, c.elided
 from rowcast.change c
 where c.xid >= cast($1::text as xid8) or c.xid = any (cast($2::text[] as xid8[]))
 order by c.id)";

/// The epoch as a number and as its random id, and those that led to it; no row while a new one has yet to begin.
pub const EPOCH: &str = "select rowcast.current_epoch() as epoch, concat(e.id, e.tableoid) as epoch_id, e.past from rowcast.epoch e
    where exists (select from rowcast.horizon h where h.epoch = rowcast.current_epoch())";

/// Begins a new epoch where the old one is over.
pub const BEGIN_EPOCH: &str = "select rowcast.begin_epoch()";

/// The horizon of an epoch ($1), as text; no row if that is over and no later one goes on with it.
pub const HORIZON: &str = "select h.snapshot::text from rowcast.horizon h where h.epoch = $1
    or exists (select from rowcast.epoch e where $1 = any (e.past) and h.epoch = rowcast.current_epoch())";

/// How many changes there are of transactions from $1 on, counted up to $2.
pub const BACKLOG: &str =
    "select count(*) from (select from rowcast.change c where c.xid >= cast($1::text as xid8) limit $2::bigint) as newer";

/// The parameters of [`READ`] for what a snapshot has not seen.
pub fn read_parameters(seen: &Snapshot) -> (String, Vec<String>) {
    (seen.xmax().to_string(), seen.in_progress().iter().map(u64::to_string).collect())
}

/// What the first row of [`READ`] says; None for the others.
pub fn read_head(row: &Row) -> Result<Option<(Snapshot, Option<String>)>> {
    let Some(snapshot) = row.try_get::<_, Option<&str>>("snapshot")? else { return Ok(None) };
    Ok(Some((parse_snapshot(snapshot)?, row.try_get("epoch_id")?)))
}

/// A change of [`READ`].
pub fn read_change(row: &Row) -> Result<LogRow> {
    let xid: &str = row.try_get("xid")?;
    Ok(LogRow {
        xid: xid.parse().map_err(|_| Error::internal(format!("the log holds a transaction id that is none: {xid}")))?,
        relation: row.try_get("relation")?,
        op: row.try_get::<_, i8>("op")? as u8,
        old: row.try_get("old")?,
        new: row.try_get("new")?,
        time: row.try_get("time")?,
        elided: row.try_get::<_, Option<Vec<String>>>("elided")?.unwrap_or_default(),
    })
}

/// A snapshot in PostgreSQL's text form.
pub fn parse_snapshot(text: &str) -> Result<Snapshot> {
    text.parse().map_err(|_| Error::internal(format!("the database printed a snapshot that is none: {text}")))
}

/// The present epoch; None while a new one has yet to begin.
pub fn epoch(session: &mut Session) -> Result<Option<i64>> {
    Ok(reading(session, |session| Ok(session.query_typed_opt(EPOCH, &[])?))?.map(|row| row.get("epoch")))
}

/// What one catch-up from the log brought.
pub struct CaughtUp {
    /// All that is left in the log between the two cursors.
    pub batch: Batch,
    /// A cursor that does not include it has lost something to the pruner; None if the epoch is over, and all is lost.
    pub horizon: Option<Snapshot>,
}

impl CaughtUp {
    /// Where the log could not be read: all between the cursors is lost.
    pub fn nothing(from: Arc<Cursor>, to: Arc<Cursor>) -> CaughtUp {
        CaughtUp { batch: Batch { from, to, changes: Vec::new(), resets: HashMap::new(), bytes: 0 }, horizon: None }
    }
}

/// Reads what `to` has seen and `from` has not. `to` must be a cursor that has been handed out, so that the read, which
/// is newer, sees all of it. The horizon is looked at after the read, in a new snapshot.
pub fn catch_up(session: &mut Session, from: Arc<Cursor>, to: Arc<Cursor>, catalog: &Catalog, limits: BatchLimits) -> Result<CaughtUp> {
    let (xmax, in_progress) = read_parameters(&from.snapshot);
    let mut builder = BatchBuilder::new(catalog, limits);
    reading(session, |session| {
        let parameters = [(&xmax as &(dyn ToSql + Sync), Type::TEXT), (&in_progress, Type::TEXT_ARRAY)];
        let mut rows = session.query_typed_raw(READ, parameters)?;
        while let Some(row) = rows.next()? {
            if read_head(&row)?.is_some() {
                continue;
            }
            let change = read_change(&row)?;
            if to.snapshot.sees(change.xid) {
                builder.push(change);
            }
        }
        Ok(())
    })?;
    let horizon = reading(session, |session| Ok(session.query_typed_opt(HORIZON, &[(&to.epoch, Type::INT8)])?))?;
    let horizon = horizon.map(|row| parse_snapshot(row.get(0))).transpose()?;
    Ok(CaughtUp { batch: builder.finish(from, to), horizon })
}

/// Prunes what is older than `keep`, in short transactions; returns how many changes it deleted.
pub fn prune(session: &mut Session, keep: Duration) -> Result<u64> {
    const CHUNK_ROWS: i32 = 5_000;
    let seconds = keep.as_secs_f64();
    let any: bool = working(session, |session| {
        const ADVANCE: &str = "select rowcast.advance_horizon(make_interval(secs => $1))";
        Ok(session.query_typed_one(ADVANCE, &[(&seconds, Type::FLOAT8)])?.get(0))
    })?;
    if !any {
        return Ok(0);
    }
    let mut pruned = 0;
    loop {
        let chunk: i64 =
            working(session, |session| Ok(session.query_typed_one("select rowcast.prune($1)", &[(&CHUNK_ROWS, Type::INT4)])?.get(0)))?;
        if chunk == 0 {
            return Ok(pruned);
        }
        pruned += chunk.unsigned_abs();
    }
}
