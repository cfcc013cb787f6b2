//! Copies, dumps and failovers: a cursor of another history gets a reset, and one of the same history goes on.

use serde_json::Value;

use crate::support::{Cluster, Database, Server, Stop, TESTTYPE, empty_example, example, launch, server, wait_for};

fn cursor(server: &Server) -> String {
    server.get("/api/testtype").expect_status(200).header("rowcast-cursor").to_owned()
}

/// What a cursor is told, without waiting.
fn told(server: &Server, since: &str) -> Value {
    server.get(&format!("/notify?table=testtype&since={since}&wait=0")).expect_status(200).json()
}

#[track_caller]
fn assert_reset(server: &Server, since: &str) {
    let answer = told(server, since);
    assert_eq!(answer["answers"][0]["reset"], true, "{answer}");
}

/// The keys of the changes that a cursor is told; panics where it is told a reset.
#[track_caller]
fn keys(server: &Server, since: &str) -> Vec<i64> {
    let answer = told(server, since);
    let Some(one) = answer["answers"].get(0) else { return Vec::new() };
    let changes = one["changes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    changes.iter().map(|change| change["key"][0].as_i64().unwrap()).collect()
}

fn insert(database: &Database, ids: std::ops::RangeInclusive<i32>) {
    // psql ends a transaction with each statement.
    database.psql(&ids.map(|id| format!("insert into testtype (id, name) values ({id}, 'a');\n")).collect::<String>());
}

/// The files of a stopped cluster, copied: one system identifier, the same oids, the same unlogged tables, twice.
#[test]
fn two_clusters_that_came_of_one_do_not_take_each_others_cursors() {
    let one = Cluster::start();
    let database = empty_example(one.database());
    let before = {
        let server = server(&database, TESTTYPE);
        insert(&database, 1..=1);
        cursor(&server)
    };
    one.stop(Stop::Clean);
    let other = one.copy_of_files();
    one.go_on();
    let copy = other.copied(&database);
    let server_of_one = server(&database, TESTTYPE);
    insert(&database, 2..=3);
    let of_one = cursor(&server_of_one);
    // The other is past that cursor by transactions of its own, which the cursor seems to have seen.
    insert(&copy, 12..=19);
    let server_of_other = server(&copy, TESTTYPE);
    assert_reset(&server_of_other, &of_one);
    assert_reset(&server_of_one, &cursor(&server_of_other));
    // What was handed out before is of both histories, and goes on in both.
    assert_eq!(keys(&server_of_one, &before), [2, 3]);
    assert_eq!(keys(&server_of_other, &before), (12..=19).collect::<Vec<_>>());
}

/// A server that stays while PostgreSQL restarts, and one that comes after: both know the cursors from before.
#[test]
fn cursors_survive_several_clean_restarts_of_the_cluster() {
    let cluster = Cluster::start();
    let database = empty_example(cluster.database());
    let server_that_stays = server(&database, TESTTYPE);
    let mut cursors = vec![cursor(&server_that_stays)];
    for id in 1..=3 {
        cluster.stop(Stop::Clean);
        cluster.go_on();
        insert(&database, id..=id);
        wait_for("the server is ready again", || (server_that_stays.get("/readyz").status == 200).then_some(()));
        cursors.push(cursor(&server_that_stays));
    }
    let server_that_comes = server(&database, TESTTYPE);
    for server in [&server_that_stays, &server_that_comes] {
        for (seen, cursor) in cursors.iter().enumerate() {
            assert_eq!(keys(server, cursor), (seen as i64 + 1..=3).collect::<Vec<_>>(), "a cursor from before restart {}", seen + 1);
        }
    }
    let epochs = database.psql("select cardinality(past) from rowcast.epoch");
    assert_eq!(epochs, "3");
}

#[test]
fn a_promoted_standby_resets_the_cursors_of_the_old_primary() {
    let primary = Cluster::start();
    let database = empty_example(primary.database());
    let server_of_old = server(&database, TESTTYPE);
    let standby = primary.standby();
    insert(&database, 1..=2);
    let old = cursor(&server_of_old);
    let replica = standby.copied(&database);
    wait_for("the standby has followed", || (replica.psql("select count(*) from testtype") == "2").then_some(()));
    // Written on the old primary, and never on the standby: lost with the machine.
    primary.stop(Stop::Crash);
    standby.promote();
    insert(&replica, 11..=19);
    let server_of_new = server(&replica, TESTTYPE);
    assert_reset(&server_of_new, &old);
    let list = server_of_new.get("/api/testtype").json();
    assert_eq!(list.as_array().unwrap().len(), 11, "{list}");
    let new = cursor(&server_of_new);
    insert(&replica, 20..=20);
    assert_eq!(keys(&server_of_new, &new), [20]);
    primary.go_on();
}

/// The schema, the log and the epoch's random id go along with a dump.
#[test]
fn a_dump_restored_elsewhere_is_another_history() {
    let (database, server_of_one) = example();
    insert(&database, 1..=2);
    let old = cursor(&server_of_one);
    let restored = database.cluster.empty_database();
    restored.psql_as_superuser(&database.dump(&[]));
    assert_eq!(restored.psql("select count(*) from rowcast.change where op = 'I'"), "2", "the log was not dumped");
    let server = server(&restored, TESTTYPE);
    assert_reset(&server, &old);
    let new = cursor(&server);
    assert_eq!(keys(&server, &new), Vec::<i64>::new());
    insert(&restored, 3..=3);
    assert_eq!(keys(&server, &new), [3]);
}

/// The server stays connected while everything under it is dropped and made anew.
#[test]
fn a_dump_restored_over_its_own_database_resets_and_goes_on() {
    let (database, server) = example();
    insert(&database, 1..=2);
    let dump = database.dump(&["--clean", "--if-exists"]);
    insert(&database, 3..=4);
    let old = cursor(&server);
    database.psql_as_superuser(&dump);
    insert(&database, 11..=19);
    wait_for("the server is ready on what was restored", || {
        let rows = (server.get("/readyz").status == 200).then(|| server.get("/api/testtype"))?;
        (rows.status == 200 && rows.json().as_array().unwrap().len() == 11).then_some(())
    });
    assert_reset(&server, &old);
    let new = cursor(&server);
    insert(&database, 20..=20);
    assert_eq!(keys(&server, &new), [20]);
}

/// One table of a dump comes back with its triggers, but nobody knows what it was before: it has to be watched again.
#[test]
fn one_table_restored_from_a_dump_is_told_or_not_served() {
    let (database, server) = example();
    insert(&database, 1..=2);
    let dump = database.dump(&["--clean", "--if-exists", "--table", "testtype"]);
    let old = cursor(&server);
    drop(server);
    database.psql(&format!("delete from testtype;\n{dump}"));
    let server = launch(&database.url(), TESTTYPE, &[]);
    wait_for("the server answers", || std::net::TcpStream::connect(("127.0.0.1", server.port)).ok());
    server.get(&format!("/notify?table=testtype&since={old}&wait=0")).expect_status(404);
    database.psql("select rowcast.watch('testtype')");
    wait_for("the table is served again", || (server.get("/api/testtype").status == 200).then_some(()));
    assert_reset(&server, &old);
}

#[test]
fn a_copy_of_a_database_by_its_template_is_another_history() {
    let (database, server_of_one) = example();
    insert(&database, 1..=2);
    let old = cursor(&server_of_one);
    drop(server_of_one);
    let copy = database.copy();
    insert(&copy, 11..=19);
    assert_reset(&server(&copy, TESTTYPE), &old);
    // And not back, either.
    insert(&database, 21..=29);
    let new = cursor(&server(&copy, TESTTYPE));
    assert_reset(&server(&database, TESTTYPE), &new);
}
