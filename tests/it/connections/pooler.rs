//! Requests behind a real pgbouncer in transaction mode, the tailer straight: all works, and nothing is left with the
//! pooler's sessions that would meet another application.

use std::process::Command;

use crate::support::follower::Follower;
use crate::support::pgbouncer::PgBouncer;
use crate::support::{Database, TESTTYPE, database, empty_example, launch, server, wait_for};

/// What psql prints for SQL through the pooler.
fn through(pooler: &PgBouncer, database: &Database, sql: &str) -> String {
    let output = Command::new(database.cluster.program("psql"))
        .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &pooler.url(database), "-c", sql])
        .output()
        .expect("psql can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A few times as many as the pooler has sessions, taken in turn.
fn through_all(pooler: &PgBouncer, database: &Database, sql: &str) -> Vec<String> {
    (0..9).map(|_| through(pooler, database, sql)).collect()
}

#[test]
fn reads_writes_and_following_work_behind_pgbouncer() {
    let database = empty_example(database());
    let pooler = PgBouncer::start(&database, "transaction");
    // Two servers, whose statements would meet in the pooler's sessions if they had names; and a ring in which hardly a
    // batch has room, so that polls are answered from the log, by way of the pooler.
    let settings =
        format!("tail_database_url = \"{}\"\nring_bytes = 1024\nkeep_seconds = 4\nslow_timer_seconds = 1\n{TESTTYPE}", database.url());
    let servers = [launch(&pooler.url(&database), &settings, &[]).ready(), launch(&pooler.url(&database), &settings, &[]).ready()];
    let followers: Vec<Follower> = servers.iter().map(|server| Follower::start(server.port, "testtype", "", |_| None)).collect();
    std::thread::scope(|scope| {
        for server in &servers {
            for writer in 0..3 {
                scope.spawn(move || {
                    for round in 0..20 {
                        let row = server.send_json("POST", "/api/testtype", &format!(r#"{{"name": "{writer}", "value": {round}}}"#));
                        let id = row.expect_status(201).json()["id"].clone();
                        server.send_json("PATCH", &format!("/api/testtype/{id}"), r#"{"value": -1}"#).expect_status(200);
                        server.get("/api/testtype?value=eq.-1&limit=5").expect_status(200);
                        server.get(&format!("/api/testtype/{id}")).expect_status(200);
                        if round % 4 == 0 {
                            server.delete(&format!("/api/testtype/{id}")).expect_status(204);
                        }
                    }
                });
            }
        }
    });
    for follower in &followers {
        wait_for("all rows are there", || (follower.rows().len() == 90).then_some(()));
        assert!(follower.rows().values().all(|row| row["value"] == -1));
        assert_eq!(follower.seen().repeated, Vec::<String>::new());
    }
    // A poll that comes back later than the ring reaches.
    let since = servers[0].get("/api/testtype").header("rowcast-cursor").to_owned();
    for number in 0..30 {
        database.psql(&format!("insert into testtype (name) values ('{number}')"));
    }
    let (mut since, mut changes) = (since, 0);
    wait_for("the late poll has all changes", || {
        let late = servers[1].get(&format!("/notify?table=testtype&since={since}&value=is.null&wait=1")).json();
        changes += late["answers"][0]["changes"].as_array().map_or(0, Vec::len);
        since = late["cursor"].as_str().unwrap().to_owned();
        (changes == 30).then_some(())
    });
    // The pruner's statements go the same way.
    wait_for("the log is pruned", || (database.psql("select count(*) from rowcast.change") == "0").then_some(()));
    for server in &servers {
        assert!(!server.log().contains("WARN") && !server.log().contains("ERROR"), "{}", server.log());
    }
}

#[test]
fn nothing_is_left_with_the_poolers_sessions_and_nothing_of_theirs_is_taken_over() {
    let database = empty_example(database());
    let pooler = PgBouncer::start(&database, "transaction");
    let settings = format!("tail_database_url = \"{}\"\n{TESTTYPE}kinds = \"r\"\n", database.url());
    database.psql("create table kinds (id int primary key, period interval, bytes bytea, number float8); select rowcast.watch('kinds')");
    database.psql(
        "insert into kinds values (1, '1 day 2 hours', '\\x00ff', 0.30000000000000004); insert into testtype (id, name) values (1, 'a')",
    );
    let server = launch(&pooler.url(&database), &settings, &[]).ready();
    let list = server.get("/api/kinds").expect_status(200).body;
    for printed in ["+00:00", "P1DT2H", "x00ff", "0.30000000000000004"] {
        assert!(list.contains(printed), "{list}");
    }
    for round in 0..20 {
        server.get(&format!("/api/testtype?mtime=is.null&limit={}", round + 1)).expect_status(200);
        server.send_json("PATCH", "/api/testtype/1", r#"{"name": "b"}"#).expect_status(200);
    }
    let settings = "timezone bytea_output search_path statement_timeout max_parallel_workers_per_gather default_transaction_isolation";
    for setting in settings.split(' ') {
        let untouched = database.psql(&format!("show {setting}"));
        for shown in through_all(&pooler, &database, &format!("show {setting}")) {
            assert_eq!(shown, untouched, "{setting}");
        }
    }
    for names in through_all(&pooler, &database, "select count(*) from pg_prepared_statements") {
        assert_eq!(names, "0", "statements with names");
    }
    // What another application leaves behind does not change what is served.
    let bent = "set intervalstyle = 'sql_standard'; set bytea_output = 'escape'; set extra_float_digits = -5; set search_path = nowhere";
    through_all(&pooler, &database, bent);
    for shown in through_all(&pooler, &database, "select cast('1 day 2 hours' as interval)") {
        assert_ne!(shown, "P1DT2H");
    }
    for _ in 0..9 {
        assert_eq!(server.get("/api/kinds").expect_status(200).body, list);
    }
}

#[test]
fn a_tailer_behind_a_pooler_in_transaction_mode_is_refused() {
    let database = empty_example(database());
    let pooler = PgBouncer::start(&database, "transaction");
    let mut refused = launch(&pooler.url(&database), TESTTYPE, &[]);
    assert!(!refused.wait().success());
    assert!(refused.log().contains("tail_database_url") && refused.log().contains("pgbouncer"), "{}", refused.log());
    launch(&pooler.url(&database), TESTTYPE, &["--tail-database-url", &database.url()]).ready();
    // In session mode a pooler is as good as none.
    let pooler = PgBouncer::start(&database, "session");
    let server = launch(&pooler.url(&database), TESTTYPE, &[]).ready();
    let follower = Follower::start(server.port, "testtype", "", |_| None);
    database.psql("insert into testtype (id, name) values (1, 'a')");
    wait_for("the row is there", || (follower.rows().len() == 1).then_some(()));
}

#[test]
fn two_addresses_must_lead_to_one_database() {
    let database = empty_example(database());
    let other = database.cluster.database();
    drop(server(&database, TESTTYPE));
    let copy = database.copy();
    // Each has a history of its own, which begins with its first server.
    for elsewhere in [&other, &copy] {
        drop(server(elsewhere, ""));
    }
    for elsewhere in [&other, &copy] {
        let mut refused = launch(&database.url(), TESTTYPE, &["--tail-database-url", &elsewhere.url()]);
        assert!(!refused.wait().success(), "{}", elsewhere.name);
        let log = refused.log();
        assert!(log.contains("one database") && log.contains(&database.name) && log.contains(&elsewhere.name), "{log}");
    }
    let same = format!("host={} dbname={} user=app", database.cluster.directory().display(), database.name);
    let settings = format!("tail_database_url = \"{same}\"\n{TESTTYPE}");
    launch(&database.url(), &settings, &[]).ready();
}
