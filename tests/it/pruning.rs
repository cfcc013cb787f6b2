//! The log stays short, by age and by size; nobody waits for that, and whoever was away for too long is told so.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::follower::Follower;
use crate::support::{Database, Server, TESTTYPE, database, empty_example, example, launch, wait_for};

/// A row of so many times 32 random characters, so that a little log is soon full, in the table and in its store of large values.
const INSERT: &str =
    "insert into public.page select $1::int4, string_agg(md5(random()::text || i), '') from generate_series(1, $2::int4) i";

fn is_reset(server: &Server, since: &str) -> bool {
    server.get(&format!("/notify?table=testtype&since={since}&wait=0")).expect_status(200).json()["answers"][0]["reset"] == true
}

/// Writes so many rows of a table, and deletes them again, not faster than the pruner is meant for: 2.5 MB a second. The
/// log holds two changes for each, of about 7 kB together.
fn write(database: &Database, rows: i32) {
    let mut writer = database.client();
    let insert = writer.prepare(INSERT).unwrap();
    let begun = Instant::now();
    for id in 1..=rows {
        writer.execute(&insert, &[&id, &if id % 2 == 0 { 10 } else { 200 }]).unwrap();
        writer.execute("delete from public.page where id = $1", &[&id]).unwrap();
        thread::sleep((Duration::from_micros(2_500) * id as u32).saturating_sub(begun.elapsed()));
    }
}

/// With autovacuum off, so that what makes room is the pruner itself.
#[test]
fn a_small_log_stays_small_under_steady_writing_and_no_writer_waits() {
    let database = empty_example(database());
    database.psql("create table page (id int primary key, body text); select rowcast.watch('page')");
    database.psql("alter table rowcast.change set (autovacuum_enabled = false, toast.autovacuum_enabled = false)");
    // By its age hardly anything would be pruned in the time that this takes.
    let settings = format!("keep_seconds = 10\nslow_timer_seconds = 1\nlog_bytes = 2000000\n{TESTTYPE}");
    let server = launch(&database.url(), &settings, &[]).ready();
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    wait_for("the follower has a cursor", || (!follower.seen().cursor.is_empty()).then_some(()));
    let (mut most, mut waiting) = (0_i64, Vec::new());
    thread::scope(|scope| {
        let writer = scope.spawn(|| write(&database, 3_600));
        let mut watcher = database.client();
        let waits = "select a.query, l.mode from pg_locks l join pg_stat_activity a using (pid)
            where not l.granted and a.datname = current_database()";
        while !writer.is_finished() {
            waiting.extend(watcher.query(waits, &[]).unwrap().iter().map(|row| row.get::<_, String>(0) + ": " + row.get(1)));
            most = most.max(watcher.query_one("select pg_total_relation_size('rowcast.change')", &[]).unwrap().get(0));
            thread::sleep(Duration::from_millis(5));
        }
        writer.join().unwrap();
    });
    assert_eq!(waiting, Vec::<String>::new());
    assert!(most < 18_000_000, "more than 25 MB were logged, and the log took {most} bytes of disk at its largest");
    let index: i64 = database.psql("select pg_relation_size('rowcast.change_xid')").parse().unwrap();
    assert!(index < 400_000, "{index}");
    assert!(database.psql("select count(*) from rowcast.change").parse::<i64>().unwrap() < 3_600, "half of it was not pruned");
    assert_eq!(follower.seen().resets, 0, "a follower that keeps up gets no reset from pruning");
}

