//! What there is of rowcast in a database: watched tables, the log, the beds. As far as the role's rights go: the
//! system's catalog tells everybody which tables have our triggers; the log itself needs a right to read it.

use std::collections::{BTreeMap, HashMap};

use postgres::Client;
use postgres::types::ToSql;
use serde::Serialize;

use super::install::{State, connect, state_of, version};
use super::{catalog, log};
use crate::catalog::Catalog;
use crate::change::Relation;
use crate::config::Access;
use crate::config::Address;
use crate::cursor::Cursor;
use crate::error::{Error, Result};

/// What a database has of rowcast.
#[derive(Debug, Serialize)]
pub struct Report {
    pub server_version: String,
    /// The schema in a few words.
    pub schema: String,
    pub tables: Vec<Watched>,
    /// None where there is no schema.
    pub log: Option<Log>,
    /// The present epoch, if one has begun; None where the role may not read it.
    #[serde(skip)]
    pub epoch: Option<Option<i64>>,
    pub beds: i64,
    /// Servers that sleep in one of them.
    pub sleeping: i64,
    /// Sessions of servers: the tailer's and those of the pool.
    pub sessions: i64,
}

#[derive(Debug, Serialize)]
pub struct Watched {
    /// As SQL spells it.
    pub name: String,
    pub kind: &'static str,
    pub key: Vec<String>,
    pub bulk_rows: Option<i32>,
    /// Whether its triggers fire where session_replication_role is replica, too.
    pub always: bool,
    /// None where there was none, or the role may not read the log.
    pub last_change: Option<String>,
    pub last_change_seconds: Option<f64>,
    pub log_rows: Option<i64>,
}

#[derive(Debug, Serialize)]
pub struct Log {
    /// Its size with its index.
    pub bytes: i64,
    /// What is in it; None where the role may not read it.
    pub content: Option<Content>,
}

#[derive(Debug, Serialize)]
pub struct Content {
    pub rows: i64,
    pub oldest: Option<String>,
    pub oldest_seconds: Option<f64>,
    /// The snapshot up to which the log has been pruned; None before the first server started.
    pub horizon: Option<String>,
}

/// What a server's cursor has not seen.
#[derive(Debug, Serialize)]
pub struct Behind {
    pub changes: i64,
    /// The age of the oldest of them.
    pub seconds: f64,
}

/// The tables that have our trigger, from the system's catalog alone.
const TABLES: &str = r"
select c.oid, c.oid::regclass::text, c.relkind, split_part(encode(t.tgargs, 'escape'), '\000', 1),
       array(select a.attname::text from pg_index i, unnest(i.indkey::int2[]) with ordinality as k (attnum, place)
             join pg_attribute a on a.attnum = k.attnum
             where i.indrelid = c.oid and a.attrelid = c.oid and i.indisprimary and i.indimmediate order by k.place),
       t.tgenabled = 'A'
from pg_trigger t join pg_class c on c.oid = t.tgrelid
where t.tgparentid = 0 and t.tgtype & 1 = 1
  and t.tgfoid = (select p.oid from pg_proc p where p.proname = 'capture' and p.pronamespace = $1)
order by 2";

const CHANGES: &str = "
select coalesce(l.relation, p.relation), coalesce(l.rows, 0), to_json(greatest(l.last, p.mtime))#>>'{}',
       extract(epoch from clock_timestamp() - greatest(l.last, p.mtime))::float8
from (select c.relation, count(*) as rows, max(c.time) as last from rowcast.change c group by c.relation) l
full join rowcast.pruned_mtime p on p.relation = l.relation";

const CONTENT: &str = "
select count(*), to_json(min(c.time))#>>'{}', extract(epoch from clock_timestamp() - min(c.time))::float8,
       (select h.snapshot::text from rowcast.horizon h) from rowcast.change c";

