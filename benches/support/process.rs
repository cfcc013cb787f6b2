//! What a process takes: CPU time and memory.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::time::Duration;

/// The CPU time of each thread of a process, as the scheduler counts it: in nanoseconds.
pub struct Threads {
    pid: u32,
    times: HashMap<OsString, Duration>,
}

impl Threads {
    pub fn of(pid: u32) -> Threads {
        Threads { pid, times: times(pid) }
    }

    /// What they took since, and those that were started since. What a thread took that has ended meanwhile is not known.
    pub fn since(&self) -> Duration {
        let gained = |(thread, now): (OsString, Duration)| now.saturating_sub(self.times.get(&thread).copied().unwrap_or_default());
        times(self.pid).into_iter().map(gained).sum()
    }
}

fn times(pid: u32) -> HashMap<OsString, Duration> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives").flatten();
    let time = |task: fs::DirEntry| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        Some((task.file_name(), Duration::from_nanos(text.split(' ').next()?.parse().ok()?)))
    };
    tasks.filter_map(time).collect()
}

/// What a process takes of memory in user space, its own without the pages of files (the PSS of what is anonymous), in bytes.
pub fn memory(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).expect("a process of ours shows its memory");
    let line = text.lines().find_map(|line| line.strip_prefix("Pss_Anon:")).expect("the sum of its memory");
    1_024 * line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB")
}

/// How busy the machine is: the load of the last minute.
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").expect("the load can be read");
    text.split(' ').next().and_then(|number| number.parse().ok()).expect("a load")
}