/// The oldest changes go first, and never those of the last second.
#[test]
fn a_log_that_is_too_large_loses_its_oldest_changes() {
    let database = empty_example(database());
    database.psql("select rowcast.begin_epoch()");
    let kept = |log_bytes: i64| {
        database.psql(&format!("select rowcast.advance_horizon('1 hour', {log_bytes})"));
        while database.psql("select rowcast.prune(3)") != "0" {}
        database.psql("select string_agg(new ->> 'name', '' order by id) from rowcast.change")
    };
    for name in ["a", "b", "c", "d"] {
        database.psql(&format!("insert into testtype (name) select '{name}' from generate_series(1, 10)"));
        kept(1 << 30);
        database.psql("update rowcast.mark set taken_at = taken_at - interval '2 seconds'");
    }
    let each: i64 = database.psql("select min(bytes) from rowcast.mark").parse().unwrap();
    assert_eq!(kept(each * 9 / 2), ["a", "b", "c", "d"].map(|name| name.repeat(10)).concat());
    assert_eq!(kept(each * 7 / 2), ["b", "c", "d"].map(|name| name.repeat(10)).concat());
    let before = database.psql("select count(*), max(taken_at) from rowcast.mark");
    assert_eq!(kept(1 << 30), ["b", "c", "d"].map(|name| name.repeat(10)).concat());
    assert_eq!(database.psql("select count(*), max(taken_at) from rowcast.mark"), before, "a mark was taken though nothing was logged");
    database.psql("update rowcast.mark set taken_at = clock_timestamp() where taken_at = (select max(taken_at) from rowcast.mark)");
    assert_eq!(kept(each / 2), "d".repeat(10), "whoever reads along has not seen the last ones yet");
    database.psql("update rowcast.mark set taken_at = taken_at - interval '2 seconds'");
    assert_eq!(kept(each / 2), "");
}

#[test]
fn a_long_transaction_keeps_only_its_own_changes_and_they_are_told() {
    let (database, server) = example();
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    let mut long = database.client();
    long.batch_execute("begin; insert into public.testtype (id, name) values (1, 'long')").unwrap();
    database.psql("insert into testtype (id, name) values (2, 'short')");
    wait_for("the short one is told", || (follower.rows().len() == 1).then_some(()));
    database.psql("select rowcast.advance_horizon('1 hour')");
    database.psql("insert into testtype (id, name) values (3, 'later')");
    wait_for("the tailer is past the mark", || (follower.rows().len() == 2).then_some(()));
    let kept = || {
        database.psql("update rowcast.mark set taken_at = taken_at - interval '2 hours'; select rowcast.advance_horizon('1 hour')");
        while database.psql("set lock_timeout = '1s'; select rowcast.prune(100)") != "0" {}
        database.psql("set lock_timeout = '1s'; vacuum rowcast.change");
        database.psql("select string_agg(new ->> 'name', ',' order by id) from rowcast.change")
    };
    assert_eq!(kept(), "later");
    long.batch_execute("commit").unwrap();
    wait_for("the long one is told", || (follower.rows().len() == 3).then_some(()));
    assert_eq!(follower.seen().resets, 0);
    kept();
    assert_eq!(kept(), "", "a later horizon takes it along");
}

/// Nothing ran, so nothing pruned; the first thing that the server does is to prune. At no time is there silence.
#[test]
fn a_server_that_was_down_for_longer_than_the_retention_comes_back_right() {
    let (database, mut server) = example();
    let cursor = |server: &Server| server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let early = cursor(&server);
    database.psql("insert into testtype (id, name) values (1, 'a')");
    database.psql("select rowcast.advance_horizon('1 hour')");
    let late = cursor(&server);
    server.kill9();
    database.psql("insert into testtype (id, name) values (2, 'while it was down')");
    // Ten hours pass; the retention is one.
    database.psql(
        "update rowcast.mark set taken_at = taken_at - interval '10 hours'; update rowcast.change set time = time - interval '10 hours'",
    );
    server.start_again();
    for _ in 0..20 {
        let answer = server.get(&format!("/notify?table=testtype&since={early}&wait=0")).expect_status(200).json();
        let one = &answer["answers"][0];
        assert!(one["reset"] == true || one["changes"].as_array().is_some_and(|changes| changes.len() == 2), "silence: {answer}");
    }
    wait_for("the log is pruned", || is_reset(&server, &early).then_some(()));
    // What was logged after the last mark is still there, and who had seen all before it is told the rest.
    let answer = server.get(&format!("/notify?table=testtype&since={late}&wait=0")).expect_status(200).json();
    assert_eq!(answer["answers"][0]["changes"][0]["key"][0], 2, "{answer}");
}
