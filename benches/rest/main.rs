//! How many lists and rows a second the server answers, beside what hyper and PostgreSQL do by themselves.
//!
//! ```text
//! cargo bench --bench rest                    # five rounds of two seconds each
//! cargo bench --bench rest -- --quick         # one round of half a second: does it run?
//! cargo bench --bench rest -- --connections 64
//! ```
//!
//! Sixteen connections ask again as soon as they are answered (`load.rs`): for the ten rows of a table, and for one row. The
//! yardsticks are hyper answering the same bytes from memory, which no server on it can exceed, and pgbench having
//! PostgreSQL make the same JSON over as many connections as rowcast's pool has, which is what a query for each request comes
//! to at best. Identical lists that are asked for at the same time share one query: so rowcast may well exceed that.

#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/helper.rs"]
#[allow(dead_code)]
mod helper;
mod load;
#[path = "../support/poller.rs"]
mod poller;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;
#[allow(dead_code, unused_imports)] // It is the integration tests' own, and serves them in more ways than it serves a bench.
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[path = "../support/wire.rs"]
#[allow(dead_code)]
mod wire;
mod yardstick;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, Subcommand};

use figures::{Figures, thousands};
use helper::Helper;
use load::Load;
use process::Threads;
use support::{Cluster, Server};

/// How many lists and rows a second the server answers
#[derive(Parser)]
#[command(name = "rest")]
struct Options {
    #[command(subcommand)]
    role: Option<Role>,
    /// Connections that ask
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// How often each is measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// One short round
    #[arg(long)]
    quick: bool,
    /// One more build of rowcast to compare, by its binary; may be repeated
    #[arg(long, value_name = "BINARY")]
    also: Vec<PathBuf>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Role {
    /// A server that is nothing but hyper
    #[command(hide = true)]
    Hyper {
        #[arg(long)]
        body: String,
    },
}

/// What is asked for.
struct Work {
    name: &'static str,
    path: &'static str,
    /// What PostgreSQL is asked for the same.
    query: &'static str,
}

const WORKS: [Work; 2] = [
    Work {
        name: "a list of ten rows",
        path: "/api/testtype",
        query: "select coalesce(json_agg(r), '[]') from (select * from testtype order by id limit 10001) r;",
    },
    Work { name: "one row", path: "/api/testtype/5", query: "select row_to_json(r) from testtype r where id = 5;" },
];

/// The connections of rowcast's pool as shipped.
const POOL: u32 = 8;

fn main() {
    let options = Options::parse();
    if let Some(Role::Hyper { body }) = options.role {
        return yardstick::run(body);
    }
    let (rounds, long) = if options.quick { (1, Duration::from_millis(500)) } else { (options.rounds as usize, Duration::from_secs(2)) };
    let cluster = Cluster::start();
    let db = support::empty_example(cluster.database());
    db.psql("insert into testtype (name, value) select 'Somebody ' || n, n from generate_series(1, 10) n");
    let builds = std::iter::once(PathBuf::from(env!("CARGO_BIN_EXE_rowcast"))).chain(options.also.iter().cloned());
    let servers: Vec<(String, Server)> = builds.enumerate().map(|(place, program)| start(place, &program, &db.url())).collect();
    for work in &WORKS {
        let body = servers[0].1.get(work.path).expect_status(200).body;
        let mut hyper = Helper::start(&["hyper".to_owned(), format!("--body={body}")]);
        let port = u16::try_from(hyper.expect("port")[0]).expect("a port");
        let mut rates: Vec<Vec<f64>> = vec![Vec::new(); servers.len() + 2];
        let mut cpu: Vec<Vec<f64>> = rates.clone();
        let mut loads = Vec::new();
        for _ in 0..rounds {
            let mut http = |place: usize, pid: u32, port: u16| {
                let before = Threads::of(pid);
                let answers = Load::start(port, work.path, options.connections as usize).run(long);
                rates[place].push(answers as f64 / long.as_secs_f64());
                cpu[place].push(before.since().as_secs_f64() * 1e6 / answers as f64);
            };
            http(0, hyper.pid(), port);
            servers.iter().enumerate().for_each(|(place, (_, server))| http(place + 2, server.pid(), server.port));
            rates[1].push(yardstick::pgbench(&db, work.query, POOL, long));
            loads.push(process::load());
        }
        let load = Figures::of(&loads).expect("at least one round");
        println!(
            "\n{}, {} connections, {rounds} rounds, load {:.1} ({:.1}-{:.1})",
            work.name, options.connections, load.median, load.least, load.most
        );
        println!("  {:<28}{:>12}{:>22}{:>22}{:>10}", "", "a second", "of bare hyper", "of pgbench", "µs of CPU");
        let names = ["bare hyper", "PostgreSQL by pgbench"].into_iter().chain(servers.iter().map(|(name, _)| name.as_str()));
        for (place, name) in names.enumerate() {
            let rate = Figures::of(&rates[place]).expect("at least one round").median;
            let used = Figures::of(&cpu[place]).map_or_else(String::new, |figures| format!("{:.1}", figures.median));
            println!(
                "  {name:<28}{:>12}{:>22}{:>22}{used:>10}",
                thousands(rate),
                ratio(&rates[place], &rates[0]),
                ratio(&rates[place], &rates[1])
            );
        }
    }
}

fn start(place: usize, program: &Path, url: &str) -> (String, Server) {
    let name = if place == 0 { "rowcast".to_owned() } else { program.display().to_string() };
    let program = program.canonicalize().expect("the build is there");
    (name, support::server::launch_program(&program, url, support::TESTTYPE, &[]).ready())
}

/// Round by round.
fn ratio(one: &[f64], other: &[f64]) -> String {
    let ratios: Vec<f64> = one.iter().zip(other).map(|(one, other)| one / other).collect();
    Figures::of(&ratios).map_or_else(String::new, |ratio| format!("{:.2} ({:.2}-{:.2})", ratio.median, ratio.least, ratio.most))
}
