//! The soak: many clients of every kind for a long time, and what the server takes stays flat. `tests/soak` runs it.

mod client;
mod ledger;
mod meter;
mod wire;
mod writers;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{database, launch, wait_for};
use client::{Client, World};

/// A ring that is full before the warm-up is over, and a log that is pruned all the time; so that some cursors are behind the
/// one, and a few behind the other.
const SETTINGS: &str = "ring_bytes = 1048576\nkeep_seconds = 30\n\n[expose]\ncounter = \"r\"\nwide = \"r\"\n";

/// What the server may have opened for itself since it started: the pool's connections take about six descriptors each.
const OWN_DESCRIPTORS: f64 = 60.0;

/// Connections that stay: ours, and those that the listeners are about to accept.
const OWN_CONNECTIONS: f64 = 6.0;

fn number(name: &str, otherwise: u64) -> u64 {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty());
    text.map_or(otherwise, |text| text.parse().unwrap_or_else(|_| panic!("{name} is \"{text}\", and must be a whole number")))
}

#[test]
#[ignore = "takes minutes: tests/soak runs it"]
fn memory_and_descriptors_stay_flat_while_clients_churn() {
    let (length, clients) = (Duration::from_secs(number("ROWCAST_SOAK_SECONDS", 180)), number("ROWCAST_SOAK_CLIENTS", 300));
    let database = database();
    writers::make_tables(&database);
    let server = launch(&database.url(), SETTINGS, &[]).ready();
    let before = meter::look(&server, Duration::ZERO);
    let world = Arc::new(World { port: server.port, ..World::default() });
    println!(
        "{clients} clients for {} s; at rest the server takes {:.1} MB and {} descriptors",
        length.as_secs(),
        before.memory / 1048576.0,
        before.descriptors
    );

    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
    let clients: Vec<_> = (0..clients).map(|number| runtime.spawn(Client::new(world.clone(), number).run())).collect();
    let writers = writers::start(&database, &world);
    let looks = meter::watch(&server, &world, length);
    world.ending.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.join().expect("a writer ends");
    }
    *world.last.lock().unwrap() = Some(writers::counters(&database));
    runtime.block_on(async {
        for client in clients {
            client.await.expect("a client ends");
        }
    });
    let (answers, changes, resets) = (&world.answers, &world.changes, &world.resets);
    println!(
        "{} answers told {} changes and {} resets",
        answers.load(Ordering::Relaxed),
        changes.load(Ordering::Relaxed),
        resets.load(Ordering::Relaxed)
    );
    let wrong = world.wrong.lock().unwrap().clone();
    assert!(wrong.is_empty(), "{} things went wrong:\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));

    wait_for("nothing is left of the clients", || {
        let metrics = server.get("/metrics").body;
        let gone = ["rowcast_polls_open", "rowcast_polls_parked"].iter().all(|series| meter::value(&metrics, series) == 0.0);
        let gone = gone && meter::value(&metrics, "rowcast_http_connections_open") <= OWN_CONNECTIONS;
        let after = meter::look(&server, Duration::ZERO);
        (gone && after.descriptors <= before.descriptors + OWN_DESCRIPTORS).then_some(())
    });
    let grown = meter::growth(&looks);
    assert!(grown.is_empty(), "{}", grown.join("; "));
}
