//! How long a change takes from just before its COMMIT to a parked client.
//!
//! ```text
//! cargo bench --bench latency                # 300 changes of each kind, then ten seconds of a stream
//! cargo bench --bench latency -- --quick     # 30 changes, two seconds: does it run?
//! cargo bench --bench latency -- --rate 5000 # another stream
//! ```
//!
//! The yardstick is a server that knows nothing (`forwarder.rs`): a trigger notifies the row itself, and whoever hears it
//! writes it to the client's socket. By turns it and rowcast are told of one change, rowcast once while its tailer sleeps and
//! once while it is still awake from the change before. What counts is the median beside the forwarder's in the same run.
//!
//! The stream is of single-row updates by four writers at a fixed rate, while one client polls again and again; each
//! change is timed from just before its COMMIT to the answer that has it, and the rate does not wait for the answers.

#[path = "../support/clock.rs"]
mod clock;
#[path = "../support/figures.rs"]
#[allow(dead_code)]
mod figures;
mod forwarder;
#[path = "../support/process.rs"]
#[allow(dead_code)]
mod process;
mod reader;
mod stream;
#[allow(dead_code, unused_imports)] // It is the integration tests' own, and serves them in more ways than it serves a bench.
#[path = "../../tests/it/support/mod.rs"]
mod support;
#[path = "../support/wire.rs"]
#[allow(dead_code)]
mod wire;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use postgres::Client;

use clock::clock;
use reader::Reader;
use support::{Cluster, Database, Server, wait_for};

/// How long a change takes from just before its COMMIT to a parked client
#[derive(Parser)]
#[command(name = "latency")]
struct Options {
    /// Changes of each kind
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    changes: u32,
    /// Changes a second of the stream
    #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// Seconds of the stream
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// A tenth of the changes, two seconds
    #[arg(long)]
    quick: bool,
    /// One more build of rowcast to compare, by its binary; may be repeated
    #[arg(long, value_name = "BINARY")]
    also: Vec<PathBuf>,
    /// What `cargo bench` says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

/// What watches the table.
enum By {
    Forwarder,
    Rowcast(Box<Server>),
}

/// Who is timed: a server, a database of its own, a writer, and a client that polls.
struct Contestant {
    name: String,
    by: By,
    db: Database,
    writer: Client,
    reader: Reader,
    changes: u64,
}

impl Contestant {
    fn forwarder(cluster: &Arc<Cluster>) -> Contestant {
        let db = support::empty_example(cluster.database());
        db.psql("select rowcast.unwatch('testtype'); insert into testtype (name) values ('Ann')");
        db.psql(forwarder::TRIGGER);
        let port = forwarder::start(&db);
        let reader = Reader::start(port, "x");
        let writer = db.client();
        Contestant { name: "forwards the payload".to_owned(), by: By::Forwarder, db, writer, reader, changes: 0 }
    }

    fn rowcast(name: &str, program: &Path, cluster: &Arc<Cluster>) -> Contestant {
        let db = support::empty_example(cluster.database());
        db.psql("insert into testtype (name) values ('Ann')");
        let server = support::server::launch_program(program, &db.url(), support::TESTTYPE, &[]).ready();
        let since = server.get("/api/testtype").expect_status(200).header("rowcast-cursor").to_owned();
        let reader = Reader::start(server.port, &since);
        let writer = db.client();
        Contestant { name: name.to_owned(), by: By::Rowcast(Box::new(server)), db, writer, reader, changes: 0 }
    }

    /// One change, in milliseconds from just before its COMMIT.
    fn time(&mut self) -> f64 {
        self.changes += 1;
        let name = format!("change {}", self.changes);
        self.reader.wait_until_parked();
        let mut transaction = self.writer.transaction().expect("a transaction can be begun");
        transaction.execute("update testtype set name = $1 where id = 1", &[&name]).expect("a row can be changed");
        let begin = clock();
        transaction.commit().expect("a change can be committed");
        let (arrived, answer) = self.reader.next();
        assert!(answer.contains(&format!("\"{name}\"")), "told of {name} was: {answer}");
        (arrived - begin) as f64 / 1e6
    }

    /// Waits until the tailer sleeps, and for a moment beyond that.
    fn wait_until_asleep(&mut self) {
        const BED: &str =
            "select exists (select from pg_locks l join pg_database d on d.oid = l.database and d.datname = current_database()
            where locktype = 'advisory' and mode = 'ExclusiveLock' and granted)";
        if let By::Rowcast(_) = self.by {
            wait_for("the tailer sleeps", || self.writer.query_one(BED, &[]).expect("locks can be read").get::<_, bool>(0).then_some(()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn main() {
    let options = Options::parse();
    let (changes, seconds) = if options.quick { (options.changes.div_ceil(10), 2) } else { (options.changes, options.seconds) };
    let cluster = Cluster::start();
    let mut contestants =
        vec![Contestant::forwarder(&cluster), Contestant::rowcast("rowcast", Path::new(env!("CARGO_BIN_EXE_rowcast")), &cluster)];
    for other in &options.also {
        let program = other.canonicalize().expect("the other build is there");
        contestants.push(Contestant::rowcast(&other.display().to_string(), &program, &cluster));
    }
    let mut asleep: Vec<Vec<f64>> = vec![Vec::new(); contestants.len()];
    let mut awake = asleep.clone();
    // The first change of each warms everything up.
    contestants.iter_mut().for_each(|contestant| _ = contestant.time());
    for change in 0..changes as usize {
        for turn in 0..contestants.len() {
            let place = (change + turn) % contestants.len();
            contestants[place].wait_until_asleep();
            asleep[place].push(contestants[place].time());
            // It comes at any moment of the tailer's pause.
            std::thread::sleep(Duration::from_micros(1_000 + 370 * (change as u64 % 10)));
            awake[place].push(contestants[place].time());
        }
    }
    println!("ms from just before COMMIT to a parked client, {changes} changes each, load {:.1}", process::load());
    println!("  {:<22}{:>24}{:>10}{:>10}{:>10}", "", "", "median", "p90", "p99");
    for (place, contestant) in contestants.iter().enumerate() {
        for (how, times) in [("asleep", &asleep[place]), ("still awake", &awake[place])] {
            let how = if matches!(contestant.by, By::Forwarder) { "" } else { how };
            println!("  {:<22}{how:>24}{:>10.2}{:>10.2}{:>10.2}", contestant.name, part(times, 0.5), part(times, 0.9), part(times, 0.99));
        }
    }
    println!("\nms under a stream of {} changes a second for {seconds} s, load {:.1}", options.rate, process::load());
    println!("  {:<22}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}", "", "written", "answers", "median", "p90", "p99", "most");
    for contestant in &mut contestants[1..] {
        let By::Rowcast(server) = &contestant.by else { continue };
        let streamed = stream::run(&contestant.db, server.port, options.rate, Duration::from_secs(seconds.into()));
        let times = &streamed.times;
        println!(
            "  {:<22}{:>10}{:>10}{:>10.2}{:>10.2}{:>10.2}{:>10.2}",
            contestant.name,
            times.len(),
            streamed.answers,
            part(times, 0.5),
            part(times, 0.9),
            part(times, 0.99),
            part(times, 1.0)
        );
    }
}

/// The value that this part of all is not above.
fn part(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = (part * (sorted.len() - 1) as f64).round() as usize;
    sorted.get(place).copied().unwrap_or(f64::NAN)
}
