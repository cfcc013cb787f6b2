//! `rowcast watch` and `unwatch`: which tables are captured.

use super::output::print;
use crate::config::Address;
use crate::db::watch::{LogLimits, Watcher};
use crate::error::{Error, Result};

/// Watches the named tables, and those of `schema` that can be; tells of each, and goes on after one that fails.
pub fn watch(database: &Address, tables: &[String], schema: Option<&str>, limits: LogLimits) -> Result<()> {
    let mut watcher = Watcher::connect(database)?;
    let mut names = tables.to_vec();
    if let Some(schema) = schema {
        for (table, refusal) in watcher.tables_of(schema)? {
            match refusal {
                None => names.push(table),
                Some(why) => tracing::info!("{table} cannot be watched: {why}"),
            }
        }
        if names.is_empty() {
            return Err(Error::not_found(format!("the schema {schema} has no table that can be watched")));
        }
    }
    each(&names, |table| Ok(format!("watched: {}", watcher.watch(table, limits)?)))?;
    tracing::info!("nothing is seen over HTTP before it is named under [expose] in the configuration");
    Ok(())
}

pub fn unwatch(database: &Address, tables: &[String]) -> Result<()> {
    let mut watcher = Watcher::connect(database)?;
    each(tables, |table| Ok(format!("no longer watched: {}", watcher.unwatch(table)?)))
}

/// Each table is a transaction of its own: one that fails does not undo the others.
fn each(tables: &[String], mut work: impl FnMut(&str) -> Result<String>) -> Result<()> {
    let mut failed = Vec::new();
    for table in tables {
        match work(table) {
            Ok(said) => print(&format!("{said}\n"))?,
            Err(error) if tables.len() == 1 => return Err(error),
            Err(error) => {
                tracing::error!("{table}: {error}");
                failed.push(table.as_str());
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    Err(Error::bad_request(format!("{} of {} tables failed: {}", failed.len(), tables.len(), failed.join(", "))))
}