/// Reads all of it.
pub fn read(config: &Address) -> Result<Report> {
    let mut client = connect(config)?;
    let state = state_of(&mut client)?;
    let server_version = client.query_one("show server_version", &[])?.get(0);
    let mut report =
        Report { server_version, schema: describe(&state), tables: Vec::new(), log: None, epoch: None, beds: 0, sleeping: 0, sessions: 0 };
    if matches!(state, State::Nothing | State::Foreign(_)) {
        return Ok(report);
    }
    let schema: u32 = client.query_one("select oid from pg_namespace where nspname = 'rowcast'", &[])?.get(0);
    let bytes = "select pg_total_relation_size(c.oid) from pg_class c where c.relname = 'change' and c.relnamespace = $1";
    let bytes = client.query_one(bytes, &[&schema])?.get(0);
    let content = allowed(client.query_one(CONTENT, &[]))?;
    let content = content.map(|row| Content { rows: row.get(0), oldest: row.get(1), oldest_seconds: row.get(2), horizon: row.get(3) });
    report.log = Some(Log { bytes, content });
    report.tables = tables(&mut client, schema)?;
    report.epoch = allowed(client.query_one("select rowcast.current_epoch()", &[]))?.map(|row| row.get(0));
    // The body of beds() is the number itself, and readable to a role that may not call it.
    let beds = "select p.prosrc from pg_proc p where p.proname = 'beds' and p.pronamespace = $1";
    let beds: String = client.query_one(beds, &[&schema])?.get(0);
    report.beds = beds.trim_start_matches("select ").trim().parse().unwrap_or(0);
    let servers = client.query_one(
        "select (select count(*) from pg_locks l join pg_database d on d.oid = l.database
                 where d.datname = current_database() and l.locktype = 'advisory' and l.classid = 1919907683 and l.objsubid = 2
                   and l.mode = 'ExclusiveLock' and l.granted),
                (select count(*) from pg_stat_activity a where a.datname = current_database() and a.application_name = 'rowcast')",
        &[],
    )?;
    (report.sleeping, report.sessions) = (servers.get(0), servers.get(1));
    Ok(report)
}

fn tables(client: &mut Client, schema: u32) -> Result<Vec<Watched>> {
    let changes = allowed(client.query(CHANGES, &[]))?;
    let logged: Option<HashMap<Relation, _>> = changes.map(|rows| {
        rows.iter().map(|row| (row.get(0), (row.get::<_, i64>(1), row.get::<_, Option<String>>(2), row.get::<_, Option<f64>>(3)))).collect()
    });
    let watched = |row: &postgres::Row| {
        let one = logged.as_ref().map(|logged| logged.get(&row.get::<_, Relation>(0)));
        Watched {
            name: row.get(1),
            kind: if row.get::<_, i8>(2) as u8 == b'p' { "partitioned" } else { "table" },
            key: row.get(4),
            bulk_rows: row.get::<_, String>(3).parse().ok(),
            always: row.get(5),
            last_change: one.and_then(|one| one?.1.clone()),
            last_change_seconds: one.and_then(|one| one?.2),
            log_rows: one.map(|one| one.map_or(0, |one| one.0)),
        }
    };
    Ok(client.query(TABLES, &[&schema])?.iter().map(watched).collect())
}

/// What the configuration exposes, as this role's server would serve it; None where there is no schema that it could serve by.
pub fn exposed(config: &Address, expose: &BTreeMap<String, Access>) -> Result<Option<Catalog>> {
    let names: Vec<&String> = expose.keys().collect();
    let mut client = connect(config)?;
    if matches!(state_of(&mut client)?, State::Nothing | State::Foreign(_) | State::Older(_)) {
        return Ok(None);
    }
    Ok(allowed(client.query(catalog::QUERY, &[&names]))?.map(|rows| catalog::catalog(expose, &rows)))
}

/// How much of the log a cursor has not seen: exact, by its snapshot. None where the role may not read the log.
pub fn behind(config: &Address, cursor: &Cursor) -> Result<Option<Behind>> {
    const UNSEEN: &str = "
        select count(*), coalesce(extract(epoch from clock_timestamp() - min(c.time)), 0)::float8 from rowcast.change c
        where c.xid >= cast($1::text as xid8) or c.xid = any (cast($2::text[] as xid8[]))";
    let (xmax, in_progress) = log::read_parameters(&cursor.snapshot);
    let row = allowed(connect(config)?.query_one(UNSEEN, &[&xmax as &(dyn ToSql + Sync), &in_progress]))?;
    Ok(row.map(|row| Behind { changes: row.get(0), seconds: row.get(1) }))
}

fn describe(state: &State) -> String {
    match state {
        State::Nothing => "none: run rowcast install".to_owned(),
        State::Foreign(_) => "none of ours: somebody else made a schema of that name".to_owned(),
        State::Older(older) => format!("version {older}, which is older than this program's, {}: run rowcast install", version()),
        State::Newer(newer) => format!("version {newer}, which is newer than this program's, {}", version()),
        State::Altered(functions) => {
            format!("version {}, but with other functions: {}: run rowcast install", version(), functions.join(", "))
        }
        State::Same => format!("version {}", version()),
    }
}

/// None where the role lacks a right, or the database is a standby, on which the epoch cannot be read.
fn allowed<T>(outcome: std::result::Result<T, postgres::Error>) -> Result<Option<T>> {
    match outcome.map_err(Error::from) {
        Ok(found) => Ok(Some(found)),
        Err(error) if matches!(error.code.as_deref(), Some("42501" | "0A000")) => Ok(None),
        Err(error) => Err(error),
    }
}
