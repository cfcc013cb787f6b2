//! The servers of a run, all on one database.

use crate::support::{Database, Server, launch};

use super::tables::TABLES;

/// Starts them: one as shipped, one whose limits are all small, and one whose memory is.
///
/// `slow_timer_seconds` is that of the first and the third; `third_way` is the third's tailer's way to the database.
pub fn start(database: &Database, slow_timer_seconds: u32, third_way: &str) -> Vec<Server> {
    let expose: String = TABLES.iter().map(|table| format!("{} = \"r\"\n", table.name)).collect();
    let settings = |own: &str| format!("{own}\n[expose]\n{expose}");
    let first = format!("slow_timer_seconds = {slow_timer_seconds}");
    // Most of what comes back to the second is read from the log, or is more than it tells row by row; it prunes for all.
    let small = "slow_timer_seconds = 1\nring_bytes = 4000\nbatch_rows = 150\nkeep_seconds = 5\npool_connections = 3";
    let third = format!("{first}\nring_bytes = 200000\ntail_database_url = \"{third_way}\"");
    [&first, small, &third].map(|own| launch(&database.url(), &settings(own), &[]).ready()).into()
}

/// Makes the tables, and watches them.
pub fn make_tables(database: &Database) {
    for table in TABLES {
        database.psql(&format!("{}; select rowcast.watch('{}'{})", table.create, table.name, table.watch));
    }
}
