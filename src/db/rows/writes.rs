//! Writes of single rows: one statement each, at the database's default isolation.

use std::time::Duration;

use super::sql::{self, Statement};
use super::{Values, no_such_row};
use crate::catalog::Table;
use crate::db::{Session, Transaction};
use crate::error::{Error, Result};

/// How often a write is tried again that lost against another.
const RETRIES: u32 = 3;

/// What the loser of a conflict waits at most before its first retry; twice as long before the next.
const PAUSE: Duration = Duration::from_millis(10);

/// The codes by which a write may be tried again: serialization_failure and deadlock_detected.
const LOST: [&str; 2] = ["40001", "40P01"];

/// A new row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The row as JSON, with its defaults.
    pub json: String,
    /// The parts of its key, as text.
    pub key: Vec<String>,
}

/// Adds a row.
pub fn create(session: &mut Session, table: &Table, values: &Values) -> Result<Created> {
    let statement = sql::create(table, values)?;
    write(session, |session| {
        let rows = session.query_typed(&statement.text, &statement.parameters())?;
        let row = rows.first().ok_or_else(|| Error::bad_request(format!("a trigger of {} did not let the row in", table.exposed_name)))?;
        let key = (1..row.len()).map(|place| row.try_get(place)).collect::<std::result::Result<_, _>>()?;
        Ok(Created { json: row.try_get(0)?, key })
    })
}

/// Replaces the row with this key: columns that are left out get their default. Returns it as JSON.
pub fn replace(session: &mut Session, table: &Table, key: &[String], values: &Values) -> Result<String> {
    let statement = sql::replace(table, key, values)?;
    let present = sql::row(table, key)?;
    write(session, |session| match returned(session, &statement)? {
        Some(row) => Ok(row),
        None if returned(session, &present)?.is_some() => {
            Err(Error::bad_request("the row's key is not the path's: PUT replaces the row that the path names, PATCH can change its key"))
        }
        None => Err(no_such_row(table, key)),
    })
}

/// Changes the named columns of the row with this key, which may be the key's own. Returns it as JSON.
pub fn change(session: &mut Session, table: &Table, key: &[String], values: &Values) -> Result<String> {
    let statement = sql::change(table, key, values)?;
    write(session, |session| returned(session, &statement)?.ok_or_else(|| no_such_row(table, key)))
}

/// Removes the row with this key.
pub fn delete(session: &mut Session, table: &Table, key: &[String]) -> Result<()> {
    let statement = sql::delete(table, key)?;
    write(session, |session| match session.execute_typed(&statement.text, &statement.parameters())? {
        0 => Err(no_such_row(table, key)),
        _ => Ok(()),
    })
}

fn returned(session: &mut Session, statement: &Statement) -> Result<Option<String>> {
    let rows = session.query_typed(&statement.text, &statement.parameters())?;
    Ok(rows.first().map(|row| row.try_get(0)).transpose()?)
}

/// Does `work` in a transaction, and again where it lost a conflict with another's.
fn write<T>(session: &mut Session, mut work: impl FnMut(&mut Session) -> Result<T>) -> Result<T> {
    let mut retries = 0;
    loop {
        match write_once(session, &mut work) {
            Err(error) if retries < RETRIES && error.code.as_deref().is_some_and(|code| LOST.contains(&code)) => {
                // At random, or two would meet again.
                std::thread::sleep(PAUSE.mul_f64(rand::random::<f64>() * f64::from(1 << retries)));
                retries += 1;
            }
            outcome => return outcome,
        }
    }
}

/// The pool's sessions have a search_path of their own, for reads; the triggers of the application expect the role's.
/// So every name in a statement of ours is qualified, operators and functions too.
fn write_once<T>(session: &mut Session, work: &mut impl FnMut(&mut Session) -> Result<T>) -> Result<T> {
    let isolation = format!("isolation level {}", session.default_isolation);
    let (transaction, _) = Transaction::begin(session, &isolation, "set local search_path to default")?;
    let outcome = work(transaction.session)?;
    transaction.end("commit")?;
    Ok(outcome)
}
