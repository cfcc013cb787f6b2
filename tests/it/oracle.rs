//! The property test: whatever random writers do, each replica of each client is what a SELECT finds, and no client ever sees
//! half of a transaction. `tests/oracle` runs it for longer, and repeats a run by its seed.

mod client;
mod clients;
mod faults;
mod gate;
mod held;
mod large;
mod promises;
mod run;
mod servers;
mod settings;
mod statements;
mod tables;
mod transactions;
mod transport;
mod world;
mod writer;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support::proxy::Proxy;
use crate::support::{Cluster, Database};
use faults::{Fault, Faults};
use run::Run;
use settings::Settings;
use world::World;

/// A cluster with the tables, watched. It finds deadlocks soon, for there are many, and its queue of notifications can be
/// filled, where the version has a setting for that.
fn cluster() -> (Arc<Cluster>, Arc<Database>) {
    let cluster = Cluster::start();
    let database = Arc::new(cluster.database());
    let version: u32 = database.psql("show server_version_num").parse().expect("a number");
    let queue = if version >= 170_000 { "max_notify_queue_pages = 64\n" } else { "" };
    cluster.configure(&format!("deadlock_timeout = '100ms'\n{queue}"), "");
    servers::make_tables(&database);
    (cluster, database)
}

/// Ends a run in which all was right.
fn finish(run: Run) {
    let clients = run.end();
    let (changes, resets) = clients.iter().fold((0, 0), |sum, (_, counts)| (sum.0 + counts.changes, sum.1 + counts.resets));
    assert!(changes > 5 * resets, "{changes} changes and {resets} resets: lists kept the replicas right, not changes");
    for (plan, counts) in clients.iter().filter(|(plan, _)| plan.home == Some(0) && !plan.is_slow) {
        assert!(counts.changes > 0, "{} was told no change", plan.shown());
    }
}

#[test]
fn every_replica_is_what_a_select_finds_whatever_is_written() {
    let settings = Settings::from_environment();
    let again = settings.command("--faults none");
    println!("seed {}; to repeat: {again}", settings.seed);
    let (_cluster, database) = cluster();
    // Two of the servers sleep until a bell wakes them.
    let servers = servers::start(&database, 900, &database.url());
    let world = World::new(database.url(), servers.iter().map(|server| server.port).collect(), false);
    let mut run = Run::start(&settings, database, world, Duration::from_secs(20));
    let phases = settings.phases(2);
    for number in 1..=phases {
        let wait = |world: &World| {
            let end = Instant::now() + settings.length / phases;
            while Instant::now() < end && world.failure().is_none() {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        };
        run.phase(wait).unwrap_or_else(|report| panic!("in phase {number} of {phases}: {report}\nto repeat: {again}"));
    }
    drop(servers);
    finish(run);
}

#[test]
fn every_replica_is_what_a_select_finds_whatever_fails() {
    let settings = Settings::from_environment();
    let again = settings.command(&format!("--faults '{}'", settings.faults));
    println!("seed {}; to repeat: {again}", settings.seed);
    let (cluster, database) = cluster();
    let proxy = Proxy::start(cluster.directory());
    let third_way = format!("postgresql://app@127.0.0.1:{}/{}", proxy.port, database.name);
    let servers = servers::start(&database, 1, &third_way);
    let world = World::new(database.url(), servers.iter().map(|server| server.port).collect(), true);
    // A tailer whose network has gone silent takes ten seconds to find out, and some more to connect again.
    let mut run = Run::start(&settings, database.clone(), world, Duration::from_secs(40));
    let mut faults = Faults::new(servers, cluster, database, proxy, settings.random(4));
    // Each kind of fault has its turn, two in a phase.
    let phases = settings.phases(3);
    for (number, planned) in faults::plan(&mut settings.random(5), phases as usize, &settings.faults).iter().enumerate() {
        let outcome = run.phase(|_| faults.play(planned, settings.length / phases)).and_then(|()| {
            if planned.contains(&Fault::CrashAtRest) {
                faults.crash_at_rest();
                run.connect_anew();
                run.lone_write()?;
            }
            Ok(())
        });
        outcome.unwrap_or_else(|report| panic!("in phase {} of {phases}, {planned:?}: {report}\nto repeat: {again}", number + 1));
    }
    drop(faults);
    finish(run);
}
