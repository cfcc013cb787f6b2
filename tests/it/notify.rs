//! `/notify`: the answers' form, waiting, filters, seats, heartbeats, and what goes away.

use std::io::Read;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::raw::{Reply, read, send_get, send_json};
use crate::support::{Database, Server, example, wait_for};

const BROWSER: &str = "00112233445566778899aabbccddeeff";

fn cursor(server: &Server) -> String {
    server.get("/api/testtype").header("rowcast-cursor").to_owned()
}

fn notify(server: &Server, body: &Value) -> Reply {
    let mut stream = server.connect();
    send_json(&mut stream, "/notify", body);
    answer(stream)
}

fn answer(stream: std::net::TcpStream) -> Reply {
    read(stream).expect("a whole answer")
}

/// Opens a poll on a connection of its own, and waits until the server holds it.
fn open(server: &Server, body: &Value) -> std::net::TcpStream {
    let before = server.open_polls();
    let mut stream = server.connect();
    send_json(&mut stream, "/notify", body);
    server.wait_for_open_polls(before + 1);
    stream
}

fn insert(database: &Database, id: i32, name: &str) {
    database.psql(&format!("insert into testtype (id, name) values ({id}, '{name}')"));
}

#[test]
fn one_cursor_holds_for_every_subscription() {
    let (database, server) = example();
    let since = cursor(&server);
    insert(&database, 1, "ann");
    let subscriptions = json!([
        {"id": "all", "table": "testtype", "since": since},
        {"id": "ann", "table": "testtype", "since": since, "where": {"name": "ann"}},
        {"id": "bob", "table": "testtype", "since": since, "where": {"name": "bob"}},
    ]);
    let answer = notify(&server, &json!({"subscriptions": subscriptions})).json();
    let ids: Vec<&str> = answer["answers"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["all", "ann"]);
    let change = &answer["answers"][0]["changes"][0];
    assert_eq!((&change["op"], &change["key"], &change["old"]), (&json!("insert"), &json!([1]), &Value::Null));
    assert_eq!(change["new"]["name"], "ann");
    assert_eq!(change["mtime"], change["new"]["mtime"], "a change and its row tell the same time");
    let since = answer["cursor"].as_str().unwrap();
    let quiet = json!({"wait": 0, "subscriptions": [{"id": "bob", "table": "testtype", "since": since, "where": {"name": "bob"}}]});
    assert_eq!(notify(&server, &quiet).json()["answers"], json!([]));
}

#[test]
fn no_news_is_an_empty_answer_with_a_newer_cursor() {
    let (database, server) = example();
    let since = cursor(&server);
    database.psql("create table other (id int primary key); insert into other values (1)");
    let begun = Instant::now();
    let answer = server.get(&format!("/notify?table=testtype&since={since}&wait=1")).json();
    assert!(begun.elapsed() >= Duration::from_millis(950), "answered after {:?}", begun.elapsed());
    assert_eq!(answer["answers"], json!([]));
    wait_for("a later answer has a newer cursor", || {
        let answer = server.get(&format!("/notify?table=testtype&since={since}&wait=0")).json();
        (answer["cursor"] != since.as_str()).then_some(())
    });
}

#[test]
fn now_is_not_told_what_was_committed_before() {
    let (database, server) = example();
    for round in 1..=20 {
        insert(&database, round, "before");
        let answer = server.get("/notify?table=testtype&since=now&wait=0").json();
        assert_eq!(answer["answers"], json!([]), "round {round}");
    }
}

#[test]
fn a_poll_that_does_not_wait_is_told_all_that_is_committed() {
    let (database, server) = example();
    let mut since = cursor(&server);
    for round in 1..=20 {
        insert(&database, round, "before");
        let answer = server.get(&format!("/notify?table=testtype&since={since}&wait=0")).json();
        assert_eq!(answer["answers"][0]["changes"][0]["key"], json!([round]), "round {round}: {answer}");
        since = answer["cursor"].as_str().unwrap().to_owned();
    }
}

