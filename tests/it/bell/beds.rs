//! The number of beds changes while servers run.

use super::stepwise::{Tailer, writer};
use super::{asleep, server_without_timer};
use crate::support::follower::Follower;
use crate::support::{Server, database, empty_example, wait_for};

#[test]
fn more_beds_wait_for_writers_who_know_fewer() {
    let database = empty_example(database());
    let (mut tailer, mut client, mut other) = (Tailer::new(&database), writer(&database), writer(&database));
    tailer.begin();
    client.batch_execute("begin; insert into testtype (name) values ('a')").unwrap();
    let raised = other.batch_execute("select rowcast.set_beds(3)");
    for _ in 0..5 {
        tailer.step();
    }
    client.batch_execute("commit").unwrap();
    tailer.settle(1).unwrap();
    let refusal = raised.expect_err("a transaction is open that knows two beds");
    assert!(refusal.as_db_error().unwrap().message().contains("prepared ones too"), "{refusal}");
    other.batch_execute("select rowcast.set_beds(3)").unwrap();
}

#[test]
fn a_bed_that_somebody_sleeps_in_is_not_taken_away() {
    let database = empty_example(database());
    let mut tailers = [Tailer::new(&database), Tailer::new(&database)];
    let mut client = writer(&database);
    for tailer in &mut tailers {
        tailer.settle(0).unwrap();
    }
    let refusal = client.batch_execute("select rowcast.set_beds(1)").expect_err("somebody sleeps in the second bed");
    assert!(refusal.as_db_error().unwrap().message().contains("sleeps in bed 2"), "{refusal}");
    tailers[1].begin();
    client.batch_execute("select rowcast.set_beds(1)").unwrap();
    tailers[1].settle(0).unwrap();
    assert_eq!((tailers[0].bed(), tailers[1].bed()), (Some(1), None));
}

#[test]
fn servers_that_run_use_the_beds_that_there_are_now() {
    let database = empty_example(database());
    let servers: Vec<Server> = (0..3).map(|_| server_without_timer(&database)).collect();
    let followers: Vec<Follower> = servers.iter().map(|server| Follower::start(server.port, "testtype", "", |_| None)).collect();
    let mut rows = 0;
    for beds in [2, 3, 1] {
        // The sleepers are woken, so that one who is in a bed that goes gets out.
        wait_for("the number of beds is changed", || {
            rows += 1;
            database.psql("insert into testtype (name) values ('a')");
            database.client().batch_execute(&format!("select rowcast.set_beds({beds})")).ok()
        });
        for _ in 0..3 {
            wait_for(&format!("{beds} of 3 servers sleep"), || (asleep(&database) == beds).then_some(()));
            rows += 1;
            database.psql("insert into testtype (name) values ('a')");
            for follower in &followers {
                wait_for("the row is there", || (follower.rows().len() == rows).then_some(()));
            }
        }
    }
}
