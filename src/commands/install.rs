//! `rowcast install`, `watch` and `unwatch`: the schema and the triggers.

use crate::config::display;
use crate::db::install as db;
use crate::error::Result;

pub fn install(database: &tokio_postgres::Config) -> Result<()> {
    db::install(database)?;
    println!("the schema rowcast is in {}", display(database));
    Ok(())
}

pub fn watch(database: &tokio_postgres::Config, tables: &[String]) -> Result<()> {
    db::watch(database, tables)?;
    println!("watched: {}. Nothing is seen over HTTP before it is named under [expose] in the configuration", tables.join(", "));
    Ok(())
}

pub fn unwatch(database: &tokio_postgres::Config, tables: &[String]) -> Result<()> {
    db::unwatch(database, tables)?;
    println!("no longer watched: {}", tables.join(", "));
    Ok(())
}