#[test]
fn a_whole_transaction_is_one_answer() {
    let (database, server) = example();
    let since = cursor(&server);
    let stream = open(&server, &json!({"subscriptions": [{"id": "a", "table": "testtype", "since": since}]}));
    database.psql("begin; insert into testtype (id, name) values (1, 'a'); update testtype set value = 1; insert into testtype (id, name) values (2, 'b'); commit");
    let answer = answer(stream).json();
    let ops: Vec<&str> = answer["answers"][0]["changes"].as_array().unwrap().iter().map(|change| change["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["insert", "update", "insert"]);
}

#[test]
fn filters_agree_with_lists_whatever_way_a_value_is_spelled() {
    let (database, server) = example();
    database.psql("insert into testtype (id, name, value) values (1, 'a', 5), (2, 'b', null)");
    for (query, filter, expected) in
        [("value=eq.05", json!({"value": "05"}), 1), ("value=eq.5", json!({"value": 5}), 1), ("value=is.null", json!({"value": null}), 2)]
    {
        let listed = server.get(&format!("/api/testtype?{query}"));
        assert_eq!(listed.json()[0]["id"], expected, "{query}");
        let since = listed.header("rowcast-cursor");
        database.psql("update testtype set name = name || 'x'");
        let answer = notify(&server, &json!({"subscriptions": [{"id": "a", "table": "testtype", "since": since, "where": filter}]})).json();
        let keys: Vec<&Value> = answer["answers"][0]["changes"].as_array().unwrap().iter().map(|change| &change["key"][0]).collect();
        assert_eq!(keys, [&json!(expected)], "{filter}");
    }
}

#[test]
fn a_row_that_leaves_the_filter_says_so() {
    let (database, server) = example();
    database.psql("insert into testtype (id, name, value) values (1, 'a', 5)");
    let since = cursor(&server);
    database.psql("update testtype set value = 6");
    let answer = server.get(&format!("/notify?table=testtype&since={since}&value=eq.5")).json();
    assert_eq!(answer["answers"][0]["changes"][0]["leaves"], true, "{answer}");
}

#[test]
fn a_poll_of_equal_or_higher_term_takes_the_seat() {
    let (_database, server) = example();
    let poll = |term: u64| json!({"browser": BROWSER, "term": term, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]});
    let first = open(&server, &poll(5));
    let mut second = server.connect();
    send_json(&mut second, "/notify", &poll(5));
    let superseded = answer(first);
    assert_eq!((superseded.status, superseded.json()["type"].clone()), (409, json!("urn:rowcast:superseded")));
    server.wait_for_open_polls(1);
    let refused = notify(&server, &poll(4));
    assert_eq!((refused.status, refused.json()["type"].clone()), (409, json!("urn:rowcast:superseded")));
    assert_eq!(server.open_polls(), 1, "a poll of a lower term ended one of a higher");
    let other = notify(
        &server,
        &json!({"browser": "ff".repeat(16), "term": 1, "wait": 0, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]}),
    );
    assert_eq!(other.status, 200, "another browser has a seat of its own");
}

#[test]
fn a_heartbeat_is_a_space_and_a_late_problem_is_told_in_the_body() {
    let (database, server) = example();
    let poll = |term: u64| json!({"browser": BROWSER, "term": term, "heartbeat": 1, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]});
    let mut stream = open(&server, &poll(1));
    let mut seen = String::new();
    wait_for("two heartbeats", || {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).unwrap();
        seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        (seen.matches("\r\n1\r\n \r\n").count() + seen.matches("1\r\n \r\n").count() >= 2).then_some(())
    });
    assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
    drop(stream);
    server.wait_for_open_polls(0);
    let first = open(&server, &poll(1));
    let second = open_second(&server, &poll(2));
    let told = answer(first);
    assert_eq!((told.status, told.json()["problem"]["status"].clone()), (200, json!(409)), "{told:?}");
    insert(&database, 1, "a");
    assert_eq!(answer(second).json()["answers"][0]["changes"][0]["key"], json!([1]));
}

fn open_second(server: &Server, body: &Value) -> std::net::TcpStream {
    let mut stream = server.connect();
    send_json(&mut stream, "/notify", body);
    let mut first = [0; 1];
    stream.peek(&mut first).unwrap();
    stream
}

#[test]
fn a_client_that_goes_away_frees_its_place_at_once() {
    let (_database, server) = example();
    let plain = json!({"wait": 100, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]});
    let beating = json!({"wait": 100, "heartbeat": 60, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]});
    for (body, half) in [(&plain, false), (&plain, true), (&beating, false), (&beating, true)] {
        let stream = open(&server, body);
        let left = Instant::now();
        if half {
            stream.shutdown(std::net::Shutdown::Write).unwrap();
        } else {
            drop(stream.try_clone().unwrap());
        }
        let kept = half.then_some(stream);
        server.wait_for_open_polls(0);
        assert!(left.elapsed() < Duration::from_secs(2), "{body}, half-closed {half}: after {:?}", left.elapsed());
        drop(kept);
    }
}

#[test]
fn server_sent_events_carry_the_same_answers_and_go_on_from_the_last_id() {
    let (database, server) = example();
    let since = cursor(&server);
    let events = |since: &str, last: Option<&str>| {
        let mut stream = server.connect();
        let mut headers = vec![("Accept", "text/event-stream")];
        headers.extend(last.map(|last| ("Last-Event-ID", last)));
        send_get(&mut stream, &format!("/notify?table=testtype&since={since}"), &headers);
        stream
    };
    let mut stream = events(&since, None);
    let next = |stream: &mut std::net::TcpStream, what: &str| {
        let mut text = String::new();
        wait_for(what, || {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            let event = text.split("\r\n").find(|line| line.contains("data: "))?.to_owned();
            let id = event.split("id: ").nth(1)?.split('\n').next()?.to_owned();
            let data: Value = serde_json::from_str(event.split("data: ").nth(1)?.trim()).ok()?;
            Some((id, data))
        })
    };
    insert(&database, 1, "a");
    let (id, data) = next(&mut stream, "the first event");
    assert_eq!((data["cursor"].as_str().unwrap(), &data["answers"][0]["changes"][0]["key"]), (id.as_str(), &json!([1])));
    drop(stream);
    insert(&database, 2, "b");
    let mut stream = events(&since, Some(&id));
    let (_, data) = next(&mut stream, "the event after the reconnect");
    assert_eq!(data["answers"][0]["changes"].as_array().unwrap().len(), 1);
    assert_eq!(data["answers"][0]["changes"][0]["key"], json!([2]));
    drop(stream);
    server.wait_for_open_polls(0);
}

