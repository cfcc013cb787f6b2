//! Transactions that are prepared: PostgreSQL refuses to prepare one that has rung, so they must not have to ring, and must
//! be told all the same.

use super::orders::orders;
use super::stepwise::{Tailer, writer};
use super::{asleep, server_without_timer};
use crate::support::follower::Follower;
use crate::support::{Cluster, Stop, database, empty_example, wait_for};

/// Begins a transaction that can be prepared. Where somebody sleeps, it ends it, rings, and says no.
fn begin_quietly(client: &mut postgres::Client) -> bool {
    client.batch_execute("begin").unwrap();
    let quiet: bool = client.query_one("select rowcast.prepare_quietly()", &[]).unwrap().get(0);
    if !quiet {
        client.batch_execute("rollback; notify rowcast").unwrap();
    }
    quiet
}

/// What comes after.
const STATEMENTS: [&str; 3] = ["insert into testtype (name) values ('a')", "prepare transaction 'bell'", "commit prepared 'bell'"];

#[test]
fn a_prepared_transaction_is_told_at_its_commit_in_every_order() {
    let database = empty_example(database());
    let (mut tailer, mut client) = (Tailer::new(&database), writer(&database));
    for order in orders(&[5, 4]) {
        tailer.begin();
        let mut begun = false;
        let mut statements = STATEMENTS.iter();
        // One who was refused is behind, and goes on after the order; so does the tailer, or it would stay in its bed.
        for who in order.iter().copied().chain([0, 1].into_iter().cycle().take(400)) {
            match who {
                0 => tailer.step(),
                _ if !begun => begun = begin_quietly(&mut client),
                _ => {
                    let Some(statement) = statements.next() else { break };
                    client.batch_execute(statement).unwrap_or_else(|error| panic!("{order:?}: {statement}: {error}"));
                }
            }
        }
        assert!(statements.next().is_none(), "{order:?}: it never got to prepare its transaction");
        tailer.settle(1).unwrap_or_else(|wrong| panic!("{order:?}: {wrong}"));
    }
}

#[test]
fn nobody_sleeps_beside_a_prepared_transaction_and_all_do_after_its_rollback() {
    let database = empty_example(database());
    let (mut tailer, mut client) = (Tailer::new(&database), writer(&database));
    tailer.settle(0).unwrap();
    assert!(tailer.bed().is_some());
    assert!(!begin_quietly(&mut client), "somebody sleeps");
    wait_for("the tailer leaves its bed at the bell", || {
        tailer.step();
        tailer.bed().is_none().then_some(())
    });
    assert!(begin_quietly(&mut client));
    client.batch_execute("insert into testtype (name) values ('a'); prepare transaction 'rolled back'").unwrap();
    tailer.settle(0).unwrap();
    assert!(tailer.bed().is_none(), "a commit would be told to nobody who sleeps");
    client.batch_execute("rollback prepared 'rolled back'").unwrap();
    tailer.settle(0).unwrap();
    assert!(tailer.bed().is_some());
}

#[test]
fn whoever_prepares_gets_a_sleeping_server_out_of_its_bed() {
    let database = empty_example(database());
    let server = server_without_timer(&database);
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    let mut client = writer(&database);
    for round in 1..=5 {
        wait_for("the tailer sleeps", || (asleep(&database) == 1).then_some(()));
        wait_for("a transaction that can be prepared", || begin_quietly(&mut client).then_some(()));
        for statement in STATEMENTS {
            client.batch_execute(statement).unwrap();
        }
        wait_for("its change is there", || (follower.seen().changes == round).then_some(()));
    }
}

#[test]
fn a_prepared_transaction_is_told_though_the_cluster_was_restarted_meanwhile() {
    for how in [Stop::Clean, Stop::Crash] {
        let cluster = Cluster::start();
        let database = empty_example(cluster.database());
        let server = server_without_timer(&database);
        let follower = Follower::start(server.port, "testtype", "", |_| None);
        wait_for("a transaction that can be prepared", || {
            let mut client = writer(&database);
            let quiet = begin_quietly(&mut client);
            if quiet {
                client.batch_execute("insert into testtype (name) values ('kept'); prepare transaction 'kept'").unwrap();
            }
            quiet.then_some(())
        });
        cluster.stop(how);
        cluster.go_on();
        wait_for("the server has the database back", || (server.get("/readyz").status == 200).then_some(()));
        // Long enough for a tailer to fall asleep that could.
        for _ in 0..20 {
            database.psql("insert into testtype (name) values ('meanwhile')");
            assert_eq!(asleep(&database), 0, "{how:?}");
        }
        database.psql("commit prepared 'kept'");
        wait_for("all rows are there", || (follower.rows().len() == 21).then_some(()));
    }
}
