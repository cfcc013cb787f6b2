//! Clients that take nothing of what is sent to them.

use std::net::TcpStream;

use crate::support::events::Events;
use crate::support::raw::send_get;
use crate::support::{database, server, wait_for};

/// kB of the server's memory that are its own.
fn memory(pid: u32) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("RssAnon");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
}

#[test]
fn a_stalled_stream_of_events_is_cut_off_and_costs_no_memory_until_then() {
    let db = database();
    db.psql("create table doc (id int primary key, body text); select rowcast.watch('doc')");
    let server = server(&db, "stalled_seconds = 3\n[expose]\ndoc = \"r\"\n");
    let listen = || {
        let mut stream: TcpStream = server.connect();
        send_get(&mut stream, "/notify?table=doc", &[("Accept", "text/event-stream")]);
        stream
    };
    let stalled: Vec<TcpStream> = (0..8).map(|_| listen()).collect();
    let mut reader = Events::open(listen()).expect("a stream");
    server.wait_for_open_polls(9);
    let before = memory(server.pid());
    // 1 MB each; a socket takes some megabytes before it is full.
    let mut seen = 0;
    let mut writer = db.client();
    for number in 1..=25 {
        let insert = format!("insert into doc values ({number}, repeat(md5('{number}'), 31250))");
        writer.batch_execute(&insert).unwrap();
        while seen < number {
            seen += reader.next().expect("the reader is served all the while").data.matches("\"op\":\"insert\"").count();
        }
    }
    let grown = memory(server.pid()).saturating_sub(before);
    // The ring keeps what was told, for all together; eight queues would be four times as much, with what the sockets hold.
    assert!(grown < 90_000, "the server grew by {grown} kB");
    wait_for("those that stalled are cut off", || (server.open_polls() == 1).then_some(()));
    db.psql("insert into doc values (99, 'still here')");
    while !reader.next().expect("the reader goes on").data.contains("still here") {}
    drop(stalled);
}
