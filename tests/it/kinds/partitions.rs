//! Partitions that come and go under watch.

use crate::support::replica::{Replica, selected};
use crate::support::{Database, Server, database, server, wait_for};

fn partitioned() -> (Database, Server, Replica) {
    let database = database();
    database.psql(
        "create table event (id int, at int, primary key (id, at)) partition by range (at); \
         create table event_0 partition of event for values from (0) to (10); \
         create table event_1 partition of event for values from (10) to (20); \
         insert into event values (1, 1), (2, 11); select rowcast.watch('event')",
    );
    let server = server(&database, "[expose]\nevent = \"rw\"\n");
    let replica = Replica::of(&server, "event");
    (database, server, replica)
}

fn is_right(database: &Database, server: &Server, replica: &mut Replica) -> bool {
    replica.follow(server);
    replica.rows() == selected(&mut database.client(), "event")
}

#[test]
fn a_partition_made_later_is_captured_at_once() {
    let (database, server, mut replica) = partitioned();
    database.psql("create table event_2 partition of event for values from (20) to (30); insert into event values (3, 21)");
    database.psql("insert into event_2 values (4, 22); update event set at = 12 where id = 3; delete from event_2 where id = 4");
    assert!(is_right(&database, &server, &mut replica));
    assert_eq!(replica.told, ["insert [3,21]", "insert [4,22]", "delete [3,21]", "insert [3,12]", "delete [4,22]"]);
}

/// Their rows come and go without a statement that a trigger could see: the servers notice within seconds.
#[test]
fn partitions_that_are_attached_detached_dropped_or_emptied_are_a_reset() {
    let (database, server, mut replica) = partitioned();
    for statement in [
        "create table event_2 (at int not null, id int not null, mtime timestamptz not null default now()); insert into event_2 values (25, 5); \
         alter table event attach partition event_2 for values from (20) to (30)",
        "alter table event detach partition event_1",
        "alter table event attach partition event_1 for values from (10) to (20)",
        "truncate event_2",
        "insert into event values (6, 26)",
        "drop table event_2",
        "truncate event",
    ] {
        database.psql(statement);
        wait_for(statement, || is_right(&database, &server, &mut replica).then_some(()));
    }
    assert!(replica.resets >= 5, "{} resets", replica.resets);
}

#[test]
fn a_detached_partition_is_a_table_of_its_own() {
    let (database, server, mut replica) = partitioned();
    database.psql("alter table event detach partition event_0; insert into event_0 values (7, 7)");
    wait_for("the partition is gone", || is_right(&database, &server, &mut replica).then_some(()));
    let told = replica.told.len();
    database.psql("insert into event_0 values (8, 8); truncate event_0; select rowcast.watch('event_0')");
    replica.follow(&server);
    assert_eq!(replica.told.len(), told, "a change of a table that is no partition any more was told");
}

#[test]
fn unwatch_takes_the_triggers_off_every_partition() {
    let (database, _server, _replica) = partitioned();
    let ours = "select count(*) from pg_trigger t join pg_proc p on p.oid = t.tgfoid where p.pronamespace = 'rowcast'::regnamespace and t.tgrelid <> 'testtype'::regclass";
    // Two on each partition, three on the root.
    assert_eq!(database.psql(ours), "7");
    database.psql("select rowcast.unwatch('event')");
    assert_eq!(database.psql(ours), "0");
    assert_eq!(
        database.psql("select count(*) from pg_attribute where attrelid in ('event'::regclass, 'event_0'::regclass) and attname = 'mtime'"),
        "0"
    );
}

#[test]
fn rows_of_partitions_are_written_by_rest() {
    let (_database, server, mut replica) = partitioned();
    server.send_json("POST", "/api/event", r#"{"id":9,"at":9}"#).expect_status(201);
    server.send_json("PATCH", "/api/event/9,9", r#"{"at":19}"#).expect_status(200);
    server.delete("/api/event/1,1").expect_status(204);
    replica.follow(&server);
    assert_eq!(replica.told, ["insert [9,9]", "delete [9,9]", "insert [9,19]", "delete [1,1]"]);
}
