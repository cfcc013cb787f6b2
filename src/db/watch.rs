//! Watching tables and no longer, each in a transaction of its own, so that no lock is held for longer than one table needs.

use postgres::Client;

use super::install::connect_installed;
use crate::config::Address;
use crate::error::{Error, Result};

/// How much of a table is logged, and whose writing; None leaves it as it is.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogLimits {
    pub bulk_rows: Option<i32>,
    pub image_bytes: Option<i32>,
    /// Also what sessions write that fire no ordinary trigger.
    pub always: Option<bool>,
}

/// A session that watches tables.
pub struct Watcher(Client);

impl Watcher {
    pub fn connect(config: &Address) -> Result<Watcher> {
        Ok(Watcher(connect_installed(config)?))
    }

    /// Watches a table, named as SQL spells it; returns its full name. What is in the way is tried again by the function
    /// itself, which says by whom it is held in the end.
    pub fn watch(&mut self, table: &str, limits: LogLimits) -> Result<String> {
        const WATCH: &str =
            "select rowcast.watch(t.table, bulk_rows => $2::integer, image_bytes => $3::integer, always => $4::boolean), t.table::text
            from (select cast($1::text as regclass) as table) t";
        let row = self.0.query_one(WATCH, &[&table, &limits.bulk_rows, &limits.image_bytes, &limits.always]);
        Ok(row.map_err(|error| explain(error, table))?.get(1))
    }

    /// Stops watching a table, and removes what watching added to it; returns its full name.
    pub fn unwatch(&mut self, table: &str) -> Result<String> {
        const UNWATCH: &str = "select rowcast.unwatch(t.table), t.table::text from (select cast($1::text as regclass) as table) t";
        Ok(self.0.query_one(UNWATCH, &[&table]).map_err(|error| explain(error, table))?.get(1))
    }

    /// The tables of a schema as SQL spells them, each with the reason why it cannot be watched, if there is one.
    /// Partitions are watched by their root, and are not among them.
    pub fn tables_of(&mut self, schema: &str) -> Result<Vec<(String, Option<String>)>> {
        const TABLES: &str = "select format('%I.%I', n.nspname, c.relname), rowcast.refusal(c.oid)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where n.oid = cast($1::text as regnamespace) and c.relkind in ('r', 'p', 'f') and not c.relispartition order by c.relname";
        Ok(self.0.query(TABLES, &[&schema])?.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}

/// What the database says of a name does not say how to write it: undefined_table, invalid_name, invalid_schema_name.
fn explain(error: postgres::Error, table: &str) -> Error {
    let error = Error::from(error);
    if !["42P01", "42602", "3F000"].map(Some).contains(&error.code.as_deref()) {
        return error;
    }
    let detail = format!(
        "{table}: {}; a name that is not plain lower case is written as in SQL, quoted once more for the shell: '\"Odd Name\"', shop.'\"Order\"'",
        error.detail
    );
    Error { detail, ..error }
}
