//! Answers that come bit by bit, on a socket that cannot always take them.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::{AT_ONCE, insert, read_until};
use crate::support::{database, example, server};

fn poll(table: &str, heartbeat: u64) -> String {
    let body = format!(r#"{{"wait":100,"heartbeat":{heartbeat},"subscriptions":[{{"id":"a","table":"{table}","since":"now"}}]}}"#);
    let length = body.len();
    format!("POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}")
}

/// The body of a chunked response, and what follows it.
fn dechunked(text: &str) -> (String, &str) {
    let mut rest = text.split_once("\r\n\r\n").expect("a head").1;
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(size, 16).expect("a chunk's size is hexadecimal");
        body.push_str(&after[..size]);
        rest = after[size..].strip_prefix("\r\n").expect("a chunk's end");
        if size == 0 {
            return (body, rest);
        }
    }
}

/// Nothing may come in between: neither a heartbeat that is due meanwhile, nor a part of the answer once more.
#[test]
fn an_answer_that_the_socket_takes_bit_by_bit_arrives_whole() {
    let db = database();
    db.psql("create table doc (id int primary key, body text); select rowcast.watch('doc')");
    let server = server(&db, "batch_bytes = 33554432\n[expose]\ndoc = \"r\"\n");
    // With the first, heartbeats come due while the answer is on its way; with the other, nothing but the socket wakes who sends it.
    for heartbeat in [1, 60] {
        let mut stream = server.connect();
        stream.write_all(poll("doc", heartbeat).as_bytes()).unwrap();
        server.wait_for_open_polls(1);
        // More than the kernel keeps for a socket, in rows of a size that the log holds.
        let size = 4_000_000;
        db.psql(&format!("insert into doc select {heartbeat} + n, repeat('x', {size}) from generate_series(1, 4) n"));
        std::thread::sleep(Duration::from_millis(2_500));
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        while !bytes.ends_with(b"\r\n0\r\n\r\n") {
            let count = stream.read(&mut buffer).expect("more of it comes in time");
            assert!(count > 0, "closed after {} bytes", bytes.len());
            bytes.extend_from_slice(&buffer[..count]);
        }
        let text = String::from_utf8(bytes).expect("text");
        let (body, rest) = dechunked(&text);
        let answer: serde_json::Value = serde_json::from_str(body.trim_start()).expect("JSON");
        let changes = answer["answers"][0]["changes"].as_array().expect("changes");
        let sizes: Vec<_> = changes.iter().map(|change| change["new"]["body"].as_str().map(str::len)).collect();
        assert_eq!(sizes, [Some(size); 4]);
        assert_eq!(rest, "");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut text = String::new();
        read_until(&mut stream, &mut text, r#"{"status":"ok"}"#);
        drop(stream);
        server.wait_for_open_polls(0);
    }
}

/// Whoever has been told and says nothing more keeps neither a place nor the server from stopping.
#[test]
fn a_client_that_was_told_and_stays_silent_is_in_nobodys_way() {
    let (database, mut server) = example();
    let mut stream = server.connect();
    stream.write_all(poll("testtype", 60).as_bytes()).unwrap();
    server.wait_for_open_polls(1);
    insert(&database, "ann");
    let mut text = String::new();
    read_until(&mut stream, &mut text, "\"ann\"");
    server.wait_for_open_polls(0);
    let stopped = Instant::now();
    server.terminate();
    server.wait();
    assert!(stopped.elapsed() < AT_ONCE, "it took {:?} to stop", stopped.elapsed());
    assert!(!server.log().contains("were cut"), "{}", server.log());
}

/// What is left of a request must not be taken for the next one: its connection ends with the answer.
#[test]
fn a_request_whose_end_is_not_known_ends_its_connection() {
    let (database, server) = example();
    let get = "GET /notify?table=testtype&wait=100 HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n";
    let body = r#"{"wait":100,"heartbeat":60,"subscriptions":[{"id":"a","table":"testtype","since":"now"}]}"#;
    let twice = format!(
        "POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    );
    let requests = [
        ("a body that is too large to read", format!("{get}Content-Length: 2000000\r\n\r\n"), "400 Bad Request"),
        ("a body that does not come", format!("{get}Content-Length: 42\r\n\r\n"), "400 Bad Request"),
        ("a body that waits to be asked for", format!("{get}Content-Length: 42\r\nExpect: 100-continue\r\n\r\n"), "400 Bad Request"),
        ("two lengths", twice, "200 OK"),
    ];
    for (what, request, status) in requests {
        let mut stream = server.connect();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        read_until(&mut stream, &mut text, status);
        if status == "200 OK" {
            server.wait_for_open_polls(1);
            insert(&database, "ann");
            read_until(&mut stream, &mut text, "\"ann\"");
        }
        assert!(text.to_ascii_lowercase().contains("connection: close"), "{what}: {text}");
        // Not one byte more is answered, whatever comes.
        _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        _ = stream.read_to_string(&mut text);
        assert_eq!(text.matches("HTTP/1.1 ").count() - text.matches("100 Continue").count(), 1, "{what}: {text}");
        server.wait_for_open_polls(0);
    }
}
