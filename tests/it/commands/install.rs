//! The schema: the same by psql and by the binary, the same after a second time, the same as an upgraded older one.

use std::time::{Duration, Instant};

use super::{psql, schema, stderr, stdout};
use crate::support::{Database, database, empty_example, launch, output, program, run, server, wait_for};

/// A database with the schema as version 0.1.0 made it, and a table that it watches.
fn older() -> Database {
    let database = database().cluster.empty_database();
    database.psql(&format!("begin;\n{}\ncommit;", include_str!("../fixtures/schema_0.1.0.sql")));
    database.psql("create table person (id int primary key, name text); select rowcast.watch('person', 7), rowcast.begin_epoch(), rowcast.set_beds(5)");
    database
}

fn install(database: &Database) -> String {
    let installed = output(&["install", "--database-url", &database.url()]);
    assert!(installed.status.success(), "{}", stderr(&installed));
    stdout(&installed)
}

#[test]
fn the_binary_and_psql_install_the_same_and_twice_changes_nothing() {
    let cluster = database().cluster.clone();
    let (by_psql, by_binary) = (cluster.empty_database(), cluster.empty_database());
    by_psql.load("sql");
    assert!(install(&by_binary).contains("has been installed"));
    let once = schema(&by_psql, &[]);
    assert!(once.contains("CREATE TABLE rowcast.change"));
    assert_eq!(once, schema(&by_binary, &[]));
    by_psql.load("sql");
    assert!(install(&by_psql).contains("was there already"));
    assert_eq!(once, schema(&by_psql, &[]));
}

#[test]
fn installing_again_keeps_the_log_the_epoch_and_the_beds() {
    let database = empty_example(database());
    database.psql("select rowcast.begin_epoch(), rowcast.set_beds(5)");
    database.psql("insert into testtype (name) values ('a')");
    let before = database.psql(STATE);
    database.load("sql");
    assert_eq!(database.psql(STATE), before);
}

const STATE: &str = "select rowcast.beds(), rowcast.current_epoch(), (select snapshot from rowcast.horizon),
    (select json_agg(c.*) from (select id, xid, relation, op, old, new, time from rowcast.change order by id) c),
    (select json_agg(w.*) from (select relation, bulk_rows, mtime_added, default_added from rowcast.watched) w)";

#[test]
fn an_upgrade_keeps_the_log_and_ends_at_the_same_schema_as_a_fresh_one() {
    let (database, fresh) = (older(), database().cluster.empty_database());
    database.psql("insert into person values (1, 'Ann')");
    let before = database.psql(STATE);
    assert!(before.contains("Ann"), "{before}");
    assert!(install(&database).contains("was of version 1"));
    assert_eq!(database.psql(STATE), before);
    database.psql("update person set name = 'Bob'; truncate person");
    let captured = "select string_agg(op::text, '' order by id) from rowcast.change";
    assert_eq!(database.psql(captured), "IUR", "the triggers that the older version made still capture");
    database.psql("select rowcast.set_beds(2)");
    install(&fresh);
    let only_ours = ["--schema", "rowcast"];
    assert_eq!(schema(&database, &only_ours), schema(&fresh, &only_ours));
    database.psql("select rowcast.watch('person'); insert into person values (2, 'Eve'); select rowcast.unwatch('person')");
}

#[test]
fn a_server_refuses_an_older_schema_until_it_is_upgraded() {
    let database = older();
    let mut early = launch(&database.url(), "", &[]);
    assert!(!early.wait().success());
    assert!(early.log().contains("is of version 1") && early.log().contains("run rowcast install"), "{}", early.log());
    install(&database);
    server(&database, "");
}

#[test]
fn a_dry_run_prints_the_sql_itself_and_says_what_is_there() {
    let cluster = database().cluster.clone();
    let (by_psql, by_binary) = (cluster.empty_database(), cluster.empty_database());
    let nothing = schema(&by_psql, &[]);
    let dry = output(&["install", "--dry-run", "--database-url", &by_psql.url()]);
    assert!(dry.status.success() && stderr(&dry).contains("no schema rowcast yet"), "{}", stderr(&dry));
    assert_eq!(schema(&by_psql, &[]), nothing);
    let loaded = psql(&by_psql, &stdout(&dry));
    assert!(loaded.status.success(), "{}", stderr(&loaded));
    install(&by_binary);
    assert_eq!(schema(&by_psql, &[]), schema(&by_binary, &[]));

    let says = |database: &Database| stderr(&output(&["install", "--dry-run", "--database-url", &database.url()]));
    assert!(says(&by_psql).contains("is there already"));
    assert!(says(&older()).contains("is of version 1"));
    let nowhere = output(&["install", "--dry-run", "--database-url", "postgresql://app@/x?host=/nowhere"]);
    assert!(nowhere.status.success() && stderr(&nowhere).contains("not known"), "{}", stderr(&nowhere));
    assert_eq!(stdout(&nowhere), stdout(&dry));
}

