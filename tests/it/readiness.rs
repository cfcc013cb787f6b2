//! `/healthz` and `/readyz`: the truth about database, tailer, schema and tables, told within seconds whatever hangs.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::proxy::Proxy;
use crate::support::{Answer, Server, TESTTYPE, database, empty_example, example, launch, run, wait_for};

/// The longest that anybody who asks may have to wait: the server's patience, and some for a busy machine.
const SOON: Duration = Duration::from_secs(5);

fn ready(server: &Server) -> Answer {
    let begun = Instant::now();
    let answer = server.get("/readyz");
    assert!(begun.elapsed() < SOON, "the answer took {:?}", begun.elapsed());
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.json()["status"], if answer.status == 200 { "ready" } else { "not ready" });
    assert_eq!(answer.json()["problems"].as_array().is_some_and(Vec::is_empty), answer.status == 200, "{answer:?}");
    answer
}

fn wait_for_problem(server: &Server, check: &str, words: &str) -> Value {
    wait_for(&format!("{check} is not ready: {words}"), || {
        let answer = ready(server);
        let told = answer.json()["problems"].to_string();
        (answer.status == 503 && answer.json()["checks"][check]["ok"] == false && told.contains(words)).then(|| answer.json())
    })
}

fn wait_until_ready(server: &Server) {
    wait_for("the server is ready again", || (ready(server).status == 200).then_some(()));
}

#[test]
fn a_server_where_all_is_well_is_ready() {
    let (_database, server) = example();
    assert_eq!(server.get("/healthz").json()["status"], "ok");
    let answer = ready(&server).expect_status(200).json();
    for check in ["database", "tailer", "schema", "tables"] {
        assert_eq!(answer["checks"][check]["ok"], true, "{answer}");
    }
    assert_eq!(answer["checks"]["schema"]["version"], answer["checks"]["schema"]["needed"]);
    for age in [&answer["checks"]["database"]["answered_seconds_ago"], &answer["checks"]["tailer"]["read_seconds_ago"]] {
        assert!(age.as_f64().unwrap() < 2.0, "what is told is of this moment: {answer}");
    }
}

#[test]
fn a_database_that_hangs_is_found_out_by_asking_and_nobody_waits_for_it() {
    let database = empty_example(database());
    let proxy = Proxy::start(database.cluster.directory());
    let url = format!("postgresql://app@127.0.0.1:{}/{}", proxy.port, database.name);
    let flags = ["--request-timeout-seconds", "2", "--pool-connections", "2"];
    let server = launch(&url, TESTTYPE, &flags).ready();
    proxy.swallow();
    // The tailer sleeps, and nothing has failed yet: only who asks finds out.
    let answer = ready(&server).expect_status(503).json();
    assert!(answer["checks"]["tailer"]["problem"].as_str().unwrap().contains("did not read the log within 2 s"), "{answer}");
    let answer = wait_for_problem(&server, "database", "");
    assert_eq!(answer["checks"]["tailer"]["ok"], false, "{answer}");
    assert_eq!(server.get("/healthz").status, 200);
    proxy.speak_again();
    wait_until_ready(&server);
}

#[test]
fn a_tailer_that_is_cut_off_is_told_from_a_database_that_is_away() {
    let database = empty_example(database());
    let proxy = Proxy::start(database.cluster.directory());
    let tail_url = format!("postgresql://app@127.0.0.1:{}/{}", proxy.port, database.name);
    let server = launch(&database.url(), TESTTYPE, &["--tail-database-url", &tail_url]).ready();
    proxy.swallow();
    let answer = wait_for_problem(&server, "tailer", "");
    assert_eq!(answer["checks"]["database"]["ok"], true, "requests have a way of their own: {answer}");
    server.get("/api/testtype").expect_status(200);
    proxy.speak_again();
    wait_until_ready(&server);
}

#[test]
fn a_pool_that_is_at_work_is_no_reason() {
    let database = empty_example(database());
    let server = launch(&database.url(), TESTTYPE, &["--pool-connections", "1"]).ready();
    let mut other = database.client();
    other.batch_execute("begin; lock table testtype").unwrap();
    std::thread::scope(|scope| {
        let list = scope.spawn(|| server.get("/api/testtype"));
        wait_for("a request has the only connection", || {
            server.get("/metrics").body.contains("rowcast_pool_connections_busy 1").then_some(())
        });
        ready(&server).expect_status(200);
        other.batch_execute("rollback").unwrap();
        list.join().unwrap().expect_status(200);
    });
}

#[test]
fn a_schema_that_is_gone_is_told_with_what_to_do() {
    let (database, server) = example();
    database.psql("drop schema rowcast cascade");
    wait_for_problem(&server, "schema", "run rowcast install");
    let (done, text) = run(&["install", "--database-url", &database.url()]);
    assert!(done, "{text}");
    wait_for_problem(&server, "tables", "rowcast watch 'testtype'");
    database.psql("select rowcast.watch('testtype')");
    wait_until_ready(&server);
}

/// The schema is upgraded first, then the servers: so a newer one is served, and an older one is not.
#[test]
fn an_older_schema_is_told_and_a_newer_one_is_served() {
    let (database, server) = example();
    let version = database.psql("select rowcast.version()").parse::<i32>().unwrap();
    let become_of = |version: i32| {
        database.psql(&format!("create or replace function rowcast.version() returns integer language sql as 'select {version}'"));
        database.psql_as_superuser(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rowcast' and datname = current_database()",
        );
    };
    become_of(version - 1);
    wait_for_problem(&server, "schema", "run rowcast install");
    become_of(version + 1);
    wait_until_ready(&server);
    assert_eq!(ready(&server).json()["checks"]["schema"]["version"], version + 1);
}

#[test]
fn a_table_that_is_watched_no_more_is_told_with_what_to_do() {
    let (database, server) = example();
    database.psql("select rowcast.unwatch('testtype')");
    let answer = wait_for_problem(&server, "tables", "rowcast watch 'testtype'");
    assert_eq!((&answer["checks"]["database"]["ok"], &answer["checks"]["tailer"]["ok"]), (&true.into(), &true.into()), "{answer}");
    database.psql("select rowcast.watch('testtype')");
    wait_until_ready(&server);
}
