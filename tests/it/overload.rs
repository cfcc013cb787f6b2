//! More than the server can do: it bends, says so, and afterwards all is as before.

mod descriptors;
mod pool;

use std::fs;
use std::time::Duration;

use crate::support::Server;

/// How long something may take that is to happen soon, on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a server process takes of memory, in bytes.
fn memory(server: &Server) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", server.pid())).expect("the server lives");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB")
}

/// How many threads it has.
fn threads(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/task", server.pid())).expect("the server lives").count()
}

/// How many files it has open.
fn descriptors(server: &Server) -> usize {
    fs::read_dir(format!("/proc/{}/fd", server.pid())).expect("the server lives").count()
}

/// The CPU time that it has used, in hundredths of a second.
fn cpu(server: &Server) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("the server lives");
    let fields: Vec<&str> = stat.rsplit_once(')').expect("a program's name").1.split_whitespace().collect();
    [11, 12].iter().map(|&place: &usize| fields[place].parse::<u64>().expect("a number")).sum()
}
