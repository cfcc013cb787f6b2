//! Bodies, headers, subscriptions, polls, waits, connections and queues: all have limits, and say so.

use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use crate::support::{database, server, wait_until};

/// How long something may take that is to happen at once.
const PATIENCE: Duration = Duration::from_secs(10);

fn subscriptions(number: usize) -> String {
    let all: Vec<String> = (0..number).map(|id| format!(r#"{{"id":"{id}","table":"testtype","since":"now"}}"#)).collect();
    format!(r#"{{"wait":0,"subscriptions":[{}]}}"#, all.join(","))
}

#[test]
fn the_subscriptions_of_a_poll_are_limited() {
    let db = database();
    let server = server(&db, "subscriptions = 3\nexpose = { testtype = \"rw\" }");
    server.send_json("POST", "/notify", &subscriptions(3)).expect_status(200);
    server.send_json("POST", "/notify", &subscriptions(4)).expect_problem(400, "bad-request");
}

#[test]
fn bodies_and_heads_are_limited() {
    let db = database();
    let server = server(&db, "body_bytes = 4000\nexpose = { testtype = \"rw\" }");
    let padded = |size: usize| format!("{}{}", subscriptions(1), " ".repeat(size - subscriptions(1).len()));
    server.send_json("POST", "/notify", &padded(4000)).expect_status(200);
    server.send_json("POST", "/notify", &padded(4001)).expect_problem(413, "too-large");
    let status = |headers: String| {
        let answer = server.raw(&format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    assert_eq!(status("X-A: b\r\n".repeat(20)), "200");
    assert_eq!(status("X-A: b\r\n".repeat(200)), "431");
    assert_eq!(status(format!("X-A: {}\r\n", "b".repeat(8_000))), "200");
    assert_eq!(status(format!("X-A: {}\r\n", "b".repeat(80_000))), "431");
}

#[test]
fn waits_are_limited() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    server.get("/notify?table=testtype&wait=121").expect_problem(400, "bad-request");
    server.get("/notify?table=testtype&wait=0").expect_status(200);
    let poll =
        |wait: u32, heartbeat: u32| subscriptions(1).replacen("\"wait\":0", &format!("\"wait\":{wait},\"heartbeat\":{heartbeat}"), 1);
    server.send_json("POST", "/notify", &poll(0, 1)).expect_status(200);
    server.send_json("POST", "/notify", &poll(121, 1)).expect_problem(400, "bad-request");
    server.send_json("POST", "/notify", &poll(0, 0)).expect_problem(400, "bad-request");
}

#[test]
fn open_polls_are_limited_and_a_client_that_leaves_frees_its_place() {
    let db = database();
    let server = server(&db, "polls = 2\nexpose = { testtype = \"rw\" }");
    let park = || {
        let mut stream = server.connect();
        stream.write_all(b"GET /notify?table=testtype&wait=60 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    };
    let (first, _second) = (park(), park());
    server.wait_for_open_polls(2);
    let answer = server.get("/notify?table=testtype&wait=0").expect_problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
    drop(first);
    server.wait_for_open_polls(1);
    server.get("/notify?table=testtype&wait=0").expect_status(200);
}

#[test]
fn open_connections_are_limited() {
    let db = database();
    let server = server(&db, "connections = 6");
    // The test's own client keeps a connection for itself.
    let request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut answered = Vec::new();
    loop {
        let mut stream = server.connect();
        stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        stream.write_all(request).unwrap();
        let mut buffer = [0; 512];
        match stream.read(&mut buffer) {
            Ok(read) => assert!(buffer[..read].starts_with(b"HTTP/1.1 200")),
            Err(_) => {
                assert!((5..=6).contains(&answered.len()), "{} were served at once", answered.len());
                drop(answered.pop());
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let read = stream.read(&mut buffer).expect("it is served when another has ended");
                assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
                return;
            }
        }
        answered.push(stream);
        assert!(answered.len() <= 6, "the limit is not kept");
    }
}

/// With one connection that is busy and one place in the queue, whoever comes then is told to come back. What the server
/// asks the database for itself takes no such place.
#[test]
fn requests_that_wait_for_the_database_are_limited() {
    let db = database();
    let server = server(&db, "pool_connections = 1\nwaiting_requests = 1\nrequest_timeout_seconds = 30\nexpose = { testtype = \"rw\" }");
    let mut other = db.client();
    let mut locker = other.transaction().unwrap();
    locker.batch_execute("lock table testtype").unwrap();
    let (sender, answers) = channel();
    let next = || answers.recv_timeout(PATIENCE).expect("an answer");
    thread::scope(|scope| {
        // Different lists, so that none joins another.
        let ask = |limit: u32| {
            let (sender, server) = (sender.clone(), &server);
            scope.spawn(move || {
                let answer = server.get(&format!("/api/testtype?limit={limit}"));
                sender.send(answer).unwrap_or_else(|_| panic!("nobody waits for the answer"));
            });
        };
        ask(1);
        wait_until("the first list waits for the lock", PATIENCE, || {
            let waiting =
                db.psql("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like '%public.testtype%'");
            (waiting == "1").then_some(())
        });
        // The question that this asks of the database goes on waiting for the connection when the answer has come.
        _ = server.get("/readyz");
        (2..=4).for_each(ask);
        for _ in 0..2 {
            let refused = next().expect_problem(503, "unavailable");
            assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
        }
        locker.rollback().unwrap();
        for _ in 0..2 {
            next().expect_status(200);
        }
    });
}
