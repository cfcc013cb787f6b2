//! CPU time, WAL bytes and the HOT share, read before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use postgres::Client;

use crate::support::wait_until;

/// The CPU time of a process, all its threads, user and system; zero once it has ended.
pub fn cpu(pid: u32) -> Duration {
    stat(pid).map_or(Duration::ZERO, |fields| ticks(&fields, 11) + ticks(&fields, 12))
}

/// The CPU time of those children of a process that have ended: what PostgreSQL's postmaster knows of its backends.
pub fn cpu_of_ended_children(pid: u32) -> Duration {
    stat(pid).map_or(Duration::ZERO, |fields| ticks(&fields, 13) + ticks(&fields, 14))
}

/// The children of a process that have not been waited for.
pub fn children(pid: u32) -> BTreeSet<u32> {
    let is_child = |child: &u32| stat(*child).and_then(|fields| fields.get(1)?.parse().ok()) == Some(pid);
    let processes = fs::read_dir("/proc").expect("/proc can be read").flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(is_child).collect()
}

/// The process of the postmaster of a cluster.
pub fn postmaster(data: &Path) -> u32 {
    let file = data.join("postmaster.pid");
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    text.lines().next().and_then(|line| line.trim().parse().ok()).expect("postmaster.pid begins with a process id")
}

/// The fields of /proc/PID/stat after the program's name, which may hold blanks.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(text.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Linux counts hundredths of a second here, whatever the kernel's own clock.
fn ticks(fields: &[String], place: usize) -> Duration {
    Duration::from_millis(10 * fields.get(place).and_then(|field| field.parse().ok()).unwrap_or(0))
}

/// How much WAL the cluster has written, in bytes.
pub fn wal(client: &mut Client) -> u64 {
    let row = client.query_one("select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint", &[]);
    row.expect("the WAL position can be read").get::<_, i64>(0).unsigned_abs()
}

/// Updates of a table so far, and those of them that were HOT.
#[derive(Clone, Copy, Debug, Default)]
pub struct Updates {
    pub all: i64,
    pub hot: i64,
}

impl Updates {
    pub fn of(client: &mut Client, table: &str) -> Updates {
        let row = client.query_one("select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = $1", &[&table]);
        let row = row.expect("the table has statistics");
        Updates { all: row.get(0), hot: row.get(1) }
    }

    /// The share of HOT updates among `number` since `before`: waits until they have been counted, which backends do late.
    pub fn hot_share(client: &mut Client, table: &str, before: Updates, number: i64) -> f64 {
        let after = wait_until("the updates have been counted", Duration::from_secs(10), || {
            let now = Updates::of(client, table);
            (now.all - before.all >= number).then_some(now)
        });
        (after.hot - before.hot) as f64 / (after.all - before.all).max(1) as f64
    }
}
