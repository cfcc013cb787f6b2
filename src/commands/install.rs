//! `rowcast install`, `watch` and `unwatch`: the schema and the triggers.

use crate::config::Address;
use crate::db::install as db;
use crate::error::Result;

pub fn install(database: &Address) -> Result<()> {
    db::install(database)?;
    println!("the schema rowcast is in {database}");
    Ok(())
}

pub fn watch(database: &Address, tables: &[String]) -> Result<()> {
    db::watch(database, tables)?;
    println!("watched: {}. Nothing is seen over HTTP before it is named under [expose] in the configuration", tables.join(", "));
    Ok(())
}

pub fn unwatch(database: &Address, tables: &[String]) -> Result<()> {
    db::unwatch(database, tables)?;
    println!("no longer watched: {}", tables.join(", "));
    Ok(())
}
