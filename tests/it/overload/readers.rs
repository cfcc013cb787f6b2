//! Clients that ask and do not read.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PATIENCE, descriptors, memory};
use crate::support::{Answer, database, raw, server, wait_until};

const MB: u64 = 1 << 20;

/// Lists that nobody takes hold up nobody, have a bound together, and leave nothing behind.
#[test]
fn slow_readers_hold_nobody_up_and_take_bounded_memory() {
    let db = database();
    // A list of about 3 MB; sixteen of those are the most that may be on their way.
    db.psql("create table large (id int primary key, text text); select rowcast.watch('large')");
    db.psql("insert into large select n, repeat(md5(n::text), 30) from generate_series(1, 2900) n");
    let server =
        server(&db, "pool_connections = 2\nlist_bytes = 4000000\nbatch_bytes = 100000\nexpose = { testtype = \"rw\", large = \"r\" }");
    let since = server.get("/api/testtype?limit=1").expect_status(200).header("rowcast-cursor").to_owned();
    let before = (memory(&server), descriptors(&server));
    let mut parked = server.connect();
    let subscription = json!({"id": "a", "table": "testtype", "since": since});
    raw::send_json(&mut parked, "/notify", &json!({"wait": 60, "heartbeat": 15, "subscriptions": [subscription]}));
    // Different lists, so that none is shared. One after the other: each is made, and lies there.
    let slow: Vec<TcpStream> = (0..60)
        .map(|number| {
            let mut stream = server.connect();
            raw::send_get(&mut stream, &format!("/api/large?limit={}", 2_000 + number), &[]);
            stream
        })
        .collect();
    let refused = wait_until("there is no room for another", PATIENCE, || {
        let answer: Answer = server.get("/api/large?limit=1999");
        (answer.status == 503).then_some(answer)
    });
    assert!(!refused.expect_problem(503, "unavailable").header("retry-after").is_empty());
    let grown = memory(&server).saturating_sub(before.0);
    assert!(grown < 200 * MB, "60 lists of 2 MB that nobody reads took {} MB", grown / MB);
    // Small ones go on, and so do changes.
    let begin = Instant::now();
    server.get("/healthz").expect_status(200);
    db.psql("update testtype set name = 'told' where id = 1");
    let told = raw::read(parked).expect("an answer").json();
    // Where there is no room left at all, a reset takes the place of the change.
    assert!(told["answers"][0]["changes"].is_array() || told["answers"][0]["reset"] == true, "{told}");
    assert!(begin.elapsed() < Duration::from_secs(10), "it took {:?}", begin.elapsed());
    drop(slow);
    wait_until("what was open is closed", PATIENCE, || (descriptors(&server) <= before.1 + 6).then_some(()));
    server.get("/api/large?limit=2900").expect_status(200);
    wait_until("the memory has come back", PATIENCE, || {
        let now = memory(&server);
        (now < before.0 + 30 * MB).then_some(())
    });
}
