//! What is spoken on a connection: HTTP/1.1 with keep-alive and pipelining, HTTP/2, events, and how a client leaves.

mod http2;
mod long;
mod stalled;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use crate::support::{Database, Server, example, wait_for};

/// At once, on a machine that is busy.
const AT_ONCE: Duration = Duration::from_secs(5);

/// What a client sends to wait for long, in each way that there is in HTTP/1.1.
fn ways_to_wait() -> [(&'static str, String); 4] {
    let get = |headers: &str| format!("GET /notify?table=testtype&wait=100 HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n");
    let post = |more: &str| {
        let body = format!(r#"{{"wait":100{more},"subscriptions":[{{"id":"a","table":"testtype","since":"now"}}]}}"#);
        let length = body.len();
        format!("POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    [
        ("a GET", get("")),
        ("a POST", post("")),
        ("a POST with a heartbeat", post(r#","heartbeat":60"#)),
        ("a stream of events", get("Accept: text/event-stream\r\n")),
    ]
}

fn open(server: &Server, bytes: &str) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(bytes.as_bytes()).unwrap();
    server.wait_for_open_polls(1);
    stream
}

fn freed_at_once(server: &Server, what: &str, left: Instant) {
    server.wait_for_open_polls(0);
    assert!(left.elapsed() < AT_ONCE, "{what}: its place was free after {:?}", left.elapsed());
}

/// Reads until `wanted` has arrived.
fn read_until(stream: &mut TcpStream, text: &mut String, wanted: &str) {
    wait_for(&format!("{wanted} after {text}"), || {
        let mut bytes = [0; 8192];
        let count = stream.read(&mut bytes).expect("the connection stays");
        assert!(count > 0 || text.contains(wanted), "closed after {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        text.contains(wanted).then_some(())
    });
}

fn insert(database: &Database, name: &str) {
    database.psql(&format!("insert into testtype (name) values ('{name}')"));
}

#[test]
fn a_client_that_closes_or_half_closes_frees_its_place_at_once() {
    let (_database, server) = example();
    for (what, request) in ways_to_wait() {
        for half in [true, false] {
            let stream = open(&server, &request);
            let left = Instant::now();
            let kept = if half {
                stream.shutdown(Shutdown::Write).unwrap();
                Some(stream)
            } else {
                drop(stream);
                None
            };
            freed_at_once(&server, what, left);
            drop(kept);
        }
    }
}

/// A connection that were closed with something unread would be reset, and the reason lost.
#[test]
fn a_client_that_is_refused_while_it_sends_reads_why_and_goes_on() {
    let (_database, server) = example();
    let mut stream = server.connect();
    let head = "POST /api/testtype HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    // The server knows by now that it will refuse.
    std::thread::sleep(Duration::from_millis(200));
    stream.write_all(br#"{"name":"a"}"#).unwrap();
    let mut text = String::new();
    read_until(&mut stream, &mut text, "403");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    read_until(&mut stream, &mut text, "200 OK");
}

/// What lies unread behind a poll must not hide that the client has left.
#[test]
fn a_client_that_leaves_after_pipelining_frees_its_place_too() {
    let (_database, server) = example();
    let behind = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, request) in ways_to_wait() {
        // In the poll's own segment, in one of its own, and more than is read ahead.
        for (first, later) in [(behind, String::new()), ("", behind.to_owned()), (behind, behind.repeat(500))] {
            for half in [true, false] {
                let mut stream = open(&server, &format!("{request}{first}"));
                stream.write_all(later.as_bytes()).unwrap();
                let left = Instant::now();
                stream.shutdown(if half { Shutdown::Write } else { Shutdown::Both }).unwrap();
                freed_at_once(&server, &format!("{what}, {} bytes behind it", first.len() + later.len()), left);
            }
        }
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (database, server) = example();
    insert(&database, "ann");
    let mut stream = server.connect();
    let list = "GET /api/testtype HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let write =
        "POST /api/testtype HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{\"name\":\"bob\"}";
    let last = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(format!("{list}{write}{list}{last}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the server closes after the last");
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "201", "200", "200"], "{text}");
    let answers: Vec<&str> = text.split("HTTP/1.1 ").skip(1).collect();
    assert!(answers[0].contains("ann") && !answers[0].contains("bob"), "{text}");
    assert!(answers[2].contains("ann") && answers[2].contains("bob"), "{text}");
    assert!(answers[3].contains(r#"{"status":"ok"}"#), "{text}");
}

#[test]
fn a_request_behind_a_poll_is_answered_after_it() {
    let (database, server) = example();
    let behind = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (what, poll) in ways_to_wait().into_iter().take(3) {
        for (first, later) in [(behind, ""), ("", behind)] {
            let mut stream = open(&server, &format!("{poll}{first}"));
            stream.write_all(later.as_bytes()).unwrap();
            // Longer than it takes to look whether the client is there: it is, and the poll waits on.
            std::thread::sleep(Duration::from_millis(1_200));
            assert_eq!(server.open_polls(), 1, "{what}");
            insert(&database, "ann");
            let told = Instant::now();
            let mut text = String::new();
            read_until(&mut stream, &mut text, r#"{"status":"ok"}"#);
            assert!(told.elapsed() < AT_ONCE, "{what}: what was behind it was answered after {:?}", told.elapsed());
            let (poll_end, health) = (text.find("\"ann\"").expect("the poll's answer"), text.find(r#"{"status":"ok"}"#).unwrap());
            assert!(poll_end < health, "{what}: {text}");
            // The connection goes on.
            stream.write_all(poll.as_bytes()).unwrap();
            server.wait_for_open_polls(1);
            insert(&database, "bob");
            read_until(&mut stream, &mut text, "\"bob\"");
            drop(stream);
            server.wait_for_open_polls(0);
        }
    }
}

#[test]
fn connections_are_kept_as_their_client_says() {
    let (_database, server) = example();
    for (version, header, kept) in
        [("1.1", "", true), ("1.1", "Connection: close\r\n", false), ("1.0", "", false), ("1.0", "Connection: keep-alive\r\n", true)]
    {
        let mut stream = server.connect();
        for round in 0..2 {
            stream.write_all(format!("GET /healthz HTTP/{version}\r\nHost: localhost\r\n{header}\r\n").as_bytes()).unwrap();
            let mut text = String::new();
            if !kept {
                stream.read_to_string(&mut text).expect("the server closes");
                assert!(text.contains(" 200 OK"), "{version} {header}: {text}");
                break;
            }
            read_until(&mut stream, &mut text, r#"{"status":"ok"}"#);
            assert!(text.contains(" 200 OK"), "round {round} of {version} {header}: {text}");
        }
    }
}

/// The first bytes decide between HTTP/1.1 and HTTP/2; they may come one by one.
#[test]
fn a_request_may_begin_like_the_preface_of_http2_and_come_in_pieces() {
    let (_database, server) = example();
    for request in ["PUT /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "PRI /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = server.connect();
        stream.set_nodelay(true).unwrap();
        for byte in request.bytes().take(5) {
            stream.write_all(&[byte]).unwrap();
            std::thread::sleep(Duration::from_millis(15));
        }
        stream.write_all(&request.as_bytes()[5..]).unwrap();
        let mut text = String::new();
        read_until(&mut stream, &mut text, "\r\n\r\n");
        assert!(text.starts_with("HTTP/1.1 405"), "{text}");
    }
}
