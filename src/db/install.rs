//! Puts the schema rowcast into a database: the files under `sql/`, embedded, in name order and one transaction.

use postgres::Client;
use rust_embed::Embed;

use super::pool;
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
pub fn install(config: &tokio_postgres::Config) -> Result<()> {
    let mut client = connect(config)?;
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
pub fn watch(config: &tokio_postgres::Config, tables: &[String]) -> Result<()> {
    each(config, tables, "select rowcast.watch(cast($1::text as regclass))")
}

/// Stops watching tables, and removes what watching added to them.
pub fn unwatch(config: &tokio_postgres::Config, tables: &[String]) -> Result<()> {
    each(config, tables, "select rowcast.unwatch(cast($1::text as regclass))")
}

fn each(config: &tokio_postgres::Config, tables: &[String], statement: &str) -> Result<()> {
    let mut client = connect(config)?;
    for table in tables {
        client.execute(statement, &[table])?;
    }
    Ok(())
}

fn connect(config: &tokio_postgres::Config) -> Result<Client> {
    Ok(pool::connect_once(config)?)
}
