//! What watching a table costs those who write to it.
//!
//! ```text
//! cargo bench --bench writers                  # five rounds, about twenty minutes
//! cargo bench --bench writers -- --quick       # one short round: does it run?
//! cargo bench --bench writers -- --only updates --rounds 9
//! cargo bench --bench writers -- --only -1 --also my-trigger.sql
//! ```
//!
//! In a PostgreSQL cluster of its own, with a real server beside it, the same work is done on tables that differ in
//! nothing but their triggers (`tables.rs`): by pgbench for single rows, by one statement for many (`load.rs`). In each
//! round every kind of table does the same work right after the other, in an order that rotates, and each starts with
//! what the one before left being cleaned up (`stage.rs`). So what counts are the ratios within a round, of which the
//! median and the spread are printed (`report.rs`), beside what rowcast promises.
//!
//! The load is pgbench's: everyone knows it, and it takes less CPU than any client of our own would. Writers, server and
//! load share the machine's cores, so the rate hides what the load itself takes; therefore the CPU time of the
//! backends is printed too (`meter.rs`).

#[path = "../support/figures.rs"]
mod figures;
mod listener;
mod load;
mod meter;
mod options;
mod report;
mod stage;
#[allow(dead_code, unused_imports)] // It is the integration tests' own, and serves them in more ways than it serves a bench.
#[path = "../../tests/it/support/mod.rs"]
mod support;
mod tables;

use load::WORKLOADS;
use options::Options;
use report::Report;
use stage::Stage;

fn main() {
    let options = Options::read();
    let workloads: Vec<_> = WORKLOADS.iter().filter(|workload| options.wants(&workload.name())).collect();
    let stage = Stage::set(&options);
    let mut report = Report::default();
    for round in 0..options.rounds {
        for (place, workload) in workloads.iter().enumerate() {
            let mut line = Vec::new();
            for turn in 0..stage.kinds.len() {
                let kind = &stage.kinds[(turn + round + place) % stage.kinds.len()];
                let run = stage.run(workload, kind, options.seconds);
                line.push(format!("{} {}", kind.name, workload.show(run.rate)));
                report.add(workload, kind, run);
            }
            eprintln!("round {} of {}, {}: {}", round + 1, options.rounds, workload.name(), line.join(", "));
        }
    }
    println!("{}", report.print(&stage, &workloads));
}
