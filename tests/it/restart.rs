//! Restarts that nobody notices: the listening socket stays, requests are answered to their end, polls are told to come back.

mod clients;

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::raw::{read, send_get, send_json};
use crate::support::replica::selected;
use crate::support::{Database, Server, TESTTYPE, database, empty_example, example, launch_with_socket, wait_for};
use clients::Crowd;

const SETTINGS: &str = "[expose]\nload = \"rw\"\n";

/// A socket of ours, and a server that listens on it.
fn handed_over(database: &Database, settings: &str) -> Server {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    launch_with_socket(OwnedFd::from(socket), port, &database.url(), settings).ready()
}

#[test]
fn restarts_under_load_fail_no_request_and_lose_no_change() {
    let database = database();
    database.psql("create table load (id bigint generated always as identity primary key, name text); select rowcast.watch('load')");
    let mut server = handed_over(&database, SETTINGS);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let crowd = runtime.block_on(async { Crowd::start(server.port) });
    let mut servers = HashSet::from([server.pid()]);
    for _ in 0..3 {
        crowd.wait_for_progress();
        server.terminate();
        assert!(server.wait().success(), "{}", server.log());
        assert!(!server.log().contains("cut"), "{}", server.log());
        server.start_again();
        servers.insert(server.pid());
    }
    crowd.wait_for_progress();
    assert_eq!(servers.len(), 4);
    crowd.stop_writers();
    let mut client = database.client();
    let written = wait_for("the writers end", || crowd.writes());
    let expected = selected(&mut client, "load");
    wait_for("every follower has every row, or one failed", || {
        (crowd.followers().iter().all(|rows| *rows == expected) || !crowd.failures().is_empty()).then_some(())
    });
    let failures = crowd.failures();
    assert!(failures.is_empty(), "{} of {} failed: {failures:#?}", failures.len(), crowd.answers());
    assert_eq!(expected.len(), written, "a write was answered and not done, or done twice");
    let delays = crowd.delays();
    assert!(!delays.is_empty() && delays.iter().all(|delay| (1_000..2_000).contains(delay)), "{delays:?}");
}

#[test]
fn polls_that_wait_for_the_same_are_told_to_come_back_at_different_times() {
    let (_database, server) = example();
    let since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let parked: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = server.connect();
            send_get(&mut stream, &format!("/notify?table=testtype&since={since}"), &[]);
            stream
        })
        .collect();
    server.wait_for_open_polls(40);
    server.terminate();
    let delays: HashSet<u64> =
        parked.into_iter().map(|stream| read(stream).expect("a whole answer").json()["retry_after_ms"].as_u64().unwrap()).collect();
    assert!(delays.len() > 20, "they would come back in step: {delays:?}");
}

/// A request that waits for a lock, and the lock.
fn slow_request(database: &Database, server: &Server) -> (postgres::Client, TcpStream) {
    let mut locker = database.client();
    locker.batch_execute("begin; lock table testtype").unwrap();
    let mut slow = server.connect();
    send_json(&mut slow, "/api/testtype", &json!({"name": "slow"}));
    wait_for("the write waits for the lock", || {
        (database.psql("select count(*) from pg_locks where not granted and relation = 'testtype'::regclass") == "1").then_some(())
    });
    (locker, slow)
}

#[test]
fn a_slow_request_is_answered_before_the_server_ends() {
    let (database, mut server) = example();
    let (mut locker, slow) = slow_request(&database, &server);
    server.terminate();
    let told = Instant::now();
    // A server that cuts what is slow would be gone by then.
    assert!(!ends_within(&server, Duration::from_secs(3)), "{}", server.log());
    locker.batch_execute("commit").unwrap();
    assert_eq!(read(slow).expect("a whole answer").status, 201);
    assert!(server.wait().success(), "{}", server.log());
    assert!(told.elapsed() < Duration::from_secs(9), "the server waited for nothing: {:?}", told.elapsed());
}

#[test]
fn a_second_signal_does_not_wait_for_slow_requests() {
    let (database, mut server) = example();
    let (_locker, _slow) = slow_request(&database, &server);
    server.terminate();
    wait_for("the first signal is taken", || server.log().contains("stopping").then_some(()));
    let told = Instant::now();
    server.terminate();
    server.wait();
    assert!(told.elapsed() < Duration::from_secs(5), "ended after {:?}", told.elapsed());
    assert!(server.log().contains("cut"), "{}", server.log());
}

/// They have connected to a socket that ends with the server, and it has not looked at them yet.
#[test]
fn who_waits_in_the_queue_is_answered_before_the_socket_closes() {
    let (_database, mut server) = example();
    server.hang();
    let waiting: Vec<TcpStream> = (0..50)
        .map(|_| {
            let mut stream = server.connect();
            stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream
        })
        .collect();
    server.terminate();
    server.resume();
    for stream in waiting {
        assert_eq!(read(stream).expect("a whole answer").status, 200);
    }
    assert!(server.wait().success(), "{}", server.log());
}

#[test]
fn a_unix_socket_that_is_handed_over_is_served() {
    let database = empty_example(database());
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let get = |path_of: &str| {
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path_of} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let text = |mut stream: UnixStream| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    // Before there is a server: the socket's queue holds it.
    let early = get("/readyz");
    let mut server = launch_with_socket(OwnedFd::from(socket), 0, &database.url(), TESTTYPE);
    assert!(text(early).starts_with("HTTP/1.1 200"), "{}", server.log());
    assert!(server.log().contains(path.to_str().unwrap()), "{}", server.log());
    let open_polls = || text(get("/metrics")).contains("rowcast_polls_open 1\n").then_some(());
    let gone = get("/notify?table=testtype&wait=100");
    wait_for("the poll is open", open_polls);
    gone.shutdown(std::net::Shutdown::Write).unwrap();
    wait_for("the poll is gone", || open_polls().is_none().then_some(()));
    let parked = get("/notify?table=testtype&wait=100");
    wait_for("the poll is open", open_polls);
    server.terminate();
    assert!(text(parked).contains("retry_after_ms"));
    assert!(server.wait().success(), "{}", server.log());
}

#[test]
fn a_public_socket_that_is_handed_over_needs_what_a_public_address_needs() {
    let database = database();
    let socket = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut server = launch_with_socket(OwnedFd::from(socket), port, &database.url(), TESTTYPE);
    assert!(!server.wait().success());
    assert!(server.log().contains("public_hosts"), "{}", server.log());
}

#[test]
fn what_cannot_be_listened_on_is_refused() {
    let database = database();
    let (one, _other) = UnixStream::pair().unwrap();
    let file = tempfile::tempfile().unwrap();
    for (descriptor, reason) in [(OwnedFd::from(one), "does not listen"), (OwnedFd::from(file), "not a socket")] {
        let mut server = launch_with_socket(descriptor, 0, &database.url(), TESTTYPE);
        assert!(!server.wait().success());
        assert!(server.log().contains(reason) && server.log().contains("ListenStream"), "{}", server.log());
    }
}

/// Whether the server's process ends within a time.
fn ends_within(server: &Server, time: Duration) -> bool {
    let deadline = Instant::now() + time;
    let stat = format!("/proc/{}/stat", server.pid());
    // A process that has ended and was not waited for is a zombie.
    let ended = || std::fs::read_to_string(&stat).map_or(true, |text| text.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")));
    while Instant::now() < deadline {
        if ended() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    false
}
