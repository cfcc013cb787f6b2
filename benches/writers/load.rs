//! The work: single rows by pgbench, many rows by one statement; what is promised of each.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use postgres::Client;

use crate::figures::thousands;
use crate::support::Database;
use crate::tables::{Kind, ROWS};

/// One piece of work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Workload {
    pub what: What,
    /// Connections at work at once.
    pub connections: u32,
    /// Of the bare table's rate, what a watched table must reach, and where the best would be.
    pub promise: Option<Promise>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum What {
    Insert,
    Update,
    /// One statement that updates every row.
    BulkUpdate,
    /// One COPY of as many rows into an empty table.
    Copy,
}

/// How a promise is counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Promise {
    /// At least this share of the bare table's rate.
    Rate { reach: f64, stretch: f64 },
    /// At most so many times as long as the bare table; at best no longer than with the mtime trigger alone.
    Time { reach: f64 },
}

const fn single(what: What, connections: u32, promise: Option<Promise>) -> Workload {
    Workload { what, connections, promise }
}

pub const WORKLOADS: [Workload; 8] = [
    single(What::Insert, 1, None),
    single(What::Insert, 8, None),
    single(What::Insert, 32, Some(Promise::Rate { reach: 0.65, stretch: 0.8 })),
    single(What::Update, 1, None),
    single(What::Update, 8, None),
    single(What::Update, 32, Some(Promise::Rate { reach: 0.6, stretch: 0.75 })),
    Workload { what: What::BulkUpdate, connections: 1, promise: Some(Promise::Time { reach: 2.0 }) },
    Workload { what: What::Copy, connections: 1, promise: None },
];

impl Workload {
    pub fn name(&self) -> String {
        match self.what {
            What::Insert => format!("inserts-{}", self.connections),
            What::Update => format!("updates-{}", self.connections),
            What::BulkUpdate => "bulk-update".to_owned(),
            What::Copy => "bulk-copy".to_owned(),
        }
    }

    pub fn title(&self) -> String {
        let by = if self.connections == 1 { "1 connection".to_owned() } else { format!("{} connections", self.connections) };
        match self.what {
            What::Insert => format!("single-row inserts, {by}"),
            What::Update => format!("single-row updates, {by}"),
            What::BulkUpdate => format!("one UPDATE of {} rows", thousands(ROWS.into())),
            What::Copy => format!("one COPY of {} rows", thousands(ROWS.into())),
        }
    }

    pub fn is_bulk(&self) -> bool {
        matches!(self.what, What::BulkUpdate | What::Copy)
    }

    pub fn is_update(&self) -> bool {
        matches!(self.what, What::Update | What::BulkUpdate)
    }

    pub fn table(&self, kind: &Kind) -> String {
        match self.what {
            What::Insert | What::Copy => kind.inserted(),
            What::Update => kind.updated(),
            What::BulkUpdate => kind.rewritten(),
        }
    }

    /// A rate (statements a second) as a person reads it: of a bulk statement, how long it takes.
    pub fn show(&self, rate: f64) -> String {
        if self.is_bulk() { format!("{:.0} ms", 1000.0 / rate) } else { format!("{}/s", thousands(rate)) }
    }

    /// What pgbench runs.
    fn script(&self, table: &str) -> String {
        match self.what {
            What::Update => format!("\\set id random(1, {ROWS})\nupdate {table} set amount = amount + 1 where id = :id;\n"),
            _ => format!("\\set n random(1, 1000000)\ninsert into {table} (name, amount) values ('a name of a middling length', :n);\n"),
        }
    }
}

/// How long pgbench runs.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    Seconds(u32),
    /// So many transactions a connection.
    Each(u32),
}

/// Runs pgbench with prepared statements; returns the transactions and their rate without the time to connect.
pub fn pgbench(db: &Database, folder: &Path, workload: &Workload, table: &str, until: Until) -> (u64, f64) {
    let script = folder.join(format!("{table}.sql"));
    fs::write(&script, workload.script(table)).expect("pgbench's script can be written");
    let mut pgbench = Command::new(db.cluster.program("pgbench"));
    pgbench.args(["-n", "-M", "prepared", "-j", "2", "-c", &workload.connections.to_string(), "-f"]).arg(&script);
    match until {
        Until::Seconds(seconds) => pgbench.args(["-T", &seconds.to_string()]),
        Until::Each(number) => pgbench.args(["-t", &number.to_string()]),
    };
    let output = pgbench.arg(db.url()).stdin(Stdio::null()).output().expect("PostgreSQL's pgbench can be run");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = |label: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(label))?;
        line.trim().split([' ', '/']).next()?.parse::<f64>().ok()
    };
    match (output.status.success(), value("number of transactions actually processed: "), value("tps = ")) {
        (true, Some(number), Some(rate)) => (number as u64, rate),
        _ => panic!("pgbench failed ({}):\n{said}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    }
}

/// Runs a bulk statement; returns how many seconds it took, and with its COMMIT.
pub fn bulk(client: &mut Client, workload: &Workload, table: &str) -> f64 {
    if workload.what == What::BulkUpdate {
        let start = Instant::now();
        client.execute(&format!("update {table} set amount = amount + 1"), &[]).expect("the UPDATE succeeds");
        return start.elapsed().as_secs_f64();
    }
    let rows: String = (0..ROWS).map(|n| format!("a name of a middling length\t{n}\n")).collect();
    let start = Instant::now();
    let mut copy = client.copy_in(&format!("copy {table} (name, amount) from stdin")).expect("the COPY begins");
    copy.write_all(rows.as_bytes()).expect("the COPY takes the rows");
    copy.finish().expect("the COPY succeeds");
    start.elapsed().as_secs_f64()
}
