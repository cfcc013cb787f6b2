//! Uninstalling: all of it, and nothing else.

use super::{in_terminal, psql, schema, stderr, stdout};
use crate::support::{Cluster, Database, database, output, run};

/// A database with all sorts of tables, but no rowcast yet.
fn a_grown_database() -> Database {
    let database = database().cluster.empty_database();
    database.psql(
        "create schema \"Shop\";
         create table person (id int primary key, name text, mtime timestamptz not null default now());
         create table \"Shop\".\"Order\" (id int generated always as identity primary key, mtime timestamptz);
         create table plain (id int primary key, note text default 'x');
         create table unwatched (id int primary key, mtime timestamptz default clock_timestamp());
         create table part (id int) partition by range (id);
         create table part_1 partition of part for values from (0) to (10);
         create table part_2 partition of part for values from (10) to (20);
         create function own() returns trigger language plpgsql as 'begin return new; end';
         create trigger zz_own before update on person for each row execute function own();
         create view people as select id, name, mtime from person;
         create index on person (mtime)",
    );
    database
}

const TABLES: [&str; 4] = ["person", "\"Shop\".\"Order\"", "plain", "part"];

fn installed(database: &Database) {
    assert!(run(&["install", "--database-url", &database.url()]).0);
    let (done, text) = run(&[&["watch", "--database-url", &database.url()], &TABLES[..]].concat());
    assert!(done, "{text}");
}

fn uninstall(database: &Database, flags: &[&str]) -> (bool, String) {
    run(&[&["uninstall", "--database-url", &database.url()], flags].concat())
}

fn is_installed(database: &Database) -> bool {
    database.psql("select to_regnamespace('rowcast') is not null") == "t"
}

#[test]
fn nothing_is_left_and_nothing_else_is_gone() {
    let database = a_grown_database();
    let before = schema(&database, &[]);
    installed(&database);
    assert_ne!(schema(&database, &[]), before);
    database.psql("insert into person values (1, 'Ann'); update person set name = 'Bob'; insert into part values (5), (15)");
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(done && said.contains("rowcast has been removed"), "{said}");
    assert_eq!(schema(&database, &[]), before);
    assert_eq!(database.psql("select id, name from person"), "1|Bob");
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(done && said.contains("there is no schema rowcast"), "{said}");
}

#[test]
fn a_dry_run_for_psql_does_the_same() {
    let database = a_grown_database();
    let before = schema(&database, &[]);
    installed(&database);
    let dry = output(&["uninstall", "--dry-run", "--database-url", &database.url()]);
    assert!(is_installed(&database));
    let loaded = psql(&database, &stdout(&dry));
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    assert_eq!(schema(&database, &[]), before);
}

/// Ours stand on a table though `rowcast.watched` does not know it: a row deleted by hand, a partition that was detached.
#[test]
fn triggers_of_ours_go_from_wherever_they_stand() {
    let database = a_grown_database();
    installed(&database);
    database.psql(
        "delete from rowcast.watched where relation = 'plain'::regclass;
         create trigger odd after insert on unwatched for each row execute function rowcast.capture('5');
         alter table part detach partition part_2;
         drop table \"Shop\".\"Order\";
         create table lone (id int); select rowcast.watch('lone'); create table root (id int, mtime timestamptz not null) partition by range (id);
         alter table root attach partition lone default",
    );
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(done, "{said}");
    assert_eq!(database.psql("select count(*) from pg_trigger where not tgisinternal"), "1", "the application's own stays");
}

#[test]
fn what_others_made_to_depend_on_it_keeps_it() {
    let database = a_grown_database();
    installed(&database);
    for (make, named, drop) in [
        ("create view latest as select * from rowcast.table_mtime", "view latest", "drop view latest"),
        ("create table rowcast.mine (id int)", "table rowcast.mine", "drop table rowcast.mine"),
        ("create function rowcast.mine() returns int language sql as 'select 1'", "function rowcast.mine()", "drop function rowcast.mine"),
        ("create domain rowcast.mine as int", "type rowcast.mine", "drop domain rowcast.mine"),
        ("create sequence rowcast.mine", "sequence rowcast.mine", "drop sequence rowcast.mine"),
        ("create view recent as select mtime from plain", "view recent", "drop view recent"),
        ("create table kept (w rowcast.watched)", "column w of table kept", "drop table kept"),
        (
            "alter table unwatched add column beds int default rowcast.beds()",
            "default value for column beds of table unwatched",
            "alter table unwatched drop column beds",
        ),
        ("create table refers (r regclass references rowcast.watched)", "constraint refers_r_fkey on table refers", "drop table refers"),
    ] {
        database.psql(make);
        let before = schema(&database, &[]);
        let (done, said) = uninstall(&database, &["--yes"]);
        assert!(!done && said.contains(named), "{make}: {said}");
        assert_eq!(schema(&database, &[]), before, "{make}: a refusal changes nothing");
        database.psql(drop);
    }
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(done, "{said}");
}

#[test]
fn it_asks_first() {
    let database = a_grown_database();
    installed(&database);
    let (done, said) = uninstall(&database, &[]);
    assert!(!done && said.contains("--yes"), "{said}");
    let arguments = ["uninstall", "--database-url", &database.url()];
    let shown = in_terminal(&arguments, "n\n");
    assert!(
        shown.contains("the column mtime from public.plain") && shown.contains("[y/N]") && shown.contains("nothing was changed"),
        "{shown}"
    );
    assert!(shown.contains("triggers from public.person"), "its mtime is its own: {shown}");
    assert!(is_installed(&database));
    in_terminal(&arguments, "y\n");
    assert!(!is_installed(&database));
}

#[test]
fn only_an_owner_may() {
    let database = a_grown_database();
    installed(&database);
    database.psql_as_superuser("alter table plain owner to boss");
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(!done && said.contains("table plain (its owner is boss)"), "{said}");
    assert_eq!(database.psql("select count(*) from rowcast.watched"), "4", "a refusal changes nothing");
    database.psql_as_superuser("alter table plain owner to app");
    assert!(uninstall(&database, &["--yes"]).0);
}

#[test]
fn somebody_elses_schema_of_that_name_stays() {
    let database = database().cluster.empty_database();
    database.psql("create schema rowcast; create table rowcast.mine (id int)");
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(!done && said.contains("table rowcast.mine"), "{said}");
}

#[test]
fn an_older_schema_is_removed_too() {
    let database = a_grown_database();
    let before = schema(&database, &[]);
    database.psql(&format!("begin;\n{}\ncommit;", include_str!("../fixtures/schema_0.1.0.sql")));
    database.psql("select rowcast.watch('person'), rowcast.watch('plain')");
    let (done, said) = uninstall(&database, &["--yes"]);
    assert!(done, "{said}");
    assert_eq!(schema(&database, &[]), before);
}

#[test]
fn the_role_of_the_trigger_goes_with_the_last_database_that_uses_it() {
    let cluster = Cluster::start();
    let (first, last) = (cluster.database(), cluster.database());
    let (done, said) = uninstall(&first, &["--yes"]);
    assert!(done && said.contains(&format!("rowcast_capture stays: it is used in {}", last.name)), "{said}");
    let roles = "select count(*) from pg_roles where rolname = 'rowcast_capture'";
    assert_eq!(last.psql(roles), "1");
    last.psql("insert into testtype (name) values ('a')");
    assert!(uninstall(&last, &["--yes"]).0);
    assert_eq!(last.psql(roles), "0");
    // And it can all be had back.
    assert!(run(&["install", "--database-url", &last.url()]).0);
    assert_eq!(last.psql(roles), "1");
}
