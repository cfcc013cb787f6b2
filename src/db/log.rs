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
/// then ($2). The first row carries the snapshot, the epoch's random id, with the oid of its table, which a dump that is
/// restored under a running server leaves another, and the time; then come the changes in the log's order. The method is PgQ's.
///
/// An update of a table that is blind may have another image than what was stored, so it is a reset. That is looked at in
/// the same snapshot: whoever reads the reset that is logged when a table is found to be blind knows of it from there on,
/// whatever server that is.
pub const READ: &str = "\
select null::bigint as id, pg_current_snapshot()::text as snapshot, (select concat(e.id, e.tableoid) from rowcast.epoch e) as epoch_id,
       null::text as xid, null::oid as relation, null::\"char\" as op, null::text as old, null::text as new,
       to_json(clock_timestamp())::text as time,
       null::text[] as elided
union all
(select c.id, null, null, c.xid::text, c.relation,
        case when c.op = 'U' and c.relation in (select w.relation::oid from rowcast.watched w where w.blind) then 'R'::\"char\" else c.op end,
        c.old::text, c.new::text, to_json(c.time)::text, c.elided
 from rowcast.change c
 where c.xid >= cast($1::text as xid8) or c.xid = any (cast($2::text[] as xid8[]))
 order by c.id)";

/// [`READ`] without the images, each change as a reset: for a range that holds text which has no form in UTF-8.
pub fn read_resets() -> String {
    READ.replace("else c.op end", "else 'R' end").replace("c.old::text, c.new::text", "null, null").replace("c.elided", "null")
}

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

/// What the first row of [`READ`] says.
pub struct Head {
    pub snapshot: Snapshot,
    pub epoch_id: Option<String>,
    /// What the database's clock showed, as a JSON string.
    pub time: String,
}

/// The first row of [`READ`]; None for the others.
pub fn read_head(row: &Row) -> Result<Option<Head>> {
    let Some(snapshot) = row.try_get::<_, Option<&str>>("snapshot")? else { return Ok(None) };
    Ok(Some(Head { snapshot: parse_snapshot(snapshot)?, epoch_id: row.try_get("epoch_id")?, time: row.try_get("time")? }))
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
    let mut read = |statement: &str| {
        reading(session, |session| {
            let mut builder = BatchBuilder::new(catalog, limits);
            let parameters = [(&xmax as &(dyn ToSql + Sync), Type::TEXT), (&in_progress, Type::TEXT_ARRAY)];
            let mut rows = session.query_typed_raw(statement, parameters)?;
            while let Some(row) = rows.next()? {
                if read_head(&row)?.is_some() {
                    continue;
                }
                let change = read_change(&row)?;
                if to.snapshot.sees(change.xid) {
                    builder.push(change);
                }
            }
            Ok(builder)
        })
    };
    let builder = match read(READ) {
        Err(error) if error.is_of_encoding() => read(&read_resets())?,
        read => read?,
    };
    let horizon = reading(session, |session| Ok(session.query_typed_opt(HORIZON, &[(&to.epoch, Type::INT8)])?))?;
    let horizon = horizon.map(|row| parse_snapshot(row.get(0))).transpose()?;
    Ok(CaughtUp { batch: builder.finish(from, to), horizon })
}

/// What the log takes, and what of it a cursor has not seen.
pub struct Measured {
    pub bytes: i64,
    /// Changes, counted up to a bound.
    pub unread: i64,
    /// The age of the oldest of those; 0 if there is none.
    pub oldest_unread_seconds: f64,
}

/// Measures the log without reading more of it than `tip` has not seen, and of that a bounded part.
pub fn measure(session: &mut Session, tip: &Cursor) -> Result<Measured> {
    const MEASURE: &str = "
        select pg_total_relation_size('rowcast.change'), count(*),
               greatest(coalesce(extract(epoch from clock_timestamp() - min(unread.time)), 0), 0)::float8
        from (select c.time from rowcast.change c
              where c.xid >= cast($1::text as xid8) or c.xid = any (cast($2::text[] as xid8[])) limit 10000) unread";
    let (xmax, in_progress) = read_parameters(&tip.snapshot);
    reading(session, |session| {
        // Statistics that are old make the planner read the whole log for what is new in it.
        session.batch_execute("set local enable_seqscan = off")?;
        let row = session.query_typed_one(MEASURE, &[(&xmax, Type::TEXT), (&in_progress, Type::TEXT_ARRAY)])?;
        Ok(Measured { bytes: row.get(0), unread: row.get(1), oldest_unread_seconds: row.get(2) })
    })
}

/// Moves the horizon to what is younger than `keep` and fits `log_bytes`; returns whether there is anything to delete.
pub fn advance_horizon(session: &mut Session, keep: Duration, log_bytes: u64) -> Result<bool> {
    const ADVANCE: &str = "select rowcast.advance_horizon(make_interval(secs => $1), $2)";
    let (seconds, bytes) = (keep.as_secs_f64(), i64::try_from(log_bytes).unwrap_or(i64::MAX));
    working(session, |session| Ok(session.query_typed_one(ADVANCE, &[(&seconds, Type::FLOAT8), (&bytes, Type::INT8)])?.get(0)))
}

/// Deletes some of what the horizon sees, in a short transaction; returns how many changes those were.
pub fn prune(session: &mut Session) -> Result<u64> {
    const CHUNK_ROWS: i32 = 5_000;
    let pruned: i64 =
        working(session, |session| Ok(session.query_typed_one("select rowcast.prune($1)", &[(&CHUNK_ROWS, Type::INT4)])?.get(0)))?;
    Ok(pruned.unsigned_abs())
}

/// Makes room of what was deleted, where that is a fifth of the log and this role may; returns whether it did. Autovacuum
/// does the same, but it may come late, or be off.
pub fn vacuum(session: &mut Session) -> Result<bool> {
    const DUE: &str = "
        select pg_stat_get_dead_tuples(c.oid) > 100 + pg_stat_get_live_tuples(c.oid) / 5
           and (pg_has_role(c.relowner, 'usage')
             or case when current_setting('server_version_num')::integer >= 170000 then has_table_privilege(c.oid, 'maintain') else false end)
        from pg_class c where c.oid = 'rowcast.change'::regclass";
    if !reading(session, |session| Ok(session.query_typed_one(DUE, &[])?.get::<_, bool>(0)))? {
        return Ok(false);
    }
    // Not in a transaction, and not while autovacuum is at it.
    session.batch_execute("vacuum (skip_locked) rowcast.change")?;
    Ok(true)
}
