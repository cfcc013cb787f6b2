//! What a tab is told, and when.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn the_conversation_goes_as_with_pbp_byte_for_byte() {
    let (db, server) = example();
    let first = insert(&db, 5);
    let request = |laterthan: &str| {
        let body = format!(r#"[{{"laterthan":{laterthan},"types":[{{"type":"testtype","constraints":{{"id":5}}}}]}}]"#);
        format!(
            "POST /api/_listen HTTP/1.1\r\nHost: localhost:{0}\r\nConnection: close\r\nContent-Length: {1}\r\nAccept: */*\r\n\
             X-Requested-With: XMLHttpRequest\r\nContent-Type: application/x-www-form-urlencoded; charset=UTF-8\r\n\
             Origin: http://localhost:{0}\r\nSec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Dest: empty\r\n\r\n{body}",
            server.port,
            body.len()
        )
    };
    let response = |mtime: &str| {
        let body = format!(r#"[{{"i":0,"mtime":{mtime}}}]"#);
        format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncache-control: no-store\r\nx-content-type-options: nosniff\r\n\
             cross-origin-resource-policy: same-origin\r\nreferrer-policy: no-referrer\r\ncontent-security-policy: …\r\n\
             connection: close\r\ncontent-length: {}\r\ndate: …\r\n\r\n{body}",
            body.len()
        )
    };
    // The policy and the date are no part of the conversation.
    let said = |request: &str| {
        let answer = server.raw(request);
        let line = |line: &str| match line.split_once(": ") {
            Some((name @ ("content-security-policy" | "date"), _)) => format!("{name}: …"),
            _ => line.to_owned(),
        };
        answer.split("\r\n").map(line).collect::<Vec<_>>().join("\r\n")
    };
    assert_eq!(said(&request("0")), response(&first));
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| said(&request(&first)));
        server.wait_for_open_polls(1);
        db.psql("update testtype set value = 7 where id = 5");
        assert_eq!(waiting.join().unwrap(), response(&mtime_of(&db, 5)));
    });
}

#[test]
fn every_tab_is_told_of_its_own_news_and_of_no_other() {
    let (db, server) = example();
    let since = mtime(&told(listen(&server, &one("0"))));
    let types = json!([{"type": "other"}, {"type": "testtype", "constraints": {"id": 1, "name": "row 1"}}]);
    let tabs = [
        entry(&since, "testtype", json!({"id": 2})),
        entry(&since, "testtype", Value::Null),
        format!(r#"{{"laterthan":{since},"types":{types},"tab":"unknown to us"}}"#),
        entry(&since, "testtype", json!({"value": null, "id": "1"})),
        r#"{"laterthan":0,"types":[]}"#.to_owned(),
    ];
    let poll = park(&server, &array(&tabs));
    let at = insert(&db, 1);
    assert_eq!(told(poll), format!(r#"[{{"i":1,"mtime":{at}}},{{"i":2,"mtime":{at}}},{{"i":3,"mtime":{at}}}]"#));
    let poll = park(&server, &array(&[entry(&at, "testtype", json!({"id": 1})), entry(&at, "other", json!({}))]));
    db.psql("insert into other values (1)");
    assert!(told(poll).starts_with(r#"[{"i":1,"mtime":"#));
    // Whose last row leaves is told of that, too.
    let poll = park(&server, &array(&[entry(&at, "testtype", json!({"id": 9})), entry(&at, "testtype", json!({"name": "row 1"}))]));
    db.psql("delete from testtype");
    assert!(told(poll).starts_with(r#"[{"i":1,"mtime":"#));
}

#[test]
fn who_is_answered_at_once_does_not_make_news_for_the_others() {
    let (db, server) = example();
    let since = start(&server);
    let tabs = [entry(&since, "testtype", json!({})), entry("0", "testtype", json!({})), entry(&since, "other", json!({}))];
    let answer = told(listen(&server, &array(&tabs)));
    assert!(answer.starts_with(r#"[{"i":1,"mtime":"#) && answer.matches("mtime").count() == 1, "{answer}");
    let at = insert(&db, 1);
    assert_eq!(told(listen(&server, &array(&tabs))), format!(r#"[{{"i":0,"mtime":{at}}},{{"i":1,"mtime":{at}}}]"#));
}

#[test]
fn any_laterthan_that_was_not_handed_out_is_answered_at_once() {
    let (db, server) = example();
    let older = insert(&db, 1);
    assert_eq!(start(&server), older);
    let newest = insert(&db, 2);
    let known = start(&server);
    assert_eq!(known, newest);
    let ahead = format!("{}.000", micros(&newest) / 1_000 + 500);
    let (whole, decimals) = newest.split_once('.').unwrap();
    let near = format!("{whole}.{:03}", (decimals.parse::<u32>().unwrap() + 1) % 1_000);
    for unknown in ["0", "null", "\"\"", "-1", "1732104000123.456", "1e300", "1795255309350", &ahead, &near] {
        let begun = Instant::now();
        let told = mtime(&told(listen(&server, &one(unknown))));
        assert!(begun.elapsed() < Duration::from_secs(10), "{unknown}: after {:?}", begun.elapsed());
        assert!(micros(&told) >= micros(&newest) && told != unknown, "{unknown}: {told}");
        drop(park(&server, &one(&told)));
        server.wait_for_open_polls(0);
    }
    // A page may have kept it as text.
    drop(park(&server, &one(&format!("\"{known}\""))));
    let one_row = array(&[entry("0", "testtype", json!({"id": 1}))]);
    assert_eq!(told(listen(&server, &one_row)), news(&older), "the newest that concerns the tab");
}

#[test]
fn two_changes_in_one_transaction_are_news_once() {
    let (db, server) = example();
    let poll = park(&server, &one(&start(&server)));
    db.psql("begin; insert into testtype (id, name) values (1, 'a'); select pg_sleep(0.01); insert into testtype (id, name) values (2, 'b'); commit");
    let newest = mtime_of(&db, 2);
    assert!(micros(&newest) > micros(&mtime_of(&db, 1)));
    assert_eq!(told(poll), news(&newest));
    drop(park(&server, &one(&newest)));
}

#[test]
fn without_news_the_answer_is_empty_after_thirty_seconds() {
    let (_db, server) = example();
    let since = start(&server);
    let begun = Instant::now();
    let poll = listen(&server, &one(&since));
    assert_eq!(told(poll), "[]");
    let took = begun.elapsed();
    assert!((Duration::from_millis(29_900)..Duration::from_secs(35)).contains(&took), "after {took:?}");
    drop(park(&server, &one(&since)));
}

#[test]
fn a_truncated_table_is_news() {
    let (db, server) = example();
    let before = insert(&db, 1);
    let poll = park(&server, &array(&[entry(&start(&server), "testtype", json!({"id": 1}))]));
    db.psql("truncate testtype");
    let at = mtime(&told(poll));
    assert!(micros(&at) > micros(&before));
    drop(park(&server, &array(&[entry(&at, "testtype", json!({"id": 1}))])));
    assert_eq!(told(listen(&server, &one("0"))), news(&at), "whoever comes later is told the same");
}

#[test]
fn a_stopping_server_answers_that_there_is_no_news() {
    let (db, mut server) = example();
    let one_mtime = start(&server);
    let other = insert(&db, 1);
    let other = mtime(&told(listen(&server, &one(&other))));
    let poll = park(
        &server,
        &array(&[entry(&other, "testtype", json!({})), entry(&other, "other", json!({})), entry(&one_mtime, "other", json!({}))]),
    );
    server.terminate();
    assert_eq!(told(poll), "[]");
    assert!(server.wait().success());
}
