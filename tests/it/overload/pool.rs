//! More requests than there are connections to the database.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PATIENCE, descriptors, memory, threads};
use crate::support::raw::{self, Reply};
use crate::support::{database, server, wait_until};

const MB: u64 = 1 << 20;

/// They wait their turn in kilobytes, not in threads; each is told to come back when its time is up; then all is as before.
#[test]
fn requests_beyond_the_pool_wait_in_kilobytes_and_then_get_503() {
    const REQUESTS: usize = 150;
    let db = database();
    let settings = "pool_connections = 2\nrequest_timeout_seconds = 3\nexpose = { testtype = \"rw\" }";
    let server = server(&db, settings);
    server.get("/api/testtype").expect_status(200);
    let mut other = db.client();
    let mut locker = other.transaction().unwrap();
    locker.batch_execute("lock table testtype").unwrap();
    let before = (threads(&server), memory(&server), descriptors(&server));
    let begin = Instant::now();
    // Different lists, so that none joins another.
    let ask = |limit: usize| {
        let mut stream = server.connect();
        raw::send_get(&mut stream, &format!("/api/testtype?limit={limit}"), &[]);
        stream
    };
    let waiting: Vec<TcpStream> = (1..=REQUESTS).map(ask).collect();
    // Two are being worked on.
    let waiting_now = format!("rowcast_pool_requests_waiting {}\n", REQUESTS - 2);
    wait_until("all wait", PATIENCE, || server.get("/metrics").body.contains(&waiting_now).then_some(()));
    let (more_threads, more_memory) = (threads(&server) - before.0, memory(&server).saturating_sub(before.1));
    assert!(more_threads <= 10, "{REQUESTS} requests that wait took {more_threads} threads");
    assert!(more_memory < 20 * MB, "{REQUESTS} requests that wait took {more_memory} bytes");
    let replies: Vec<Reply> = waiting.into_iter().map(|stream| raw::read(stream).expect("an answer")).collect();
    assert!(begin.elapsed() < Duration::from_secs(3) + PATIENCE, "they waited {:?}", begin.elapsed());
    for reply in &replies {
        assert_eq!(reply.status, 503, "{reply:?}");
        assert!(reply.header("retry-after").parse::<u32>().unwrap() >= 1, "{reply:?}");
    }
    locker.rollback().unwrap();
    wait_until("the server works as before", PATIENCE, || (server.get("/api/testtype").status == 200).then_some(()));
    wait_until("what was open is closed", PATIENCE, || (descriptors(&server) <= before.2 + 4).then_some(()));
}

/// With the whole pool busy, what is parked is told of changes, and polls again without the database.
#[test]
fn polls_go_on_while_the_pool_is_exhausted() {
    let db = database();
    db.psql("create table locked (id int primary key); select rowcast.watch('locked')");
    let settings = "pool_connections = 1\nexpose = { testtype = \"rw\", locked = \"r\" }";
    let server = server(&db, settings);
    let mut since = server.get("/api/testtype").expect_status(200).header("rowcast-cursor").to_owned();
    let mut other = db.client();
    let mut locker = other.transaction().unwrap();
    locker.batch_execute("lock table locked").unwrap();
    thread::scope(|scope| {
        let blocked = scope.spawn(|| server.get("/api/locked").status);
        wait_until("the one connection waits for the lock", PATIENCE, || {
            let waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%public.locked%'";
            (db.psql(waiting) == "1").then_some(())
        });
        for round in 0..3 {
            let mut stream = server.connect();
            let subscription = json!({"id": "a", "table": "testtype", "since": since});
            raw::send_json(&mut stream, "/notify", &json!({"wait": 20, "heartbeat": 15, "subscriptions": [subscription]}));
            db.psql(&format!("update testtype set name = 'round {round}' where id = 1"));
            let answer = raw::read(stream).expect("an answer").json();
            assert_eq!(answer["answers"][0]["changes"][0]["new"]["name"], format!("round {round}"), "{answer}");
            since = answer["cursor"].as_str().unwrap().to_owned();
        }
        locker.rollback().unwrap();
        assert_eq!(blocked.join().unwrap(), 200);
    });
}
