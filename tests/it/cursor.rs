//! List, then follow: nothing missed and nothing repeated, whatever the order of commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::follower::Follower;
use crate::support::{Server, TESTTYPE, example, launch, wait_for};

/// Writers that move value between rows in transactions that commit out of order: some wait long before they commit, some
/// roll back, some write in savepoints. The sum of all values stays 0.
fn write(mut client: postgres::Client, seed: u64, stop: &AtomicBool) {
    let mut random = StdRng::seed_from_u64(seed);
    while !stop.load(Ordering::Relaxed) {
        let amount: i32 = random.random_range(1..100);
        let mut transaction = client.transaction().unwrap();
        if random.random_bool(0.3) {
            transaction
                .execute(
                    "delete from public.testtype where (name, abs(value)) in (select name, abs(value) from public.testtype where name = $1 limit 1)",
                    &[&format!("writer {seed}")],
                )
                .unwrap();
        }
        transaction
            .execute("insert into public.testtype (name, value) values ($1, $2), ($1, -$2)", &[&format!("writer {seed}"), &amount])
            .unwrap();
        if random.random_bool(0.3) {
            thread::sleep(Duration::from_millis(random.random_range(1..60)));
        }
        if random.random_bool(0.2) {
            let mut savepoint = transaction.transaction().unwrap();
            savepoint.execute("insert into public.testtype (name, value) values ('undone', 1)", &[]).unwrap();
            savepoint.rollback().unwrap();
        }
        if random.random_bool(0.1) { transaction.rollback().unwrap() } else { transaction.commit().unwrap() }
    }
}

fn expected(server: &Server) -> std::collections::BTreeMap<String, serde_json::Value> {
    let rows = server.get("/api/testtype").json();
    rows.as_array().unwrap().iter().map(|row| (format!("[{}]", row["id"]), row.clone())).collect()
}

#[test]
fn out_of_order_commits_are_told_once_and_whole() {
    let (database, server) = example();
    let seed = rand::random::<u32>();
    println!("seed {seed}");
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let (client, stop) = (database.client(), stop.clone());
            thread::spawn(move || write(client, u64::from(seed) + writer, &stop))
        })
        .collect();
    let sum_is_zero = |seen: &crate::support::follower::Seen| {
        let sum: i64 = seen.rows.values().map(|row| row["value"].as_i64().unwrap()).sum();
        (sum != 0).then(|| format!("the sum is {sum} at {}", seen.cursor))
    };
    let mut followers = Vec::new();
    for _ in 0..4 {
        followers.push(Follower::start(server.port, "testtype", "", sum_is_zero));
        thread::sleep(Duration::from_millis(700));
    }
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    let expected = expected(&server);
    for follower in &followers {
        wait_for("a follower has every row", || (follower.rows() == expected).then_some(()));
        let seen = follower.seen();
        assert!(seen.changes > 0, "a follower was told nothing");
        assert_eq!(seen.resets, 0, "a reset where none was due");
        assert_eq!(seen.repeated, Vec::<String>::new());
        assert_eq!(seen.torn, Vec::<String>::new());
    }
}

#[test]
fn late_commit_is_delivered_once() {
    let (database, server) = example();
    let mut late = database.client();
    let mut transaction = late.transaction().unwrap();
    transaction.batch_execute("insert into public.testtype (id, name) values (1, 'late')").unwrap();
    database.psql("insert into testtype (id, name) values (2, 'early')");

    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the early row is listed", || follower.rows().contains_key("[2]").then_some(()));
    database.psql("insert into testtype (id, name) values (3, 'next')");
    wait_for("the next row is told", || follower.rows().contains_key("[3]").then_some(()));
    assert!(!follower.rows().contains_key("[1]"));
    transaction.commit().unwrap();
    wait_for("the late row is told", || follower.rows().contains_key("[1]").then_some(()));
    assert_eq!((follower.seen().changes, follower.seen().resets), (2, 0));
}

