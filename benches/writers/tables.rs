//! The kinds of table that are compared.

use std::path::Path;

use crate::support::Database;

/// One kind of table; of each there are three tables alike: to insert into, to update row by row, and to update whole.
#[derive(Clone, Debug, PartialEq)]
pub struct Kind {
    pub name: String,
    /// The prefix of its tables' names.
    prefix: String,
    pub how: How,
}

/// What distinguishes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum How {
    /// No trigger, no column of ours.
    Bare,
    /// The column mtime and its trigger, as `watch()` makes them, and nothing else.
    Mtime,
    /// `rowcast.watch()`, with a server following.
    Watched,
    /// A NOTIFY in every transaction, with one listener: how it is done without a log.
    Notify,
}

/// What the names of tables begin with that a file of the caller's makes.
const TRIED: &str = "also";

/// How many rows the tables that are updated have, and how many a bulk statement writes.
pub const ROWS: u32 = 100_000;

impl Kind {
    /// The four that are compared always.
    pub fn all() -> Vec<Kind> {
        let kind = |name: &str, prefix: &str, how| Kind { name: name.to_owned(), prefix: prefix.to_owned(), how };
        vec![
            kind("bare", "bare", How::Bare),
            kind("mtime trigger alone", "mtime", How::Mtime),
            kind("watched", "watched", How::Watched),
            kind("NOTIFY each", "notify", How::Notify),
        ]
    }

    /// One more, after the file that will make it.
    pub fn of_file(file: &Path, number: usize) -> Kind {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Kind { name, prefix: format!("{TRIED}_{number}"), how: How::Watched }
    }

    /// Whether it has triggers that are only being tried.
    pub fn is_tried(&self) -> bool {
        self.prefix.starts_with(TRIED)
    }

    pub fn inserted(&self) -> String {
        format!("{}_inserted", self.prefix)
    }

    pub fn updated(&self) -> String {
        format!("{}_updated", self.prefix)
    }

    pub fn rewritten(&self) -> String {
        format!("{}_rewritten", self.prefix)
    }

    pub fn tables(&self) -> [String; 3] {
        [self.inserted(), self.updated(), self.rewritten()]
    }

    /// Makes the tables, and fills those that are updated as tables are filled that have been updated for a while.
    pub fn create(&self, db: &Database) {
        for table in self.tables() {
            db.psql(&format!(
                "create table {table} (
                   id bigint generated always as identity primary key,
                   name text not null, note text, amount integer not null, done boolean not null default false)"
            ));
            db.psql(&match self.how {
                How::Bare => String::new(),
                How::Mtime => format!(
                    "alter table {table} add column mtime timestamptz not null default clock_timestamp();
                     create trigger zz_rowcast_mtime before update on {table} for each row execute function rowcast.touch()"
                ),
                How::Watched => format!("select rowcast.watch('{table}')"),
                How::Notify => format!(
                    "create or replace function ring() returns trigger language plpgsql as 'begin notify {CHANNEL}; return null; end';
                     create trigger ring after insert or update or delete on {table} for each statement execute function ring()"
                ),
            });
        }
        for (table, updates) in [(self.updated(), 4), (self.rewritten(), 1)] {
            db.psql(&format!(
                "insert into {table} (name, amount) select 'a name of a middling length', n from generate_series(1, {ROWS}) n"
            ));
            // A part at a time leaves room in every page, which is where HOT updates go; all at once does not.
            for part in 0..updates {
                db.psql(&format!("update {table} set amount = amount + 1 where id % {updates} = {part}"));
                db.psql(&format!("vacuum (analyze) {table}"));
            }
        }
    }
}

/// Where the yardstick's trigger rings.
pub const CHANNEL: &str = "bench_writers";
