//! Watching and no longer, from the command line.

use super::{stderr, stdout};
use crate::support::{Database, database, output, run};

fn watch(database: &Database, arguments: &[&str]) -> (bool, String) {
    run(&[&["watch", "--database-url", &database.url()], arguments].concat())
}

fn watched(database: &Database) -> String {
    database.psql(
        "select string_agg(relation::text || ' ' || bulk_rows || ' ' || image_bytes, ', ' order by relation::text) from rowcast.watched",
    )
}

#[test]
fn watch_and_unwatch_from_the_command_line() {
    let database = database();
    database.psql("create table person (id int primary key)");
    let done = output(&["watch", "person", "--database-url", &database.url()]);
    assert!(done.status.success() && stdout(&done) == "watched: person\n", "{}{}", stdout(&done), stderr(&done));
    assert!(stderr(&done).contains("[expose]"));
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "2");
    assert!(run(&["unwatch", "public.person", "--database-url", &database.url()]).0);
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "1");
    let (done, text) = watch(&database, &["nowhere"]);
    assert!(!done && text.contains("nowhere"), "{text}");
}

#[test]
fn limits_are_set_and_stay() {
    let database = database();
    assert!(watch(&database, &["testtype", "--bulk-rows", "5", "--image-bytes", "9000"]).0);
    assert_eq!(watched(&database), "testtype 5 9000");
    assert!(watch(&database, &["testtype", "--bulk-rows", "6"]).0);
    assert_eq!(watched(&database), "testtype 6 9000");
    assert!(!watch(&database, &["testtype", "--bulk-rows", "-1"]).0);
}

#[test]
fn all_tables_of_a_schema_are_watched_and_those_that_cannot_be_are_told() {
    let database = database();
    database.psql(
        "create schema \"Shop\"; create table \"Shop\".\"Order\" (id int primary key); create table \"Shop\".odd (mtime text);
         create table \"Shop\".part (id int) partition by range (id); create table \"Shop\".part_1 partition of \"Shop\".part default",
    );
    let (done, text) = watch(&database, &["--all", "Shop"]);
    assert!(!done, "Shop is shop in SQL: {text}");
    let (done, text) = watch(&database, &["--all", "\"Shop\""]);
    assert!(done && text.contains("odd cannot be watched") && !text.contains("part_1"), "{text}");
    assert_eq!(database.psql("select count(*) from rowcast.watched where relation::text like '%Shop%'"), "2");
    assert!(!watch(&database, &["--all", "\"Shop\"", "testtype"]).0);
    assert!(!watch(&database, &[]).0);
}

#[test]
fn one_table_that_fails_does_not_undo_the_others() {
    let database = database();
    database.psql("create table a (id int primary key); create table b (id int primary key)");
    let (done, text) = watch(&database, &["a", "nowhere", "b"]);
    assert!(!done && text.contains("1 of 3 tables failed: nowhere"), "{text}");
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "3");
}

#[test]
fn without_the_schema_or_with_an_older_one_the_way_there_is_told() {
    let empty = database().cluster.empty_database();
    let (done, text) = watch(&empty, &["x"]);
    assert!(!done && text.contains("run rowcast install"), "{text}");
    empty.psql(&format!("begin;\n{}\ncommit;", include_str!("../fixtures/schema_0.1.0.sql")));
    let (done, text) = watch(&empty, &["x"]);
    assert!(!done && text.contains("older version: run rowcast install"), "{text}");
}
