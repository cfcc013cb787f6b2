//! What PBP loses: late commits, changes between two polls, restarts. Nothing of it is lost here, and nothing told twice.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::support::wait_for;

#[test]
fn a_late_commit_with_an_older_mtime_is_news() {
    let (db, server) = example();
    let mut client = db.client();
    let mut late = client.transaction().unwrap();
    late.execute("insert into testtype (id, name) values (1, 'late')", &[]).unwrap();
    let first = park(&server, &one(&start(&server)));
    let newest = insert(&db, 2);
    assert_eq!(told(first), news(&newest));
    let poll = park(&server, &one(&newest));
    late.commit().unwrap();
    let next = mtime(&told(poll));
    assert!(micros(&mtime_of(&db, 1)) < micros(&newest));
    let more = micros(&next) - micros(&newest);
    assert!((1..1_000).contains(&more), "a page may keep the higher of two: {newest}, then {next}");
    drop(park(&server, &one(&next)));
    // Who has not come back yet since the first news is told of the late one as well, though that is older.
    assert!(micros(&mtime(&told(listen(&server, &one(&newest))))) > micros(&newest));
    assert!(micros(&mtime(&told(listen(&server, &one("0"))))) >= micros(&newest));
}

#[test]
fn what_happened_between_two_polls_is_told_at_the_second() {
    let (db, server) = example();
    let mut since = start(&server);
    for round in 0..20 {
        insert(&db, 2 * round);
        let newest = insert(&db, 2 * round + 1);
        // The first may be told before the second has been read.
        for _ in 0..2 {
            if micros(&since) < micros(&newest) {
                since = mtime(&told(listen(&server, &one(&since))));
            }
        }
        let more = micros(&since) - micros(&newest);
        assert!((0..1_000).contains(&more), "round {round}: {newest}, told {since}");
    }
    drop(park(&server, &one(&since)));
}

/// Two tabs that were told the same mtime at different times: each is told what it has not seen.
#[test]
fn one_mtime_never_stands_for_two_moments() {
    let (db, server) = example();
    let mut client = db.client();
    let mut late = client.transaction().unwrap();
    late.execute("insert into testtype (id, name) values (1, 'late')", &[]).unwrap();
    let newest = insert(&db, 2);
    let early_tab = start(&server);
    assert_eq!(early_tab, newest);
    late.commit().unwrap();
    let late_tab = start(&server);
    assert_ne!(late_tab, early_tab);
    drop(park(&server, &one(&late_tab)));
    server.wait_for_open_polls(0);
    assert!(mtime(&told(listen(&server, &one(&early_tab)))) > early_tab, "the tab that came before was not told of the late one");
}

/// After a restart the server knows no token. Another tab, which comes first, must not be told the number that the old
/// tab still has, or that tab would wait on.
#[test]
fn nothing_is_lost_over_a_restart() {
    let (db, mut server) = example();
    let since = insert(&db, 1);
    assert_eq!(start(&server), since);
    server.kill9();
    db.psql("delete from testtype where id = 2; insert into other values (1)");
    server.start_again();
    let other = start(&server);
    assert!(micros(&other) > micros(&since), "{other} after {since}");
    let again = mtime(&told(listen(&server, &one(&since))));
    assert!(micros(&again) > micros(&since));
    let poll = park(&server, &one(&again));
    let at = insert(&db, 3);
    assert_eq!(told(poll), news(&at));
}

