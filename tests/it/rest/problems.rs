//! What goes wrong is told as problem+json, with the status that it deserves.

use std::io::{Read, Write};

use super::*;
use crate::support::{Cluster, Stop};

#[test]
fn the_databases_refusals_have_their_status_and_code() {
    let db = database();
    db.psql(
        "create table child (id integer primary key, parent bigint references testtype, small smallint check (small > 0), exact integer not null default 1);
         create function refuse() returns trigger language plpgsql as $$ begin raise exception 'not on a Sunday'; end $$;
         create trigger refuse before delete on child for each row execute function refuse();
         insert into child values (1, 1);
         select rowcast.watch('child')",
    );
    let server = server(&db, "expose = { testtype = \"rw\", child = \"rw\" }");
    for (method, path, body, status, kind, code) in [
        ("POST", "/api/child", r#"{"id":1}"#, 409, "conflict", "23505"),
        ("POST", "/api/child", r#"{"id":2,"parent":77}"#, 409, "conflict", "23503"),
        ("DELETE", "/api/testtype/1", "", 409, "conflict", "23503"),
        ("POST", "/api/child", r#"{"id":2,"small":0}"#, 400, "bad-request", "23514"),
        ("POST", "/api/child", r#"{"id":2,"exact":null}"#, 400, "bad-request", "23502"),
        ("POST", "/api/child", r#"{"id":"two"}"#, 400, "bad-request", "22P02"),
        ("POST", "/api/child", r#"{"id":2,"small":70000}"#, 400, "bad-request", "22003"),
        ("POST", "/api/testtype", r#"{"name":"a\u0000b"}"#, 400, "bad-request", "22P05"),
        ("GET", "/api/testtype/one", "", 400, "bad-request", "22P02"),
        ("GET", "/api/testtype/99999999999999999999", "", 400, "bad-request", "22003"),
        ("GET", "/api/testtype/a%00b", "", 400, "bad-request", "22021"),
        ("DELETE", "/api/child/1", "", 400, "bad-request", "P0001"),
    ] {
        let answer = match body {
            "" => server.send(method, path, &[], ""),
            _ => server.send_json(method, path, body),
        };
        assert_eq!(answer.expect_problem(status, kind).json()["code"], code, "{method} {path} {body}");
    }
    assert_eq!(db.psql("select count(*) from testtype"), "2");
}

#[test]
fn a_right_that_is_missing_is_forbidden() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    // An owner has the rights that he left himself.
    db.psql("revoke delete on testtype from app");
    assert_eq!(server.delete("/api/testtype/1").expect_problem(403, "forbidden").json()["code"], "42501");
    server.get("/api/testtype/1").expect_status(200);
}

#[test]
fn bodies_that_are_no_rows_are_refused() {
    let (_db, server) = exposed();
    for bad in ["{", "[]", "null", "\"x\"", "[{\"name\":\"x\"}]", "{\"name\":\"x\",\"name\":\"y\"}", "{\"name\":\"x\"} {}"] {
        server.send_json("POST", "/api/testtype", bad).expect_problem(400, "bad-request");
    }
    for empty in ["{}", r#"{"mtime":"2026-01-01"}"#] {
        server.send_json("PATCH", "/api/testtype/1", empty).expect_problem(400, "bad-request");
    }
    let problem = server.send_json("POST", "/api/testtype", r#"{"nam":"x"}"#).expect_problem(400, "bad-request").json();
    assert!(problem["detail"].as_str().unwrap().contains("\"nam\""), "{problem}");
    for (content_type, status) in [
        ("text/plain", 415),
        ("multipart/form-data; boundary=x", 415),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=utf-8", 201),
    ] {
        let answer = server.send("POST", "/api/testtype", &[("content-type", content_type)], r#"{"name":"x"}"#);
        assert_eq!(answer.status, status, "{content_type}");
    }
    server.send("POST", "/api/testtype", &[], "").expect_problem(415, "unsupported-media-type");
    server
        .send("POST", "/api/testtype", &[("content-type", "application/json"), ("content-encoding", "gzip")], "{}")
        .expect_problem(415, "unsupported-media-type");
}

#[test]
fn a_body_that_is_too_large_is_refused_by_its_length_and_by_its_bytes() {
    let db = database();
    let server = server(&db, "body_bytes = 2000\nexpose = { testtype = \"rw\" }");
    let body = |size: usize| format!(r#"{{"name":"x"{}}}"#, " ".repeat(size - 12));
    server.send_json("POST", "/api/testtype", &body(2000)).expect_status(201);
    server.send_json("POST", "/api/testtype", &body(2001)).expect_problem(413, "too-large");
    let head = "POST /api/testtype HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    // Announced, and never sent.
    let answer = server.raw(&format!("{head}Content-Length: 2001\r\n\r\n"));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    // Not announced.
    let chunked = |size: usize| server.raw(&format!("{head}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n{}\r\n0\r\n\r\n", body(size)));
    let answer = chunked(2000);
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    let answer = chunked(2001);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    let db = database();
    let server = server(&db, "request_timeout_seconds = 1\nexpose = { testtype = \"rw\" }");
    let mut slow = server.connect();
    slow.write_all(b"POST /api/testtype HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        .unwrap();
    let mut answer = [0; 12];
    slow.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 400");
}

#[test]
fn what_is_not_there_is_not_found() {
    let (_db, server) = exposed();
    for path in [
        "/api",
        "/api/",
        "/api/nothing",
        "/api/nothing/1",
        "/api/testtype/1/2",
        "/api//1",
        "/api/public.testtype",
        "/api/TestType",
        "/api/pg_catalog.pg_class",
        "/api/rowcast.change",
        "/apix",
        "/static/js/../../Cargo.toml",
    ] {
        server.get(path).expect_problem(404, "not-found");
    }
    server.send_json("POST", "/api/nothing", "{}").expect_problem(404, "not-found");
}

/// A statement that takes too long is ended by the database, and the session serves on.
#[test]
fn a_database_that_is_slow_is_unavailable() {
    let db = database();
    let server = server(&db, "request_timeout_seconds = 1\npool_connections = 1\nexpose = { testtype = \"rw\" }");
    let mut other = db.client();
    let mut locker = other.transaction().unwrap();
    locker.batch_execute("lock table testtype").unwrap();
    let answer = server.get("/api/testtype").expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    locker.rollback().unwrap();
    crate::support::wait_until("the list is served again", std::time::Duration::from_secs(10), || {
        (server.get("/api/testtype").status == 200).then_some(())
    });
}

#[test]
fn a_database_that_is_away_is_unavailable_until_it_is_back() {
    let cluster = Cluster::start();
    let db = cluster.database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    server.get("/api/testtype").expect_status(200);
    cluster.stop(Stop::Clean);
    let answer = server.get("/api/testtype").expect_problem(503, "unavailable");
    assert!(answer.header("retry-after").parse::<u32>().unwrap() >= 1);
    let answer = server.send_json("POST", "/api/testtype", r#"{"name":"lost"}"#).expect_problem(503, "unavailable");
    assert!(!answer.header("retry-after").is_empty());
    cluster.go_on();
    let list = crate::support::wait_until("the list is served again", std::time::Duration::from_secs(20), || {
        Some(server.get("/api/testtype")).filter(|answer| answer.status == 200)
    });
    assert_eq!(rows(&list).len(), 2);
    server.send_json("POST", "/api/testtype", r#"{"name":"kept"}"#).expect_status(201);
}
