//! What parked polls take, and how fast one change reaches them all.
//!
//! ```text
//! cargo bench --bench fanout                          # 10,000 clients, eleven rounds
//! cargo bench --bench fanout -- --quick               # 1,000 clients, three rounds: does it run?
//! cargo bench --bench fanout -- --only rows           # one part
//! cargo bench --bench fanout -- --also before/rowcast # beside another build
//! ```
//!
//! Three servers are compared, each a process of its own with a load of its own: one that is nothing but sockets
//! (`sockets.rs`), one that is nothing but hyper (`bare.rs`), and rowcast, with a PostgreSQL cluster behind it. The load
//! (`client.rs`) sends what the shipped script in Chromium sends, and the yardsticks answer what rowcast answers, byte
//! by byte. In each round every server tells its clients one change right after the other, in an order that rotates: what
//! counts are the ratios within a round.
//!
//! Every server has all its clients parked all the time, so that the load's connections and the yardsticks' do not come
//! and go; the polls that wait do nothing meanwhile but beat.

mod bare;
mod client;
#[path = "../support/clock.rs"]
mod clock;
mod contestant;
#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/helper.rs"]
mod helper;
mod hub;
mod options;
#[path = "../support/poller.rs"]
mod poller;
#[path = "../support/process.rs"]
mod process;
mod report;
mod sockets;
#[allow(dead_code, unused_imports)] // It is the integration tests' own, and serves them in more ways than it serves a bench.
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[path = "../support/wire.rs"]
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;

use contestant::{Contestant, LoadOf, Sample, Told};
use options::{Form, Options, Part, Role};
use report::Report;
use support::Cluster;

/// Changes of one row in each round, each of which takes little.
const CHANGES: usize = 50;

fn main() {
    let options = Options::parse();
    match &options.role {
        Some(Role::Client(load)) => return client::run(load.clone()),
        Some(Role::Sockets(yardstick)) => return sockets::run(yardstick),
        Some(Role::Hyper(yardstick)) => return bare::run(yardstick),
        None => {}
    }
    let cluster = Cluster::start();
    let builds: Vec<(String, PathBuf)> = std::iter::once(("rowcast".to_owned(), env!("CARGO_BIN_EXE_rowcast").into()))
        .chain(options.also.iter().map(|path| (path.display().to_string(), path.canonicalize().expect("the other build is there"))))
        .collect();
    if options.wants(Part::Polls) {
        println!("{}", fanout(&cluster, &options, &builds, "one change for all who poll", Form::Poll));
    }
    if options.wants(Part::Events) {
        println!("{}", fanout(&cluster, &options, &builds, "one change for all who follow by events", Form::Events));
    }
    if options.wants(Part::Rows) {
        println!("{}", by_itself(&options));
        for (name, program) in &builds {
            println!("{name}{}", rows(&cluster, &options, program));
        }
    }
}

/// Everybody is concerned.
fn fanout(cluster: &Arc<Cluster>, options: &Options, builds: &[(String, PathBuf)], title: &str, form: Form) -> String {
    let load = LoadOf { clients: options.clients(), form, rows: false };
    // The yardsticks know polls only: what they take for those is what there is to compare with.
    let polls = LoadOf { form: Form::Poll, ..load };
    let sample = Sample::take(cluster);
    let mut contestants = vec![
        Contestant::yardstick("nothing but sockets", "sockets", &sample, options, &polls),
        Contestant::yardstick("bare hyper", "hyper", &sample, options, &polls),
    ];
    contestants.extend(builds.iter().map(|(name, program)| Contestant::rowcast(name, program, cluster, options, &load)));
    let mut report = Report::default();
    for round in 0..options.rounds() {
        let mut told: Vec<Option<Told>> = vec![None; contestants.len()];
        for turn in 0..contestants.len() {
            let place = (round + turn) % contestants.len();
            told[place] = Some(contestants[place].tell(load.clients));
        }
        report.add(told.into_iter().flatten().collect(), process::load());
        eprintln!("round {} of {}", round + 1, options.rounds());
    }
    report.fanout(title, &contestants, load.clients)
}

/// The sizes of which one poll is concerned.
fn sizes(options: &Options) -> Vec<usize> {
    [1_000, 100, 10, 1].iter().map(|part| options.clients() / part).collect()
}

/// The same of the hub without all else.
fn by_itself(options: &Options) -> String {
    let sizes = sizes(options);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); sizes.len()];
    for round in 0..options.rounds() {
        for turn in 0..sizes.len() {
            let place = (round + turn) % sizes.len();
            times[place].push(hub::one_row(sizes[place], 2_000));
        }
    }
    report::by_itself(&sizes, &times, process::load())
}

/// One of ever more is concerned.
fn rows(cluster: &Arc<Cluster>, options: &Options, program: &Path) -> String {
    let sizes = sizes(options);
    let mut contestants: Vec<Contestant> = sizes
        .iter()
        .map(|&clients| {
            let load = LoadOf { clients, form: Form::Poll, rows: true };
            Contestant::rowcast(&clients.to_string(), program, cluster, options, &load)
        })
        .collect();
    let mut report = Report::default();
    for round in 0..options.rounds() {
        let mut told: Vec<Option<Told>> = vec![None; sizes.len()];
        for turn in 0..sizes.len() {
            let place = (round + turn) % sizes.len();
            let changes: Vec<Told> = (0..CHANGES).map(|_| contestants[place].tell(1)).collect();
            told[place] = Some(Told::mean(&changes));
        }
        report.add(told.into_iter().flatten().collect(), process::load());
        eprintln!("round {} of {}", round + 1, options.rounds());
    }
    report.rows(&sizes)
}
