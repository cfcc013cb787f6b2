//! Puts the schema rowcast into a database: the files under `sql/`, embedded, in name order and one transaction.

use postgres::Client;
use rust_embed::Embed;

use super::pool;
use crate::config::Address;
use crate::error::{Error, Result};

#[derive(Embed)]
#[folder = "sql/"]
#[include = "*.sql"]
#[exclude = "example/*"]
struct Schema;

/// The files' names and texts, in the order in which they are loaded.
pub fn files() -> Vec<(String, String)> {
    let mut names: Vec<_> = Schema::iter().collect();
    names.sort();
    let text = |name: &str| Schema::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
    names.into_iter().map(|name| (name.to_string(), text(&name))).collect()
}

/// Installs the schema, or upgrades an older one in place.
pub fn install(address: &Address) -> Result<()> {
    let mut client = connect(address)?;
    let mut transaction = client.transaction()?;
    for (name, text) in files() {
        transaction.batch_execute(&text).map_err(|error| {
            let error = Error::from(error);
            Error { detail: format!("installing {name} failed: {}", error.detail), ..error }
        })?;
    }
    Ok(transaction.commit()?)
}

/// Watches tables, named as SQL spells them.
pub fn watch(address: &Address, tables: &[String]) -> Result<()> {
    each(address, tables, "select rowcast.watch(cast($1::text as regclass))")
}

/// Stops watching tables, and removes what watching added to them.
pub fn unwatch(address: &Address, tables: &[String]) -> Result<()> {
    each(address, tables, "select rowcast.unwatch(cast($1::text as regclass))")
}

fn each(address: &Address, tables: &[String], statement: &str) -> Result<()> {
    let mut client = connect(address)?;
    for table in tables {
        client.execute(statement, &[table])?;
    }
    Ok(())
}

fn connect(address: &Address) -> Result<Client> {
    pool::connect_once(address)
}
