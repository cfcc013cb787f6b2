//! The property test: whatever random writers do, each replica of each client is what a SELECT finds, and no client ever sees
//! half of a transaction. `tests/oracle` runs it for longer, and repeats a run by its seed.

mod client;
mod clients;
mod gate;
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

use crate::support::Cluster;
use run::Run;
use settings::Settings;
use world::World;

/// Writers rest about this often.
const PHASE: Duration = Duration::from_secs(6);

#[test]
fn every_replica_is_what_a_select_finds_whatever_is_written() {
    let settings = Settings::from_environment();
    println!("seed {}; to repeat: {}", settings.seed, settings.command("--faults none"));
    let cluster = Cluster::start();
    cluster.configure("deadlock_timeout = '100ms'\n", "");
    let database = Arc::new(cluster.database());
    servers::make_tables(&database);
    // Two of the servers sleep until a bell wakes them.
    let servers = servers::start(&database, 900, &database.url());
    let ports = servers.iter().map(|server| server.port).collect();
    let world = World::new(database.url(), ports, false);
    let mut run = Run::start(&settings, database, world, Duration::from_secs(20));
    let phases = settings.length.div_duration_f64(PHASE).ceil() as u32;
    for number in 1..=phases {
        let outcome = run.phase(|world| {
            let end = Instant::now() + settings.length / phases;
            while Instant::now() < end && world.failure().is_none() {
                std::thread::sleep(Duration::from_millis(50));
            }
            Ok(())
        });
        if let Err(report) = outcome {
            panic!("in phase {number} of {phases}: {report}\nto repeat: {}", settings.command("--faults none"));
        }
    }
    drop(servers);
    let clients = run.end();
    let (changes, resets) = clients.iter().fold((0, 0), |sum, (_, counts)| (sum.0 + counts.changes, sum.1 + counts.resets));
    assert!(changes > 5 * resets, "{changes} changes and {resets} resets: lists kept the replicas right, not changes");
    for (plan, counts) in clients.iter().filter(|(plan, _)| plan.home == Some(0) && !plan.is_slow) {
        assert!(counts.changes > 0, "{} was told no change", plan.shown());
    }
}
