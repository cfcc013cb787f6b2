//! Looks at the server now and then, and judges whether what it takes stays flat.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use procfs::process::Process;

use super::client::World;
use crate::support::Server;

/// How often the server is looked at, and how many looks make a line.
const EVERY: Duration = Duration::from_secs(5);
const LINE: usize = 6;

/// The least warm-up: by then the ring is full, the log is pruned, and clients come back from behind both.
const WARM: Duration = Duration::from_secs(100);

/// What may be more in the end than in the beginning: a share, and something for what is small.
const GROWTH: f64 = 0.05;
const GROWTH_BYTES: f64 = 2.0 * 1024.0 * 1024.0;
const GROWTH_DESCRIPTORS: f64 = 16.0;

#[derive(Clone, Copy)]
pub struct Look {
    pub at: Duration,
    /// Memory in bytes that is the process's own, in RAM or swapped out: of PSS what is anonymous.
    pub memory: f64,
    pub descriptors: f64,
}

/// Looks until the time is over or something went wrong.
pub fn watch(server: &Server, world: &World, length: Duration) -> Vec<Look> {
    println!(" time   memory  descriptors  connections  open  parked  delay: mean   longest  answers/s  resets  put off");
    let begun = Instant::now();
    let mut looks = Vec::new();
    let mut before = (begun, 0, 0.0, 0.0);
    while begun.elapsed() < length && world.wrong.lock().unwrap().is_empty() {
        std::thread::sleep(EVERY.min(length.saturating_sub(begun.elapsed())));
        looks.push(look(server, begun.elapsed()));
        if looks.len() % LINE != 0 {
            continue;
        }
        let metrics = server.get("/metrics").body;
        let number = |series: &str| value(&metrics, series);
        let (count, sum) = (number("rowcast_tail_delay_seconds_count"), number("rowcast_tail_delay_seconds_sum"));
        let answers = world.answers.load(Ordering::Relaxed);
        let mean = (sum - before.3) / f64::max(count - before.2, 1.0);
        let rate = (answers - before.1) as f64 / before.0.elapsed().as_secs_f64();
        let now = looks[looks.len() - 1];
        println!(
            "{:>4} s {:>5.1} MB {:>12} {:>12} {:>5} {:>7} {:>9.1} ms {:>9} {:>10.0} {:>7} {:>8}",
            now.at.as_secs(),
            now.memory / (1024.0 * 1024.0),
            now.descriptors,
            number("rowcast_http_connections_open"),
            number("rowcast_polls_open"),
            number("rowcast_polls_parked"),
            mean * 1000.0,
            longest(&metrics),
            rate,
            world.resets.load(Ordering::Relaxed),
            world.put_off.load(Ordering::Relaxed)
        );
        before = (Instant::now(), answers, count, sum);
    }
    looks
}

pub fn look(server: &Server, at: Duration) -> Look {
    let process = Process::new(server.pid() as i32).expect("the server runs");
    let maps = process.smaps_rollup().expect("the server's memory can be looked at").memory_map_rollup;
    // Not the program's own file, whose pages come and go with what else the machine does.
    let of = |map: &procfs::process::MemoryMap| ["Pss_Anon", "SwapPss"].iter().filter_map(|name| map.extension.map.get(*name)).sum::<u64>();
    let memory = maps.iter().map(of).sum::<u64>() as f64;
    Look { at, memory, descriptors: process.fd_count().expect("the server's descriptors can be counted") as f64 }
}

/// The value of a series.
pub fn value(metrics: &str, series: &str) -> f64 {
    let line = metrics.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_else(|| panic!("there is no {series}"))
}

/// The bound that all delays so far are below.
fn longest(metrics: &str) -> String {
    let all = value(metrics, "rowcast_tail_delay_seconds_count");
    let buckets = metrics.lines().filter_map(|line| line.strip_prefix("rowcast_tail_delay_seconds_bucket{le=\"")?.split_once("\"} "));
    let whole = buckets.filter(|(_, count)| count.parse() == Ok(all)).map(|(bound, _)| bound).next();
    format!("<{} s", whole.unwrap_or("?"))
}

/// What grew after the warm-up, a sentence each: the median of the last third against that of the first.
pub fn growth(looks: &[Look]) -> Vec<String> {
    let warm = looks.last().map_or(Duration::ZERO, |last| last.at / 4).max(WARM);
    let looks: Vec<Look> = looks.iter().copied().filter(|look| look.at >= warm).collect();
    let third = looks.len() / 3;
    if third < 3 {
        return vec!["too few looks to judge: let it run for longer".to_owned()];
    }
    let mut grown = Vec::new();
    let memory: Number = |look| look.memory;
    for (what, of, more) in [("bytes of memory", memory, GROWTH_BYTES), ("descriptors", |look| look.descriptors, GROWTH_DESCRIPTORS)] {
        let (first, last) = (median(&looks[..third], of), median(&looks[looks.len() - third..], of));
        println!("{what}: {first:.0} in the first third after the warm-up, {last:.0} in the last ({:+.1} %)", (last / first - 1.0) * 100.0);
        if last > first * (1.0 + GROWTH) + more {
            grown.push(format!("{what} grew from {first:.0} to {last:.0}"));
        }
    }
    grown
}

type Number = fn(&Look) -> f64;

fn median(looks: &[Look], of: Number) -> f64 {
    let mut values: Vec<f64> = looks.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[test]
fn a_leak_is_found_out_and_noise_is_not() {
    let looks = |growth: f64| -> Vec<Look> {
        let look = |second: u32| {
            let noise = f64::from(second % 7) * 1e5;
            Look {
                at: Duration::from_secs(second.into()),
                memory: 40e6 + growth * f64::from(second) + noise,
                descriptors: 300.0 + f64::from(second % 5),
            }
        };
        (0..1_200).step_by(5).map(look).collect()
    };
    assert_eq!(growth(&looks(0.0)), Vec::<String>::new());
    assert_eq!(growth(&looks(-1e4)), Vec::<String>::new());
    assert_eq!(growth(&looks(1e4)).len(), 1, "10 kB a second");
}
