//! The rows of an exposed table: read with the cursor of the snapshot that they were read in, and written.
//!
//! **Invariant:** names in SQL come from the catalog, never from a request; values are parameters, always.

mod sql;
mod writes;

use std::collections::BTreeMap;

use postgres::SimpleQueryMessage;
use postgres::fallible_iterator::FallibleIterator;
use postgres::types::{ToSql, Type};
use serde_json::value::RawValue;

use super::{Session, Transaction, log};
use crate::catalog::Table;
use crate::config::Limits;
use crate::cursor::Cursor;
use crate::error::{Error, Kind, Result};
use crate::filter::Wanted;
use sql::Statement;

pub use writes::{Created, change, create, delete, replace};

/// A row's values as a request gave them: column to JSON text.
pub type Values = BTreeMap<String, Box<RawValue>>;

/// Which rows of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Selection {
    pub filter: Wanted,
    pub limit: Option<usize>,
    pub offset: usize,
}

/// What was read, and the cursor of the very snapshot that it was read in.
#[derive(Clone, Debug)]
pub struct Read {
    pub cursor: Cursor,
    /// For a list a JSON array of row objects in the order of the key, for a single row its object.
    pub json: String,
}

/// Rows that are fetched at a time.
const PIECE: usize = 500;

/// The database's code for an operator that a type does not have.
const UNDEFINED_FUNCTION: &str = "42883";

/// Reads a table's rows that match, ordered by key. Without a limit, more rows than `list_rows` are a bad request, and
/// with one, a limit above it: nothing is cut unseen. More text than `list_bytes` is too large.
pub fn list(session: &mut Session, table: &Table, selection: &Selection, limits: &Limits) -> Result<Read> {
    let most = limits.list_rows;
    if let Some(limit) = selection.limit.filter(|&limit| limit > most) {
        return Err(Error::bad_request(format!("limit is {limit}, but must be at most {most}: read the rest with offset")));
    }
    // One more than may be, to see that there are more.
    let limit = selection.limit.unwrap_or(most + 1);
    let read = |session: &mut Session, comparable| {
        let (transaction, cursor) = begin_read(session)?;
        let rows = fetch_all(transaction.session, &sql::list(table, selection, limit, comparable)?, limits.list_bytes)?;
        transaction.end("commit")?;
        if rows.count > most {
            let name = &table.exposed_name;
            return Err(Error::bad_request(format!(
                "{name} has more than {most} such rows: read them in pieces, with limit and offset, or filter"
            )));
        }
        Ok(Read { cursor, json: format!("[{}]", rows.json) })
    };
    match read(session, true) {
        // A type without equality, such as json, is compared as it is printed; no index could help there.
        Err(error) if error.code.as_deref() == Some(UNDEFINED_FUNCTION) => read(session, false),
        outcome => outcome,
    }
}

/// Reads the row with this key, as the parts of a request's path.
pub fn row(session: &mut Session, table: &Table, key: &[String], limits: &Limits) -> Result<Read> {
    let (transaction, cursor) = begin_read(session)?;
    let statement = sql::row(table, key)?;
    let mut rows = Rows::default();
    rows.take(transaction.session, &statement.text, statement.parameters(), limits.list_bytes)?;
    transaction.end("commit")?;
    if rows.count == 0 { Err(no_such_row(table, key)) } else { Ok(Read { cursor, json: rows.json }) }
}

fn no_such_row(table: &Table, key: &[String]) -> Error {
    Error::not_found(format!("{} has no row {}", table.exposed_name, key.join(",")))
}

/// Begins REPEATABLE READ, whatever the database's default is: in SERIALIZABLE our read would make writers fail. All
/// that follows sees the snapshot of the cursor.
fn begin_read(session: &mut Session) -> Result<(Transaction<'_>, Cursor)> {
    let first = "set local cursor_tuple_fraction = 1; \
        select pg_current_snapshot()::text, (select concat(e.id, e.tableoid) from rowcast.epoch e where e.run = pg_postmaster_start_time())";
    let (transaction, messages) =
        Transaction::begin(session, "isolation level repeatable read, read only", first).map_err(log_unreadable)?;
    let head = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some((row.get(0)?, row.get(1))),
        _ => None,
    });
    let (snapshot, epoch_id) = head.ok_or_else(|| Error::internal("the database did not say its snapshot"))?;
    let snapshot = log::parse_snapshot(snapshot)?;
    let epoch = epoch(transaction.session, epoch_id)?;
    Ok((transaction, Cursor { epoch, snapshot }))
}

/// The epoch of this random id. Asked once a session: PostgreSQL reads the cluster's control file for it. Behind a pooler a
/// session may outlive a restart of PostgreSQL, and has no id then until the new epoch has begun.
fn epoch(session: &mut Session, id: Option<&str>) -> Result<i64> {
    if let Some((known, epoch)) = &session.epoch
        && Some(known.as_str()) == id
    {
        return Ok(*epoch);
    }
    let row = session.query_typed_opt(log::EPOCH, &[]).map_err(log_unreadable)?;
    let Some(row) = row else {
        let retry_after = std::time::Duration::from_secs(1);
        return Err(Error::unavailable("the database has begun anew and its change log not yet: try again", retry_after));
    };
    let epoch = row.try_get("epoch")?;
    session.epoch = Some((row.try_get("epoch_id")?, epoch));
    Ok(epoch)
}

/// A table of ours that is missing or not readable is nothing that the request named.
fn log_unreadable(error: postgres::Error) -> Error {
    let error = Error::from(error);
    match error.kind {
        Kind::Unavailable => error,
        _ => Error { kind: Kind::Internal, detail: format!("the schema rowcast cannot be used: {}", error.detail), ..error },
    }
}

/// Reads what a statement selects in pieces, so that what is too much is neither held nor made: a client cannot stop a
/// statement that runs, and to cancel it from aside may hit the next one.
fn fetch_all(session: &mut Session, statement: &Statement, most_bytes: usize) -> Result<Rows> {
    session.execute_typed(&format!("declare list no scroll cursor for {}", statement.text), &statement.parameters())?;
    let fetch = format!("fetch {PIECE} from list");
    let mut rows = Rows::default();
    loop {
        let before = rows.count;
        rows.take(session, &fetch, Vec::new(), most_bytes)?;
        if rows.count - before < PIECE {
            return Ok(rows);
        }
    }
}

/// Rows as text, separated by commas.
#[derive(Default)]
struct Rows {
    count: usize,
    json: String,
}

impl Rows {
    /// Takes in the rows of a statement, one column of text, as they come.
    fn take(&mut self, session: &mut Session, text: &str, parameters: Vec<(&(dyn ToSql + Sync), Type)>, most_bytes: usize) -> Result<()> {
        let mut rows = session.query_typed_raw(text, parameters)?;
        while let Some(row) = rows.next()? {
            let text: &str = row.try_get(0)?;
            if self.json.len() + text.len() > most_bytes {
                return Err(Error::new(
                    Kind::TooLarge,
                    format!("this is more than {most_bytes} bytes: read it in pieces, with limit and offset"),
                ));
            }
            if self.count > 0 {
                self.json.push(',');
            }
            self.json.push_str(text);
            self.count += 1;
        }
        Ok(())
    }
}