/// A tab on a quiet table has one token for hours. It is neither told for nothing when the log no longer reaches back to that, nor is
/// the log read again and again.
#[test]
fn a_quiet_tab_stays_quiet_when_the_log_is_pruned() {
    let (db, server) = example_with("ring_bytes = 1024\nkeep_seconds = 4\nslow_timer_seconds = 1\n");
    let quiet = start(&server);
    let mut busy = quiet.clone();
    let mut changed = 0;
    wait_for("the log has been pruned", || {
        let poll = park(&server, &array(&[entry(&quiet, "testtype", json!({})), entry(&busy, "other", json!({}))]));
        changed += 1;
        db.psql(&format!("insert into other values ({changed})"));
        let body = told(poll);
        let at = body.strip_prefix(r#"[{"i":1,"mtime":"#).and_then(|rest| rest.strip_suffix("}]"));
        busy = at.unwrap_or_else(|| panic!("told for nothing: {body}")).to_owned();
        let kept = db.psql("select count(*) from rowcast.change where relation = 'other'::regclass");
        (kept.parse::<i32>().unwrap() < changed && changed > 20).then_some(())
    });
    let poll = park(&server, &one(&quiet));
    let at = insert(&db, 1);
    assert_eq!(told(poll), news(&at));
}

/// Pages that read their table anew at every news and at nothing else, while transactions commit out of order and the server is restarted:
/// a page that was not told of the last change would stay behind.
#[test]
fn pages_that_list_at_every_news_end_with_what_is_there() {
    let (db, mut server) = example();
    let (port, stop) = (server.port, AtomicBool::new(false));
    let shown: [Mutex<String>; 3] = Default::default();
    let filters = ["", "?name=eq.writer%201", "?value=is.null"];
    let constraints = [json!({}), json!({"name": "writer 1"}), json!({"value": null})];
    thread::scope(|scope| {
        for ((shown, filter), constraints) in shown.iter().zip(filters).zip(constraints) {
            let stop = &stop;
            scope.spawn(move || page(port, filter, constraints, shown, stop));
        }
        let writers: Vec<_> = (0..4)
            .map(|seed| {
                scope.spawn({
                    let client = db.client();
                    move || write(client, seed)
                })
            })
            .collect();
        let rows = || db.psql("select count(*) from testtype").parse::<i32>().unwrap();
        wait_for("some rows", || (rows() > 50).then_some(()));
        server.kill9();
        server.start_again();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        for (shown, filter) in shown.iter().zip(filters) {
            let there = server.get(&format!("/api/testtype{filter}")).body;
            assert!(there.len() > 1_000, "{filter}: {there}");
            let deadline = Instant::now() + Duration::from_secs(10);
            while *shown.lock().unwrap() != there && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
            // Before the pages are stopped, or a failure would wait for them for ever.
            stop.store(*shown.lock().unwrap() != there, Ordering::Relaxed);
            assert!(!stop.load(Ordering::Relaxed), "the page {filter} stayed behind");
        }
        stop.store(true, Ordering::Relaxed);
        // Ends the polls.
        server.terminate();
    });
}

/// Transactions of one row each, some of which commit long after they wrote.
fn write(mut client: postgres::Client, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    for round in 0..100 {
        let mut transaction = client.transaction().unwrap();
        let (name, value) = (format!("writer {seed}"), (round % 3 > 0).then_some(round));
        transaction.execute("insert into public.testtype (name, value) values ($1, $2)", &[&name, &value]).unwrap();
        if random.random_bool(0.3) {
            thread::sleep(Duration::from_millis(random.random_range(1..40)));
        }
        if random.random_bool(0.1) { transaction.rollback().unwrap() } else { transaction.commit().unwrap() }
    }
}

/// A page of PBP, until it is told to stop: what it shows is the list that it read at its last news.
fn page(port: u16, filter: &str, constraints: Value, shown: &Mutex<String>, stop: &AtomicBool) {
    let call = |method: &str, path: &str, body: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        send(&mut stream, method, path, &[("Content-Type", FORM)], body);
        read(stream).filter(|reply| reply.status == 200)
    };
    let mut laterthan = "0".to_owned();
    while !stop.load(Ordering::Relaxed) {
        let Some(reply) = call("POST", "/api/_listen", &array(&[entry(&laterthan, "testtype", constraints.clone())])) else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        if reply.body != "[]" {
            // A page of PBP tries no list twice, so this one may not forget its news where the server goes away right now.
            if let Some(list) = call("GET", &format!("/api/testtype{filter}"), "") {
                laterthan = mtime(&reply.body);
                *shown.lock().unwrap() = list.body;
            }
        }
    }
}
