//! The schema: the same by psql and by the binary, the same after a second time.

use std::process::Command;

use crate::support::{Database, database, empty_example, run};

fn schema(database: &Database) -> String {
    let output = Command::new(database.cluster.program("pg_dump")).args(["-s", "-d", &database.url()]).output().unwrap();
    assert!(output.status.success(), "pg_dump: {}", String::from_utf8_lossy(&output.stderr));
    // Newer versions of pg_dump print a random word that keeps a dump from being tampered with.
    String::from_utf8(output.stdout).unwrap().lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_binary_and_psql_install_the_same_and_twice_changes_nothing() {
    let cluster = database().cluster.clone();
    let (by_psql, by_binary) = (cluster.empty_database(), cluster.empty_database());
    by_psql.load("sql");
    let (done, text) = run(&["install", "--database-url", &by_binary.url()]);
    assert!(done, "{text}");
    let once = schema(&by_psql);
    assert!(once.contains("CREATE TABLE rowcast.change"));
    assert_eq!(once, schema(&by_binary));
    by_psql.load("sql");
    assert!(run(&["install", "--database-url", &by_psql.url()]).0);
    assert_eq!(once, schema(&by_psql));
}

#[test]
fn installing_again_keeps_the_log_the_epoch_and_the_beds() {
    let database = empty_example(database());
    database.psql("select rowcast.begin_epoch(), rowcast.set_beds(5)");
    database.psql("insert into testtype (name) values ('a')");
    let state =
        "select rowcast.beds(), rowcast.current_epoch(), (select count(*) from rowcast.change), (select count(*) from rowcast.watched)";
    let before = database.psql(state);
    database.load("sql");
    assert_eq!(database.psql(state), before);
}

#[test]
fn watch_and_unwatch_from_the_command_line() {
    let database = empty_example(database());
    database.psql("create table person (id int primary key)");
    let (done, text) = run(&["watch", "person", "--database-url", &database.url()]);
    assert!(done, "{text}");
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "2");
    assert!(run(&["unwatch", "public.person", "--database-url", &database.url()]).0);
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "1");
    let (done, text) = run(&["watch", "nowhere", "--database-url", &database.url()]);
    assert!(!done && text.contains("nowhere"), "{text}");
}