#[test]
fn a_reader_that_has_read_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let database = database();
    let dry = program().args(["install", "--dry-run", "--database-url", &database.url()]).stdout(writer).output().unwrap();
    assert!(dry.status.success() && !stderr(&dry).contains("ERROR"), "{}", stderr(&dry));
}

#[test]
fn a_failing_load_by_psql_leaves_nothing_behind() {
    let database = database().cluster.empty_database();
    let nothing = schema(&database, &[]);
    let broken = rowcast::db::install::script().replace("create or replace view rowcast.table_mtime", "create nonsense");
    let loaded = psql(&database, &broken);
    assert!(!loaded.status.success());
    assert_eq!(schema(&database, &[]), nothing);
}

#[test]
fn a_newer_schema_is_refused_by_the_binary_and_by_psql() {
    let database = database();
    database.psql("create or replace function rowcast.version() returns integer language sql immutable as 'select 99'");
    for arguments in [vec!["install"], vec!["install", "--dry-run"], vec!["watch", "testtype"]] {
        let (done, said) = run(&[&arguments[..], &["--database-url", &database.url()]].concat());
        assert!(!done && said.contains("version 99") && said.contains("newer program"), "{said}");
    }
    let loaded = psql(&database, &rowcast::db::install::script());
    assert!(!loaded.status.success() && stderr(&loaded).contains("version 99"), "{}", stderr(&loaded));
    assert_eq!(database.psql("select rowcast.version()"), "99");
}

#[test]
fn an_altered_function_is_put_right() {
    let database = database();
    database.psql("create or replace function rowcast.touch() returns trigger language plpgsql as 'begin return new; end'");
    assert!(install(&database).contains("put right: touch"));
    assert!(install(&database).contains("was there already, of this version"));
}

#[test]
fn somebody_elses_schema_of_that_name_is_refused_and_an_empty_one_is_used() {
    let database = database().cluster.empty_database();
    database.psql("create schema rowcast; create table rowcast.mine (id int)");
    let (done, said) = run(&["install", "--database-url", &database.url()]);
    assert!(!done && said.contains("table rowcast.mine"), "{said}");
    database.psql("drop table rowcast.mine");
    install(&database);
}

#[test]
fn a_role_that_may_not_make_schemas_is_told_what_to_ask_for() {
    let database = database().cluster.empty_database();
    let guest = format!("guest_{}", database.name);
    database.psql_as_superuser(&format!("create role {guest} login"));
    let url = database.url().replacen("app@", &format!("{guest}@"), 1);
    let (done, said) = run(&["install", "--database-url", &url]);
    let grant = format!("grant create on database \"{}\" to \"{guest}\"", database.name);
    assert!(!done && said.contains(&grant), "{said}");
    database.psql(&grant);
    assert!(run(&["install", "--database-url", &url]).0);
    database.psql_as_superuser(&format!("drop owned by {guest}; drop role {guest}"));
}

/// A transaction that has logged holds the log until it ends; whoever waits for the log to be free makes all others wait.
#[test]
fn an_upgrade_of_a_busy_log_does_not_make_writers_queue() {
    let database = older();
    let mut long = database.client();
    long.batch_execute("begin; insert into person values (1, 'long')").unwrap();
    let url = database.url();
    let installing = std::thread::spawn(move || run(&["install", "--database-url", &url]));
    let asked = "select count(*) from pg_locks l join pg_stat_activity a using (pid)
        where not l.granted and a.application_name = 'rowcast command' and a.datname = current_database()";
    let mut writer = database.client();
    wait_for("the installer waits for the log", || (writer.query_one(asked, &[]).unwrap().get::<_, i64>(0) > 0).then_some(()));
    let mut longest = Duration::ZERO;
    for id in 2..40 {
        let begun = Instant::now();
        writer.execute("insert into person values ($1, 'short')", &[&id]).unwrap();
        longest = longest.max(begun.elapsed());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(longest < Duration::from_millis(1_000), "a writer waited for {longest:?}");
    assert!(!installing.is_finished(), "the log was free after all");
    long.batch_execute("commit").unwrap();
    let (done, said) = installing.join().unwrap();
    assert!(done, "{said}");
    assert_eq!(database.psql("select count(*) from rowcast.change where op = 'I'"), "39");
}