#[test]
fn a_filtered_follower_sees_rows_come_and_leave() {
    let (database, server) = example();
    database.psql("insert into testtype (id, name, value) values (1, 'a', 5), (2, 'b', 6)");
    let follower = Follower::start(server.port, "testtype", "&value=eq.5", |_| None);
    wait_for("the filtered list is there", || (follower.rows().len() == 1).then_some(()));
    database.psql("update testtype set value = 5 where id = 2");
    wait_for("a row comes", || follower.rows().contains_key("[2]").then_some(()));
    database.psql("update testtype set value = 7 where id = 1");
    wait_for("a row leaves", || (!follower.rows().contains_key("[1]")).then_some(()));
    database.psql("update testtype set value = 8 where id = 1; delete from testtype where id = 2");
    wait_for("a row is deleted", || follower.rows().is_empty().then_some(()));
    assert_eq!(follower.seen().changes, 3, "a change of a row outside the filter was told");
}

#[test]
fn truncate_and_bulk_statements_are_resets() {
    let (database, server) = example();
    database.psql("insert into testtype (name) values ('a')");
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the row is listed", || (follower.rows().len() == 1).then_some(()));
    database.psql("insert into testtype (name) select 'bulk' from generate_series(1, 1500)");
    wait_for("the bulk is read anew", || (follower.rows().len() == 1501).then_some(()));
    database.psql("truncate testtype");
    wait_for("the table is empty", || follower.rows().is_empty().then_some(()));
    assert_eq!((follower.seen().resets, follower.seen().changes), (2, 0));
}

#[test]
fn rows_that_swap_keys_and_triggers_that_write_again_end_right() {
    let (database, server) = example();
    database.psql("insert into testtype (id, name) values (1, 'one'), (2, 'two')");
    database.psql(
        "create function again() returns trigger language plpgsql as $$ begin
           update testtype set value = coalesce(value, 0) + 1 where name = new.name; delete from testtype where name = 'gone'; return null; end $$;
         create trigger again after insert on testtype for each row execute function again()",
    );
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the rows are listed", || (follower.rows().len() == 2).then_some(()));
    database.psql("begin; update testtype set id = 9 where id = 1; update testtype set id = 1 where id = 2; update testtype set id = 2 where id = 9; commit");
    database.psql("insert into testtype (id, name) values (3, 'three'), (4, 'gone'), (5, 'five')");
    let expected = expected(&server);
    assert_eq!(expected.len(), 4);
    wait_for("the replica is right", || (follower.rows() == expected).then_some(()));
}