#[test]
fn an_event_stream_survives_line_breaks_and_a_table_made_anew() {
    let (database, server) = example();
    drop(server);
    database.psql("create table doc (id int primary key, body json); select rowcast.watch('doc')");
    let server = crate::support::server(&database, "[expose]\ndoc = \"r\"\n");
    let mut stream = server.connect();
    send_get(&mut stream, "/notify?table=doc", &[("Accept", "text/event-stream")]);
    server.wait_for_open_polls(1);
    let mut text = String::new();
    let mut told = |what: &str, wanted: &str| {
        wait_for(what, || {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).unwrap();
            text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            let whole: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))).collect();
            whole.iter().any(|event| event.to_string().contains(wanted)).then_some(())
        });
    };
    database.psql("insert into doc values (1, E'{\"a\":1,\\n\\n\"b\":2}')");
    told("the row with line breaks", "\"b\":2");
    database.psql("drop table doc; create table doc (id int primary key, body json); select rowcast.watch('doc')");
    told("the reset", "\"reset\":true");
    wait_for("the table is back", || (server.get("/api/doc").status == 200).then_some(()));
    database.psql("insert into doc values (2, '{\"c\":3}')");
    told("the row of the new table", "\"c\":3");
}

#[test]
fn an_answer_may_be_cached_only_if_it_moves_the_cursor_on() {
    let (database, server) = example();
    let since = cursor(&server);
    let told = |path: &str| server.get(path).header("cache-control").to_owned();
    assert_eq!(told("/notify?table=testtype&since=now&wait=0"), "no-store");
    insert(&database, 1, "a");
    assert_eq!(told(&format!("/notify?table=testtype&since={since}")), "max-age=60");
}

#[test]
fn bad_polls_are_refused_with_a_reason_and_lose_nothing() {
    let (_database, server) = example();
    let one = json!({"id": "a", "table": "testtype", "since": "now"});
    let with = |name: &str, value: Value| {
        let mut subscription = one.clone();
        subscription[name] = value;
        json!({"wait": 0, "subscriptions": [subscription]})
    };
    let many: Vec<Value> = (0..101).map(|id| json!({"id": id.to_string(), "table": "testtype", "since": "now"})).collect();
    for (body, status, reason) in [
        (json!({"wait": 0, "subscriptions": [one]}), 200, ""),
        (with("table", json!("rowcast.change")), 404, "no table"),
        (with("table", json!("nowhere")), 404, "no table"),
        (with("since", json!("yesterday")), 400, "not a cursor"),
        (with("where", json!({"nothing": 1})), 400, "no column"),
        (with("where", json!({"id": "five"})), 400, "invalid input syntax"),
        (with("colour", json!(1)), 400, "colour"),
        (json!({"wait": 121, "subscriptions": [one]}), 400, "wait"),
        (json!({"heartbeat": 0, "subscriptions": [one]}), 400, "heartbeat"),
        (json!({"browser": BROWSER, "subscriptions": [one]}), 400, "belong together"),
        (json!({"browser": "short", "term": 1, "subscriptions": [one]}), 400, "32 hexadecimal"),
        (json!({"wait": 0, "subscriptions": [one, one]}), 400, "two subscriptions"),
        (json!({"wait": 0, "subscriptions": many}), 400, "more than the 100"),
    ] {
        let reply = notify(&server, &body);
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.body.contains(reason), "{body}: {reply:?}");
    }
    assert_eq!(server.open_polls(), 0);
}

#[test]
fn sigterm_answers_every_parked_poll_and_ends_within_two_seconds() {
    let (_database, mut server) = example();
    let since = cursor(&server);
    let waiting: Vec<_> = [json!({}), json!({"heartbeat": 30})]
        .into_iter()
        .map(|mut body| {
            body["wait"] = json!(100);
            body["subscriptions"] = json!([{"id": "a", "table": "testtype", "since": since}]);
            let stream = open(&server, &body);
            thread::spawn(move || answer(stream))
        })
        .collect();
    let told = Instant::now();
    server.terminate();
    let status = server.wait();
    assert!(told.elapsed() < Duration::from_secs(2), "ended after {:?}", told.elapsed());
    assert!(status.success(), "{status}");
    for poll in waiting {
        let reply = poll.join().unwrap();
        let answer = reply.json();
        assert_eq!((reply.status, &answer["answers"]), (200, &json!([])), "{answer}");
        assert!(answer["retry_after_ms"].as_u64().unwrap() >= 500, "{answer}");
    }
}
