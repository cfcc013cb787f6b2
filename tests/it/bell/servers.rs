//! Any number of servers, killed and hung under waiting polls, with the slow timer off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rand::Rng;

use super::stepwise::writer;
use super::{asleep, server_without_timer};
use crate::support::follower::Follower;
use crate::support::{Database, Server, TESTTYPE, database, empty_example, launch, wait_for};

/// Whichever trigger logs it, and however: as a usual row, counted, or as a reset.
#[test]
fn every_kind_of_write_wakes_a_sleeper() {
    let database = empty_example(database());
    database.psql(
        "create table doubled (id int primary key, n int, t text, twice int generated always as (n * 2) stored); select rowcast.watch('doubled');
         create table plain (id int primary key, n int, t text); select rowcast.watch('plain');
         create table counted (id int primary key, n int, t text); select rowcast.watch('counted', bulk_rows => 2)",
    );
    let exposed = "slow_timer_seconds = 600\n[expose]\ndoubled = \"r\"\nplain = \"r\"\ncounted = \"r\"\n";
    let server = launch(&database.url(), exposed, &[]).ready();
    for table in ["doubled", "plain", "counted"] {
        for write in [
            "insert into {} (id, n) values (1, 1)",
            "update {} set n = 2",
            "update {} set t = repeat('x', 3000)",
            "update {} set t = (select string_agg(md5(i::text), '') from generate_series(1, 1000) i)",
            "delete from {}",
            "insert into {} (id) select generate_series(1, 9)",
            "update {} set n = 3",
            "truncate {}",
        ] {
            let write = write.replace("{}", table);
            let since = server.get(&format!("/api/{table}")).header("rowcast-cursor").to_owned();
            let answer = std::thread::scope(|scope| {
                let poll = scope.spawn(|| server.get(&format!("/notify?table={table}&since={since}&wait=10")).expect_status(200).json());
                // Whoever asks has the server read: so it has to be asleep again when the change comes.
                server.wait_for_open_polls(1);
                wait_for("the server sleeps", || (asleep(&database) == 1).then_some(()));
                database.psql(&write);
                poll.join().unwrap()
            });
            let told = &answer["answers"][0];
            assert!(told["reset"] == true || told["changes"].as_array().is_some_and(|changes| !changes.is_empty()), "{write}: {answer}");
        }
    }
}

/// One who writes row after row, now in a row and now after a pause in which servers fall asleep, and waits for no lock.
struct Writer {
    written: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Writer {
    fn start(database: &Database) -> Writer {
        let (written, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stopped) = (written.clone(), stop.clone());
        let mut client = writer(database);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::SeqCst) {
                client.batch_execute("insert into testtype (name) values ('a')").expect("nobody keeps a writer waiting");
                count.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..40)));
            }
        });
        Writer { written, stop, thread: Some(thread) }
    }

    /// Ends it, and returns how many rows there are.
    fn end(mut self) -> usize {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.take().unwrap().join().expect("the writer ended well");
        self.written.load(Ordering::SeqCst)
    }

    fn wait_for_more(&self, more: usize) {
        let until = self.written.load(Ordering::SeqCst) + more;
        wait_for("the writer goes on", || (self.written.load(Ordering::SeqCst) >= until).then_some(()));
    }
}

/// Servers, each with a follower.
struct Servers {
    database: Database,
    servers: Vec<Server>,
    followers: Vec<Follower>,
}

impl Servers {
    fn start(number: usize) -> Servers {
        let database = empty_example(database());
        let servers: Vec<Server> = (0..number).map(|_| server_without_timer(&database)).collect();
        let followers: Vec<Follower> = servers.iter().map(|server| Follower::start(server.port, "testtype", "", |_| None)).collect();
        for follower in &followers {
            wait_for("the follower follows", || (!follower.seen().cursor.is_empty()).then_some(()));
        }
        Servers { database, servers, followers }
    }

    /// All but those of `except` have all rows.
    fn wait_for_rows(&self, rows: usize, except: Option<usize>) {
        for (number, follower) in self.followers.iter().enumerate().filter(|(number, _)| Some(*number) != except) {
            wait_for(&format!("{rows} rows are at server {number} of {}", self.servers.len()), || {
                (follower.rows().len() == rows).then_some(())
            });
        }
    }
}

/// One after the other hangs, asleep or awake, while somebody writes; the others are told everything, and so is that one when it goes on.
#[test]
fn a_server_that_hangs_holds_nobody_up_and_catches_up() {
    for number in 1..=4 {
        let all = Servers::start(number);
        let mut rows = 0;
        for (round, server) in all.servers.iter().enumerate() {
            if round % 2 == 0 {
                wait_for("all beds are slept in", || (asleep(&all.database) == number.min(2)).then_some(()));
                server.hang();
            }
            let writer = Writer::start(&all.database);
            if round % 2 == 1 {
                writer.wait_for_more(5);
                server.hang();
            }
            writer.wait_for_more(15);
            rows += writer.end();
            all.wait_for_rows(rows, Some(round));
            server.resume();
            all.wait_for_rows(rows, None);
        }
    }
}

#[test]
fn servers_killed_at_any_moment_leave_the_others_told_of_everything() {
    let mut all = Servers::start(3);
    let writer = Writer::start(&all.database);
    for round in 0..6 {
        std::thread::sleep(Duration::from_millis(rand::rng().random_range(0..60)));
        all.servers[round % 3].kill9();
        writer.wait_for_more(3);
        all.servers[round % 3].start_again();
    }
    let rows = writer.end();
    all.wait_for_rows(rows, None);
}

/// More bells than its connection holds: PostgreSQL can send it no more, and has to go on all the same.
#[test]
fn a_hung_server_whose_connection_is_full_holds_nobody_up() {
    let all = Servers::start(2);
    wait_for("both sleep", || (asleep(&all.database) == 2).then_some(()));
    all.servers[0].hang();
    let full = "select count(*) from pg_stat_activity where datname = current_database() and wait_event = 'ClientWrite'";
    wait_for("its connection is full", || {
        all.database.psql("do $$ begin for i in 1 .. 2000 loop notify rowcast; commit; end loop; end $$");
        (all.database.psql(full) == "1").then_some(())
    });
    let writer = Writer::start(&all.database);
    writer.wait_for_more(20);
    let rows = writer.end();
    all.wait_for_rows(rows, Some(0));
    all.servers[0].resume();
    all.wait_for_rows(rows, None);
}

/// PostgreSQL 14 and later can end sessions that rest for a while, which is all that a sleeping tailer does.
#[test]
fn a_time_out_for_sessions_that_rest_does_not_end_a_sleep() {
    let database = empty_example(database());
    if database.psql("select current_setting('server_version_num')::int >= 140000") == "f" {
        return;
    }
    let url = format!("{}?options=-c%20idle_session_timeout=200ms", database.url());
    let server = launch(&url, TESTTYPE, &["--slow-timer-seconds", "600"]).ready();
    let rested = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
        where l.locktype = 'advisory' and l.classid = 1919907683 and a.datname = current_database() and clock_timestamp() - a.state_change > '600ms'";
    wait_for("the tailer has slept for long", || (database.psql(rested) == "1").then_some(()));
    assert!(!server.log().contains("lost the database"), "{}", server.log());
}
