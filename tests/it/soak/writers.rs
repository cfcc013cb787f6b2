//! Writers: each counts its own counters up, one change after the other, in transactions short and long.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{JoinHandle, sleep};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::client::World;
use super::ledger::COUNTERS;
use crate::support::Database;

const WRITERS: usize = 4;

/// Rows of the table that is large to list.
const WIDE: usize = 1_000;

/// The tables: one that is followed, and one whose list takes long to read.
pub fn make_tables(database: &Database) {
    database.psql(&format!(
        "create table counter (counter integer primary key, number bigint not null default 0, note text not null default '');
         insert into counter (counter) select generate_series(0, {COUNTERS} - 1);
         create table wide (id integer primary key, note text not null);
         insert into wide select n, repeat('x', 1000) from generate_series(1, {WIDE}) n;
         select rowcast.watch('counter'), rowcast.watch('wide')"
    ));
}

pub fn start(database: &Database, world: &Arc<World>) -> Vec<JoinHandle<()>> {
    let one = |number: usize| {
        let (mut client, world) = (database.client(), world.clone());
        std::thread::spawn(move || {
            let mut random = StdRng::seed_from_u64(number as u64);
            while !world.ending.load(Ordering::Relaxed) {
                write(&mut client, &mut random, number);
                sleep(Duration::from_millis(random.random_range(200..600)));
            }
        })
    };
    (0..WRITERS).map(one).collect()
}

/// One transaction. Each writer has counters of its own, so that nobody waits for another.
fn write(client: &mut postgres::Client, random: &mut StdRng, number: usize) {
    let mut transaction = client.transaction().expect("a transaction can be begun");
    for _ in 0..random.random_range(1..=3) {
        let counter = (random.random_range(0..COUNTERS / WRITERS) * WRITERS + number) as i32;
        let note = "n".repeat(random.random_range(10..400));
        let count = "update counter set number = number + 1, note = $2 where counter = $1";
        transaction.execute(count, &[&counter, &note]).expect("a counter can be counted up");
    }
    match random.random_range(0..40) {
        0 => return transaction.rollback().expect("a transaction can be rolled back"),
        1 => sleep(Duration::from_millis(random.random_range(500..3_000))),
        2 => {
            let id: i32 = random.random_range(1..=WIDE as i32);
            transaction.execute("update wide set note = repeat('y', 1000) where id = $1", &[&id]).expect("a row can be updated");
        }
        _ => {}
    }
    transaction.commit().expect("a transaction can be committed");
}

/// What the counters have come to.
pub fn counters(database: &Database) -> Vec<u64> {
    let rows = database.psql("select number from counter order by counter");
    rows.lines().map(|number| number.parse().expect("a number")).collect()
}
