//! The sleeping bell: with the slow timer off, whatever the order of events, no committed change stays unread while all sleep,
//! and nobody waits for a bed.

mod beds;
mod orders;
mod prepared;
mod servers;
mod stepwise;

use crate::support::{Database, Server, TESTTYPE, launch};

/// A server whose slow timer saves nobody.
fn server_without_timer(database: &Database) -> Server {
    launch(&database.url(), TESTTYPE, &["--slow-timer-seconds", "600"]).ready()
}

/// How many sleep in beds of this database.
fn asleep(database: &Database) -> usize {
    let beds = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1919907683 and objsubid = 2 and objid > 0
        and mode = 'ExclusiveLock' and granted and database = (select oid from pg_database where datname = current_database())";
    database.psql(beds).parse().unwrap()
}
