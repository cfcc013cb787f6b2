//! Creating, replacing, changing and deleting rows.

use super::*;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::wait_until;

#[test]
fn a_created_row_is_answered_with_its_place_and_itself() {
    let (db, server) = exposed();
    for path in ["/api/testtype", "/api/testtype/"] {
        let answer = server.send_json("POST", path, r#"{"name":"Ann","value":7}"#).expect_status(201);
        let row = answer.json();
        assert_eq!((&row["name"], &row["value"]), (&"Ann".into(), &7.into()));
        assert!(row["mtime"].is_string() && answer.header("rowcast-cursor").is_empty());
        assert_eq!(answer.header("location"), format!("/api/testtype/{}", row["id"]));
        assert_eq!(server.get(answer.header("location")).expect_status(200).json(), row);
    }
    assert_eq!(db.psql("select name, value from testtype where id > 2"), "Ann|7\nAnn|7");
}

#[test]
fn a_place_is_encoded() {
    let db = odd_database();
    let server = server(&db, BOTH);
    let answer = server.send_json("POST", "/api/Odd.Pair%20of", r#"{"a":-1,"B,1":"x/y, ü","say \"x\"":"\"","limit":5}"#).expect_status(201);
    assert_eq!(answer.header("location"), "/api/Odd.Pair%20of/-1,x%2Fy%2C%20%C3%BC");
    let row = server.get(answer.header("location")).expect_status(200).json();
    assert_eq!((&row["t"], &row["say \"x\""], &row["limit"], &row["r"]), (&"T".into(), &"\"".into(), &5.into(), &Value::Null));
}

#[test]
fn rows_are_created_from_forms() {
    let (_db, server) = exposed();
    let row = server.send_form("POST", "/api/testtype", "name=Ann+%26+B%C3%B6b&value=8").expect_status(201).json();
    assert_eq!((&row["name"], &row["value"]), (&"Ann & Böb".into(), &8.into()));
    // Inputs that are left empty: no id, no value.
    let row = server.send_form("POST", "/api/testtype", "id=&name=Cy&value=&mtime=").expect_status(201).json();
    assert_eq!((&row["name"], &row["value"]), (&"Cy".into(), &Value::Null));
    let path = format!("/api/testtype/{}", row["id"]);
    let row = server.send_form("PATCH", &path, "value=4").expect_status(200).json();
    assert_eq!((&row["name"], &row["value"]), (&"Cy".into(), &4.into()));
    let row = server.send_form("PATCH", &path, "value=").expect_status(200).json();
    assert_eq!(row["value"], Value::Null, "an empty field clears a number");
    let row = server.send_form("PUT", &path, "name=Di").expect_status(200).json();
    assert_eq!((&row["name"], &row["value"]), (&"Di".into(), &Value::Null));
    let problem = server.send_form("POST", "/api/testtype", "name=").expect_problem(400, "bad-request");
    assert_eq!(problem.json()["code"], "23514", "an empty text is a text");
}

#[test]
fn a_row_of_defaults_can_be_created() {
    let db = database();
    db.psql("create table plain (id integer generated always as identity primary key, n integer default 3); select rowcast.watch('plain')");
    let server = server(&db, "expose = { plain = \"rw\" }");
    assert_eq!(server.send_json("POST", "/api/plain", "{}").expect_status(201).json()["n"], 3);
    assert_eq!(server.send_json("POST", "/api/plain", r#"{"n":null}"#).expect_status(201).json()["n"], Value::Null);
}

#[test]
fn put_replaces_and_patch_changes() {
    let db = odd_database();
    let server = server(&db, BOTH);
    db.psql(r#"insert into "Odd"."Pair of" ("B,1", a, t, r, "limit") values ('b', 1, 'mine', 2, 3)"#);
    let path = "/api/Odd.Pair%20of/1,b";
    let row = server.send_json("PATCH", path, r#"{"r":4}"#).expect_status(200).json();
    assert_eq!((&row["t"], &row["r"], &row["limit"], &row["twice"]), (&"mine".into(), &4.into(), &3.into(), &8.into()));
    let answer = server.send_json("PUT", path, r#"{"r":5}"#).expect_status(200);
    let row = answer.json();
    assert_eq!((&row["t"], &row["r"], &row["limit"], &row["twice"]), (&"T".into(), &5.into(), &Value::Null, &10.into()));
    assert_eq!(answer.header("rowcast-key"), "a,B%2C1");
    let row = server.send_json("PUT", path, "{}").expect_status(200).json();
    assert_eq!((&row["a"], &row["B,1"], &row["r"]), (&1.into(), &"b".into(), &Value::Null));
    for method in ["PUT", "PATCH"] {
        server.send_json(method, "/api/Odd.Pair%20of/1,c", r#"{"r":5}"#).expect_problem(404, "not-found");
    }
}

#[test]
fn put_keeps_the_key_and_patch_may_change_it() {
    let (_db, server) = exposed();
    server.send_json("PUT", "/api/testtype/1", r#"{"id":9,"name":"x"}"#).expect_problem(400, "bad-request");
    server.send_json("PUT", "/api/testtype/1", r#"{"id":null,"name":"x"}"#).expect_problem(400, "bad-request");
    server.send_json("PUT", "/api/testtype/8", r#"{"id":9,"name":"x"}"#).expect_problem(404, "not-found");
    assert_eq!(server.send_json("PUT", "/api/testtype/1", r#"{"id":"1","name":"x"}"#).expect_status(200).json()["name"], "x");
    assert_eq!(server.send_json("PATCH", "/api/testtype/1", r#"{"id":9}"#).expect_status(200).json()["name"], "x");
    server.get("/api/testtype/1").expect_problem(404, "not-found");
    server.get("/api/testtype/9").expect_status(200);
    assert_eq!(server.send_json("PATCH", "/api/testtype/9", r#"{"id":2}"#).expect_problem(409, "conflict").json()["code"], "23505");
}

#[test]
fn a_table_of_nothing_but_its_key_can_be_put() {
    let db = database();
    db.psql("create table tag (a integer, b text, primary key (a, b)); insert into tag values (1, 'x'); select rowcast.watch('tag')");
    let server = server(&db, "expose = { tag = \"rw\" }");
    assert_eq!(server.send_json("PUT", "/api/tag/1,x", r#"{"a":1,"b":"x"}"#).expect_status(200).json()["b"], "x");
    server.send_json("PUT", "/api/tag/1,x", "{}").expect_status(200);
    server.send_json("PUT", "/api/tag/1,x", r#"{"b":"y"}"#).expect_problem(400, "bad-request");
    server.send_json("PUT", "/api/tag/1,y", "{}").expect_problem(404, "not-found");
}

#[test]
fn a_row_can_be_sent_back_as_it_was_read() {
    let db = database();
    db.psql(
        "create table always (id integer generated always as identity primary key, n integer, twice integer generated always as (n * 2) stored);
         insert into always (n) values (4);
         select rowcast.watch('always')",
    );
    let server = server(&db, "expose = { always = \"rw\" }");
    let read = server.get("/api/always/1").expect_status(200);
    for method in ["PUT", "PATCH"] {
        let row = server.send_json(method, "/api/always/1", &read.body).expect_status(200).json();
        assert_eq!((&row["n"], &row["twice"]), (&4.into(), &8.into()));
        assert_ne!(row["mtime"], read.json()["mtime"], "mtime is rowcast's");
    }
    assert_eq!(server.send_json("POST", "/api/always", &read.body).expect_status(201).json()["id"], 2);
    server.send_json("PUT", "/api/always/2", &read.body).expect_problem(400, "bad-request");
    server.send_json("PATCH", "/api/always/2", r#"{"id":7,"twice":1,"mtime":null}"#).expect_problem(400, "bad-request");
}

#[test]
fn mtime_goes_on_whatever_a_client_says() {
    let (_db, server) = exposed();
    let before = server.get("/api/testtype/1").json()["mtime"].as_str().unwrap().to_owned();
    let sent = r#"{"name":"n","mtime":"1999-01-01T00:00:00Z"}"#;
    for (method, path) in [("PATCH", "/api/testtype/1"), ("PUT", "/api/testtype/1"), ("POST", "/api/testtype")] {
        let row = server.send_json(method, path, sent).json();
        assert!(row["mtime"].as_str().unwrap() > before.as_str(), "{method}: {row}");
    }
}

#[test]
fn a_deleted_row_is_gone() {
    let (db, server) = exposed();
    let answer = server.delete("/api/testtype/1/").expect_status(204);
    assert_eq!((answer.body.as_str(), answer.header("content-type")), ("", ""));
    server.delete("/api/testtype/1").expect_problem(404, "not-found");
    assert_eq!(db.psql("select id from testtype"), "2");
}

#[test]
fn the_methods_of_a_resource_are_told() {
    let db = database();
    db.psql("create table readable (id integer primary key); select rowcast.watch('readable')");
    let server = server(&db, "expose = { testtype = \"rw\", readable = \"r\" }");
    for (path, allowed) in [
        ("/api/testtype", "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
        ("/api/testtype/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
        ("/api/readable", "GET, HEAD, OPTIONS"),
        ("/api/readable/1", "GET, HEAD, OPTIONS"),
    ] {
        assert_eq!(server.send("OPTIONS", path, &[], "").expect_status(204).header("allow"), allowed);
    }
    for (method, path) in [("PATCH", "/api/testtype"), ("POST", "/api/testtype/1"), ("PURGE", "/api/testtype/1")] {
        let answer = server.send(method, path, &[], "").expect_problem(405, "method-not-allowed");
        assert!(answer.header("allow").starts_with("GET, HEAD"), "{method} {path}");
    }
}

/// PostgreSQL's functions name their tables as they please: what a trigger finds is up to the role's search_path.
#[test]
fn triggers_of_the_application_find_their_tables() {
    let db = database();
    db.psql(
        "create table diary (line text);
         create function write_diary() returns trigger language plpgsql as $$
         begin insert into diary values (tg_op || ' ' || coalesce(new.name, old.name)); return null; end $$;
         create trigger diary after insert or update or delete on testtype for each row execute function write_diary()",
    );
    let server = server(&db, "expose = { testtype = \"rw\" }");
    server.send_json("POST", "/api/testtype", r#"{"id":7,"name":"Ann"}"#).expect_status(201);
    server.send_json("PATCH", "/api/testtype/7", r#"{"name":"Bob"}"#).expect_status(200);
    server.send_json("PUT", "/api/testtype/7", r#"{"name":"Cy"}"#).expect_status(200);
    server.delete("/api/testtype/7").expect_status(204);
    assert_eq!(db.psql("select line from diary"), "INSERT Ann\nUPDATE Bob\nUPDATE Cy\nDELETE Cy");
    assert_eq!(server.get("/api/testtype").expect_status(200).json().as_array().unwrap().len(), 2);
}

/// A write that waits for a row which another transaction then changes cannot be serialized; it is done again.
#[test]
fn a_write_that_lost_a_conflict_is_retried() {
    let db = database();
    db.psql(&format!("alter database {} set default_transaction_isolation = 'repeatable read'", db.name));
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let mut other = db.client();
    let mut first = other.transaction().unwrap();
    first.batch_execute("update testtype set value = 50 where id = 1").unwrap();
    thread::scope(|scope| {
        let patch = scope.spawn(|| server.send_json("PATCH", "/api/testtype/1", r#"{"name":"patched"}"#));
        wait_until("the PATCH waits for the row", Duration::from_secs(10), || {
            let waiting = db
                .psql("select count(*) from pg_stat_activity where wait_event_type = 'Lock' and query like 'update only public.testtype%'");
            (waiting == "1").then_some(())
        });
        first.commit().unwrap();
        let row = patch.join().unwrap().expect_status(200).json();
        assert_eq!((&row["name"], &row["value"]), (&"patched".into(), &50.into()));
    });
}
