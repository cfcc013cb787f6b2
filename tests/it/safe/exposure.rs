//! Nothing is seen over HTTP but what the configuration names, and nothing is written but what it lets be.

use std::fs;

use crate::support::{database, server};

#[test]
fn watching_exposes_nothing() {
    let db = database();
    let closed = server(&db, "");
    let open = server(&db, "expose = { testtype = \"r\" }");
    assert_eq!(db.psql("select count(*) from rowcast.watched"), "1", "it is watched");
    for path in ["/api/testtype", "/api/testtype/1", "/notify?table=testtype&wait=0"] {
        closed.get(path).expect_problem(404, "not-found");
        open.get(path).expect_status(200);
    }
    let poll = r#"{"wait":0,"subscriptions":[{"id":"a","table":"testtype","since":"now"}]}"#;
    closed.send_json("POST", "/notify", poll).expect_problem(404, "not-found");
    open.send_json("POST", "/notify", poll).expect_status(200);
    closed.send_json("POST", "/api/testtype", r#"{"name":"x"}"#).expect_problem(404, "not-found");
}

/// What is there and hidden cannot be told from what is not there.
#[test]
fn an_unexposed_table_is_as_unknown_as_any() {
    let db = database();
    db.psql("create table secret (id integer primary key); select rowcast.watch('secret')");
    let server = server(&db, "expose = { testtype = \"rw\" }");
    for (hidden, unknown) in
        [("/api/secret", "/api/nobody"), ("/api/secret/1", "/api/nobody/1"), ("/notify?table=secret", "/notify?table=nobody")]
    {
        let (hidden, unknown) = (server.get(hidden).expect_problem(404, "not-found"), server.get(unknown).expect_problem(404, "not-found"));
        assert_eq!(hidden.body.replace("secret", "nobody"), unknown.body);
    }
    server.send("DELETE", "/api/secret/1", &[], "").expect_problem(404, "not-found");
    server.send("OPTIONS", "/api/secret", &[], "").expect_problem(404, "not-found");
    server.get("/api/testtype").expect_status(200);
}

#[test]
fn a_table_exposed_for_reading_is_only_read() {
    let db = database();
    let (readable, writable) = (server(&db, "expose = { testtype = \"r\" }"), server(&db, "expose = { testtype = \"rw\" }"));
    for (method, path, body, status) in [
        ("POST", "/api/testtype", r#"{"name":"x"}"#, 201),
        ("PATCH", "/api/testtype/1", r#"{"name":"x"}"#, 200),
        ("PUT", "/api/testtype/1", r#"{"name":"x"}"#, 200),
        ("DELETE", "/api/testtype/1", "", 204),
    ] {
        readable.send_json(method, path, body).expect_problem(403, "forbidden");
        writable.send_json(method, path, body).expect_status(status);
    }
    readable.get("/api/testtype/2").expect_status(200);
}

#[test]
fn the_checkouts_own_configuration_exposes_the_example_and_nothing_else() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/rowcast.toml")).expect("the checkout's rowcast.toml");
    let configuration: toml::Table = text.parse().expect("TOML");
    assert_eq!(configuration, "expose = { testtype = \"rw\" }".parse().unwrap());
}

#[test]
fn names_and_values_of_a_request_are_no_sql() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let injection = "x'); drop table testtype; --";
    let path = "/api/testtype/1%3B%20drop%20table%20testtype";
    server.get(path).expect_problem(400, "bad-request");
    server.delete(path).expect_problem(400, "bad-request");
    server.get("/api/testtype%3B%20drop%20table%20testtype").expect_problem(404, "not-found");
    server.get("/api/testtype?id%3D1)%3B%20drop%20table%20testtype%3B--=eq.1").expect_problem(400, "bad-request");
    server.get("/api/testtype?name=eq.x')%3B%20drop%20table%20testtype%3B--").expect_status(200);
    server
        .send_json("POST", "/api/testtype", &format!(r#"{{"name\") values ('x'); --":"{injection}"}}"#))
        .expect_problem(400, "bad-request");
    let row = server.send_json("POST", "/api/testtype", &format!(r#"{{"name":"{injection}"}}"#)).expect_status(201).json();
    assert_eq!(row["name"], injection);
    assert_eq!(db.psql("select count(*) from testtype"), "3");
}

/// The log holds every row: what a list would not show the server's role must not be followed either.
#[test]
fn what_the_servers_role_may_not_read_is_not_followed() {
    let db = database();
    db.psql("create table secret (id int primary key); create table veiled (id int primary key); select rowcast.watch('secret'), rowcast.watch('veiled')");
    db.psql("alter table veiled enable row level security, force row level security");
    db.psql_as_superuser("alter table secret owner to boss; revoke all on secret from app");
    let server = crate::support::launch(&db.url(), "expose = { secret = \"r\", veiled = \"r\", testtype = \"r\" }", &[]);
    crate::support::wait_for("the server listens", || server.log().contains("serving").then_some(()));
    for table in ["secret", "veiled"] {
        server.get(&format!("/api/{table}")).expect_problem(404, "not-found");
        server.get(&format!("/notify?table={table}&wait=0")).expect_problem(404, "not-found");
        assert!(server.get("/readyz").body.contains(&format!("{table} is not served")), "{}", server.log());
    }
    server.get("/notify?table=testtype&wait=0").expect_status(200);
}
