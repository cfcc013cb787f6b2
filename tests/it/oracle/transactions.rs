//! Random transactions, made of a seed's numbers alone: the database is not asked, and SQL's own random() is not used.

use std::time::Duration;

use rand::Rng;
use rand::rngs::StdRng;

use super::statements;

/// One step of a transaction.
#[derive(Clone, Debug)]
pub enum Step {
    /// Statements without a result.
    Run(String),
    /// A query of one boolean; where it is false the transaction is rolled back.
    Require(String),
    /// Rows for COPY, as its text format has them.
    Copy {
        into: &'static str,
        rows: String,
    },
    Pause(Duration),
}

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Commit,
    Rollback,
    /// Prepared, and after a while committed or rolled back.
    Prepare {
        commit: bool,
        wait: Duration,
    },
}

#[derive(Clone, Debug)]
pub struct Transaction {
    pub begin: &'static str,
    pub steps: Vec<Step>,
    pub end: End,
}

/// Any transaction. `merge`: the server has MERGE.
pub fn any(random: &mut StdRng, merge: bool) -> Transaction {
    let begin = match random.random_range(0..10) {
        0 => "begin isolation level repeatable read",
        1 => "begin isolation level serializable",
        _ => "begin",
    };
    let mut steps = Vec::new();
    for _ in 0..random.random_range(1..=3) {
        match random.random_range(0..10) {
            0 | 1 => steps.extend(undone(random, merge)),
            _ => steps.extend(statements::any(random, merge)),
        }
        if random.random_bool(0.25) {
            steps.push(Step::Pause(Duration::from_millis(random.random_range(1..40))));
        }
    }
    if random.random_bool(0.015) && !steps.iter().any(is_truncate) {
        // Somewhere in the midst, so that what comes before is long known to the log and not visible.
        steps.insert(random.random_range(0..=steps.len()), Step::Pause(Duration::from_millis(random.random_range(500..3_000))));
    }
    let end = match random.random_range(0..100) {
        0..10 => End::Rollback,
        10..17 => End::Prepare { commit: random.random_bool(0.7), wait: Duration::from_millis(random.random_range(1..150)) },
        _ => End::Commit,
    };
    Transaction { begin, steps, end }
}

/// A transaction that surely changes something, and commits at once.
pub fn lone(random: &mut StdRng) -> Transaction {
    Transaction { begin: "begin", steps: statements::sure(random), end: End::Commit }
}

/// Statements that a savepoint, or a block with an EXCEPTION clause, takes back.
fn undone(random: &mut StdRng, merge: bool) -> Vec<Step> {
    let run = |sql: &str| Step::Run(sql.to_owned());
    if random.random_bool(0.3) {
        let amount: i32 = random.random_range(1..50);
        let sql = format!(
            "do $$ begin update account set amount = amount + {amount} where id < 3; delete from place where code < 4; raise exception 'undone'; \
             exception when raise_exception then null; end $$"
        );
        return vec![Step::Run(sql)];
    }
    let mut steps = vec![run("savepoint s")];
    steps.extend(statements::any(random, merge));
    steps.extend([run("rollback to savepoint s"), run("release savepoint s")]);
    if random.random_bool(0.5) {
        steps.push(run("savepoint kept"));
        steps.extend(statements::any(random, merge));
        steps.push(run("release savepoint kept"));
    }
    steps
}

/// Whoever lists a table waits for one that truncates it.
fn is_truncate(step: &Step) -> bool {
    matches!(step, Step::Run(sql) if sql.starts_with("truncate"))
}
