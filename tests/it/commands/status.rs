//! What there is: for a person, and as JSON.

use std::fs;

use serde_json::Value;

use super::{stderr, stdout};
use crate::support::{Database, Server, TESTTYPE, database, launch, output, server, wait_for};

/// The status with these settings, asking a server at a port.
fn status(url: &str, settings: &str, port: u16, flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rowcast.toml");
    fs::write(&file, settings).unwrap();
    let common = ["status", "--config", file.to_str().unwrap(), "--database-url", url, "--port", &port.to_string()];
    let output = output(&[&common, flags].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

fn json(url: &str, settings: &str, port: u16) -> Value {
    serde_json::from_str(&status(url, settings, port, &["--json"])).unwrap()
}

/// A line of the text by its first word.
fn line<'a>(text: &'a str, first: &str) -> &'a str {
    text.lines().find(|line| line.split_whitespace().next() == Some(first)).unwrap_or_else(|| panic!("no line {first} in:\n{text}"))
}

/// A role of its own for one database; whatever it owns goes with it.
fn role(database: &Database, name: &str) -> (String, String) {
    let role = format!("{name}_{}", database.name);
    database.psql_as_superuser(&format!("create role {role} login"));
    (role.clone(), database.url().replacen("app@", &format!("{role}@"), 1))
}

#[test]
fn a_served_database_in_all_its_parts() {
    let db = database();
    db.psql(
        "select rowcast.begin_epoch(); create table pairs (a int, b int, primary key (b, a)); create table bare (n int); select rowcast.watch('bare', 5);
         create table loose (id int); select rowcast.watch('pairs'); insert into pairs values (1, 2), (3, 4)",
    );
    let settings = format!("{TESTTYPE}pairs = \"r\"\nloose = \"r\"\nmissing = \"r\"\n");
    let server = launch(&db.url(), &settings, &[]);
    wait_for("the server has seen all", || (json(&db.url(), &settings, server.port)["server"]["behind"]["changes"] == 0).then_some(()));
    let text = status(&db.url(), &settings, server.port, &[]);
    let words = |first| line(&text, first).split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words("database").contains(&db.name) && words("schema") == "schema version 3", "{text}");
    assert!(words("log").starts_with("log 4 rows, ") && words("log").contains("s ago"), "{text}");
    assert_eq!(words("retention"), "retention 3600 s, and 1024 MB at most");
    assert!(words("server").contains("is not ready and has seen every change; the exposed table loose is not watched"), "{text}");
    assert!(words("pairs").starts_with("pairs table b, a 1000 3 ") && words("bare").starts_with("bare table none 5 1 "), "{text}");
    let exposed: Vec<&str> = text.split("exposed:").nth(1).unwrap().lines().map(str::trim).collect();
    assert!(exposed.contains(&"testtype  rw      yes") && exposed.contains(&"pairs     r       yes"), "{text}");
    assert!(exposed.iter().any(|line| line.starts_with("loose") && line.contains("no: ") && line.contains("rowcast watch")), "{text}");
    assert!(exposed.iter().any(|line| line.starts_with("missing") && line.contains("does not exist")), "{text}");
    wait_for("the tailer sleeps", || (json(&db.url(), &settings, server.port)["sleeping"] == 1).then_some(()));
}

/// The server answers, but its tailer has no database any more.
#[test]
fn how_far_behind_is_counted_in_the_log() {
    let db = database();
    let (guest, url) = role(&db, "behind");
    db.psql_as_superuser(&format!("grant app to {guest}"));
    let server: Server = launch(&url, TESTTYPE, &[]).ready();
    // In progress when the tailer reads what comes after it.
    let mut long = db.client();
    long.batch_execute("begin; insert into testtype (name) values ('long')").unwrap();
    let before = server.get("/readyz").json()["cursor"].clone();
    db.psql("insert into testtype (name) values ('told')");
    wait_for("the tailer has read it", || (server.get("/readyz").json()["cursor"] != before).then_some(()));
    db.psql_as_superuser(&format!(
        "alter role {guest} nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{guest}'"
    ));
    wait_for("the tailer has lost the database", || (server.get("/readyz").status == 503).then_some(()));
    let now = json(&db.url(), TESTTYPE, server.port);
    assert_eq!((&now["server"]["behind"]["changes"], &now["server"]["ready"]), (&Value::from(0), &Value::from(false)), "{now}");
    long.batch_execute("commit").unwrap();
    db.psql("insert into testtype (name) values ('a'), ('b'); update rowcast.change set time = time - interval '90 seconds' where new->>'name' = 'b'");
    let text = status(&db.url(), TESTTYPE, server.port, &[]);
    assert!(line(&text, "server").contains("3 changes behind, the oldest of them 9"), "{text}");
    db.psql_as_superuser(&format!("drop owned by {guest}; drop role {guest}"));
}

#[test]
fn a_server_that_is_not_there_or_another_databases_is_told() {
    let (db, other) = (database(), database());
    let server = server(&other, TESTTYPE);
    let text = status(&db.url(), TESTTYPE, server.port, &[]);
    assert!(line(&text, "server").contains("serves another database"), "{text}");
    let port = server.port;
    drop(server);
    let text = status(&db.url(), TESTTYPE, port, &[]);
    assert!(line(&text, "server").contains(&format!("no server answers at 127.0.0.1:{port}")), "{text}");
}

#[test]
fn a_role_without_rights_is_told_what_it_may_know() {
    let db = database();
    let (guest, url) = role(&db, "nobody");
    let text = status(&url, TESTTYPE, 1, &[]);
    assert!(line(&text, "schema").ends_with("version 3") && line(&text, "log").contains("may not read it"), "{text}");
    assert!(text.contains("id   1000       -"), "the watched table: {text}");
    assert!(text.contains("no: there is no schema rowcast of this version that the role may use"), "{text}");
    db.psql_as_superuser(&format!("drop role {guest}"));
}

#[test]
fn without_the_schema_or_with_an_older_one_the_way_there_is_told() {
    let empty = database().cluster.empty_database();
    let text = status(&empty.url(), "", 1, &[]);
    assert!(line(&text, "schema").contains("rowcast install") && text.contains("watched: nothing"), "{text}");
    empty.psql(&format!("begin;\n{}\ncommit;", include_str!("../fixtures/schema_0.1.0.sql")));
    empty.psql("create table person (id int primary key); select rowcast.watch('person', 8)");
    let text = status(&empty.url(), "", 1, &[]);
    assert!(line(&text, "schema").contains("version 1, which is older"), "{text}");
    assert!(text.contains("table  id   8          1"), "{text}");
}
