//! Every order of the steps of tailers and writers, on a real PostgreSQL with the real triggers: after each, everything
//! committed is read, though no timer runs, and no statement has waited for a lock.

use super::stepwise::{Tailer, writer};
use crate::support::{Database, database, empty_example};

/// Statements of a writer, each sent by itself, and how many rows they have logged in the end.
struct Script {
    statements: &'static [&'static str],
    rows: usize,
}

const ONE: Script = Script { statements: &["begin; insert into testtype (name) values ('a')", "commit"], rows: 1 };

/// Logged before the savepoint, and after it in vain: the shares that the second statement got are given back, its bell is
/// not rung.
const ROLLED_BACK: Script = Script {
    statements: &[
        "begin; insert into testtype (name) values ('a')",
        "savepoint s; insert into testtype (name) values ('b')",
        "rollback to s",
        "commit",
    ],
    rows: 1,
};

/// The first try is given back with its rows, and the second must not rely on it.
const WRITTEN_AGAIN: Script = Script {
    statements: &[
        "begin; savepoint s; insert into testtype (name) values ('a')",
        "rollback to s",
        "insert into testtype (name) values ('b')",
        "commit",
    ],
    rows: 1,
};

/// Every order in which these many steps of each can be taken.
pub fn orders(steps: &[usize]) -> Vec<Vec<usize>> {
    if steps.iter().all(|&left| left == 0) {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for who in (0..steps.len()).filter(|&who| steps[who] > 0) {
        let mut left = steps.to_vec();
        left[who] -= 1;
        all.extend(orders(&left).into_iter().map(|mut order| {
            order.insert(0, who);
            order
        }));
    }
    all
}

/// Takes so many moves of each tailer and all statements of each writer, in every order.
fn in_every_order(database: &Database, tailers: usize, moves: usize, take: fn(&mut Tailer), scripts: &[Script]) {
    let mut tailers: Vec<Tailer> = (0..tailers).map(|_| Tailer::new(database)).collect();
    let mut writers: Vec<postgres::Client> = scripts.iter().map(|_| writer(database)).collect();
    let rows = scripts.iter().map(|script| script.rows).sum();
    let steps: Vec<usize> = tailers.iter().map(|_| moves).chain(scripts.iter().map(|script| script.statements.len())).collect();
    let orders = orders(&steps);
    println!("{} orders of {steps:?} steps", orders.len());
    for order in orders {
        tailers.iter_mut().for_each(Tailer::begin);
        let mut statements: Vec<_> = scripts.iter().map(|script| script.statements.iter()).collect();
        for &who in &order {
            match who.checked_sub(tailers.len()) {
                None => take(&mut tailers[who]),
                Some(who) => {
                    let statement = statements[who].next().unwrap();
                    writers[who].batch_execute(statement).unwrap_or_else(|error| panic!("{order:?}: {statement}: {error}"));
                }
            }
        }
        for (number, tailer) in tailers.iter_mut().enumerate() {
            tailer.settle(rows).unwrap_or_else(|wrong| panic!("{order:?}: tailer {number}: {wrong}"));
        }
    }
}

#[test]
fn one_tailer_reads_what_one_writer_wrote_in_every_order() {
    let database = empty_example(database());
    in_every_order(&database, 1, 6, Tailer::step, &[ONE]);
    in_every_order(&database, 1, 5, Tailer::step, &[ROLLED_BACK]);
    in_every_order(&database, 1, 5, Tailer::step, &[WRITTEN_AGAIN]);
}

#[test]
fn one_tailer_reads_what_two_writers_wrote_in_every_order() {
    let database = empty_example(database());
    in_every_order(&database, 1, 5, Tailer::step, &[ONE, ONE]);
}

#[test]
fn two_tailers_read_what_one_writer_wrote_in_every_order() {
    let database = empty_example(database());
    in_every_order(&database, 2, 3, Tailer::stride, &[ONE]);
}

#[test]
fn tailers_for_whom_there_is_no_bed_read_in_every_order() {
    let database = empty_example(database());
    database.psql("select rowcast.set_beds(1)");
    in_every_order(&database, 2, 3, Tailer::stride, &[ONE]);
}
