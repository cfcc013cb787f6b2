//! Things are cut, stopped and killed under waiting polls: nothing is lost, and nothing is repeated without need.

use crate::support::follower::Follower;
use crate::support::proxy::Proxy;
use crate::support::{Cluster, Database, Server, Stop, TESTTYPE, database, empty_example, example, launch, server, wait_for};

/// Two followers that have the first row, and are parked.
fn followers(database: &Database, server: &Server) -> Vec<Follower> {
    database.psql("insert into testtype (id, name) values (1, 'before')");
    let followers: Vec<Follower> = (0..2).map(|_| Follower::start(server.port, "testtype", "", |_| None)).collect();
    for follower in &followers {
        wait_for("the first row is there", || (follower.rows().len() == 1).then_some(()));
    }
    followers
}

fn wait_for_rows(followers: &[Follower], number: usize) {
    for follower in followers {
        wait_for(&format!("{number} rows are there"), || (follower.rows().len() == number).then_some(()));
    }
}

fn assert_nothing_repeated(followers: &[Follower]) {
    for follower in followers {
        let seen = follower.seen();
        assert_eq!((seen.resets, seen.repeated), (0, Vec::new()));
    }
}

#[test]
fn killed_backends_are_replaced_and_nothing_is_lost_or_repeated() {
    let (database, server) = example();
    let followers = followers(&database, &server);
    for round in 2..6 {
        database.psql_as_superuser(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'rowcast' and datname = current_database()",
        );
        database.psql(&format!("insert into testtype (id, name) values ({round}, 'after')"));
        wait_for_rows(&followers, round);
    }
    assert_nothing_repeated(&followers);
    let log = server.log();
    assert!(log.contains("lost the database") && log.contains("has the database back"), "{log}");
    wait_for("the server is ready again", || (server.get("/readyz").status == 200).then_some(()));
}

#[test]
fn a_clean_restart_of_the_cluster_loses_and_resets_nothing() {
    let cluster = Cluster::start();
    let database = empty_example(cluster.database());
    let server = server(&database, TESTTYPE);
    let followers = followers(&database, &server);
    database.psql("insert into testtype (id, name) values (2, 'just before')");
    cluster.stop(Stop::Clean);
    wait_for("the server is not ready", || (server.get("/readyz").status == 503).then_some(()));
    assert_eq!(server.get("/healthz").status, 200);
    cluster.go_on();
    database.psql("insert into testtype (id, name) values (3, 'after')");
    wait_for_rows(&followers, 3);
    assert_nothing_repeated(&followers);
}

#[test]
fn a_crash_of_the_cluster_is_a_reset_and_nothing_is_lost() {
    let cluster = Cluster::start();
    let database = empty_example(cluster.database());
    let server = server(&database, TESTTYPE);
    let followers = followers(&database, &server);
    let old = followers[0].seen().cursor;
    // Ids that the crash takes back: a cursor from before would count the transactions that get them as seen.
    database.psql("begin; select pg_current_xact_id(); rollback");
    database.psql("insert into testtype (id, name) values (2, 'just before')");
    cluster.stop(Stop::Crash);
    cluster.go_on();
    database.psql("insert into testtype (id, name) values (3, 'after')");
    wait_for_rows(&followers, 3);
    for follower in &followers {
        assert!(follower.seen().resets >= 1, "the epoch changed without a reset");
    }
    let answer = server.get(&format!("/notify?table=testtype&since={old}&wait=0")).json();
    assert_eq!(answer["answers"][0]["reset"], true, "{answer}");
}

#[test]
fn a_server_that_was_away_is_found_again_by_its_followers() {
    let (database, mut server) = example();
    let followers = followers(&database, &server);
    server.kill9();
    database.psql("insert into testtype (id, name) values (2, 'while it was away')");
    server.start_again();
    wait_for_rows(&followers, 2);
    assert_nothing_repeated(&followers);
}

#[test]
fn a_network_that_goes_silent_is_found_out() {
    let database = empty_example(database());
    let proxy = Proxy::start(database.cluster.directory());
    let url = format!("postgresql://app@127.0.0.1:{}/{}", proxy.port, database.name);
    let server = launch(&url, TESTTYPE, &["--slow-timer-seconds", "1"]).ready();
    let followers = followers(&database, &server);
    proxy.fall_silent();
    database.psql("insert into testtype (id, name) values (2, 'unheard')");
    wait_for_rows(&followers, 2);
    assert_nothing_repeated(&followers);
}

#[test]
fn two_servers_on_one_database_honour_each_others_cursors() {
    let (database, server) = example();
    let other = crate::support::server(&database, TESTTYPE);
    let mut since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    for round in 1..=10 {
        database.psql(&format!("insert into testtype (id, name) values ({round}, 'a')"));
        let server = if round % 2 == 0 { &server } else { &other };
        let answer = server.get(&format!("/notify?table=testtype&since={since}")).json();
        let changes = answer["answers"][0]["changes"].as_array().unwrap_or_else(|| panic!("{answer}"));
        assert_eq!(changes.len(), 1, "round {round}: {answer}");
        assert_eq!(changes[0]["key"][0], round);
        since = answer["cursor"].as_str().unwrap().to_owned();
    }
}

/// With the slow timer as good as off, a bell must have rung for every change that found the tailer asleep.
#[test]
fn a_sleeping_tailer_is_woken_by_every_writer() {
    let database = empty_example(database());
    let server = launch(&database.url(), TESTTYPE, &["--slow-timer-seconds", "600"]).ready();
    let followers = followers(&database, &server);
    let asleep = "select count(*) from pg_locks where locktype = 'advisory' and classid = 1919907683 and mode = 'ExclusiveLock' \
        and database = (select oid from pg_database where datname = current_database())";
    for round in 2..30 {
        wait_for("the tailer sleeps", || (database.psql(asleep) == "1").then_some(()));
        database.psql(&format!("insert into testtype (id, name) values ({round}, 'a')"));
        wait_for_rows(&followers, round);
    }
    assert_nothing_repeated(&followers);
}