#[test]
fn a_cursor_older_than_the_ring_is_served_from_the_log() {
    let (database, mut server) = example();
    let cursor = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    database.psql("insert into testtype (id, name) values (1, 'before the restart')");
    server.kill9();
    database.psql("insert into testtype (id, name) values (2, 'while it was down')");
    server.start_again();
    let answer = server.get(&format!("/notify?table=testtype&since={cursor}&wait=0")).json();
    let changes = answer["answers"][0]["changes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(changes.iter().map(|change| change["key"][0].as_i64().unwrap()).collect::<Vec<_>>(), [1, 2]);
}

#[test]
fn a_cursor_below_the_horizon_gets_a_reset() {
    let (database, mut server) = example();
    let cursor = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    database.psql("insert into testtype (name) values ('a')");
    server.kill9();
    database.psql("select rowcast.advance_horizon('0'), rowcast.advance_horizon('0')");
    while database.psql("select rowcast.prune(100)") != "0" {}
    server.start_again();
    let answer = server.get(&format!("/notify?table=testtype&since={cursor}&wait=0")).json();
    assert_eq!(answer["answers"][0]["reset"], true, "{answer}");
}

#[test]
fn the_server_prunes_what_is_older_than_its_retention() {
    let (database, server) = example();
    drop(server);
    let server = launch(&database.url(), TESTTYPE, &["--keep-seconds", "4", "--slow-timer-seconds", "1"]).ready();
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    database.psql("insert into testtype (name) values ('a')");
    wait_for("the log is empty", || (database.psql("select count(*) from rowcast.change") == "0").then_some(()));
    database.psql("insert into testtype (name) values ('b')");
    wait_for("the follower has both", || (follower.rows().len() == 2).then_some(()));
    assert_eq!(follower.seen().resets, 0, "a follower that keeps up gets no reset from pruning");
}

#[test]
fn a_changed_shape_and_a_remade_table_are_followed_without_a_restart() {
    let (database, server) = example();
    database.psql("insert into testtype (id, name) values (1, 'a')");
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the row is listed", || (follower.rows().len() == 1).then_some(()));
    database.psql("alter table testtype add column extra int default 7");
    wait_for("the new column is there", || (follower.rows()["[1]"]["extra"] == 7).then_some(()));
    database.psql("alter table testtype rename id to number; update testtype set value = 3");
    wait_for("the renamed key is followed", || {
        follower.rows().get("[1]").filter(|row| row["number"] == 1 && row["value"] == 3).map(|_| ())
    });
    database.psql("drop table testtype; create table testtype (id int primary key); insert into testtype values (9)");
    database.psql("select rowcast.watch('testtype')");
    wait_for("the remade table is followed", || follower.rows().keys().eq(["[9]"]).then_some(()));
}

/// A type changes what its rows look like, though nobody writes them.
#[test]
fn a_renamed_label_and_a_renamed_attribute_are_resets() {
    let (database, server) = example();
    database.psql(
        "create type mood as enum ('good', 'sad'); create type felt as (mood mood, since int);
         alter table testtype add column moods felt[]; insert into testtype (id, name, moods) values (1, 'a', array[('sad', 1)::felt])",
    );
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the row is there", || (follower.rows().len() == 1).then_some(()));
    database.psql("alter type mood rename value 'sad' to 'blue'");
    wait_for("the new label is shown", || (follower.rows()["[1]"]["moods"][0]["mood"] == "blue").then_some(()));
    database.psql("alter type felt rename attribute since to from_when");
    wait_for("the new attribute is shown", || (follower.rows()["[1]"]["moods"][0]["from_when"] == 1).then_some(()));
}

#[test]
fn a_shape_changed_while_no_server_ran_is_a_reset() {
    let (database, mut server) = example();
    database.psql("insert into testtype (id, name) values (1, 'a')");
    wait_for("the shape has been noted", || (database.psql("select shape is not null from rowcast.watched") == "t").then_some(()));
    let cursor = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    server.terminate();
    server.wait();
    database.psql("alter table testtype add column extra int default 7");
    server.start_again();
    let answer = server.get(&format!("/notify?table=testtype&since={cursor}&wait=0")).json();
    assert_eq!(answer["answers"][0]["reset"], true, "{answer}");
}

#[test]
fn steady_writing_does_not_hide_a_changed_shape() {
    let (database, server) = example();
    database.psql("create table busy (id int primary key, n int); insert into busy values (1, 0); select rowcast.watch('busy')");
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    database.psql("insert into testtype (id, name) values (1, 'a')");
    wait_for("the row is there", || (follower.rows().len() == 1).then_some(()));
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (mut client, stop) = (database.client(), stop.clone());
        thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                client.batch_execute("update public.busy set n = n + 1").unwrap();
                thread::sleep(Duration::from_millis(5));
            }
        })
    };
    database.psql("alter table testtype add column extra int default 7");
    wait_for("the new column is there", || (follower.rows()["[1]"]["extra"] == 7).then_some(()));
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

/// More was logged while the tailer was away than is worth reading row by row.
#[test]
fn a_tailer_that_is_far_behind_starts_over() {
    let (database, server) = example();
    drop(server);
    let server = launch(&database.url(), TESTTYPE, &["--batch-rows", "10"]).ready();
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the follower has a cursor", || (!follower.seen().cursor.is_empty()).then_some(()));
    let mut client = database.client();
    // The tailer cannot come back before all is written. A database cannot be closed from inside.
    let outside = database.url().replace(&format!("/{}", database.name), "/postgres");
    let mut outside = postgres::Client::connect(&outside, postgres::NoTls).unwrap();
    let mut allow = |yes: bool| outside.batch_execute(&format!("alter database {} allow_connections {yes}", database.name)).unwrap();
    allow(false);
    let others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    client.batch_execute(&format!("select pg_terminate_backend(pid) {others}")).unwrap();
    client.batch_execute("do $$ begin for i in 1..300 loop insert into testtype (name) values ('a'); commit; end loop; end $$").unwrap();
    allow(true);
    wait_for("all rows are there", || (follower.rows().len() == 300).then_some(()));
    assert!(server.log().contains("too much was missed"), "{}", server.log());
    assert!(follower.seen().resets >= 1);
}
