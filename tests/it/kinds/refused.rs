//! What cannot be watched is refused with a sentence that says why.

use crate::support::{database, empty_example};

#[test]
fn what_cannot_be_watched_is_refused_with_a_reason() {
    let database = empty_example(database());
    database.psql_as_superuser("create foreign data wrapper elsewhere; grant usage on foreign data wrapper elsewhere to app");
    database.psql(
        "create view look as select 1 as a; create materialized view kept as select 1 as a; \
         create server far foreign data wrapper elsewhere; create foreign table remote (a int) server far; \
         create table parts (a int) partition by range (a); create table part partition of parts for values from (0) to (9); \
         create table mixed (a int) partition by range (a); create foreign table mixed_part partition of mixed for values from (0) to (9) server far; \
         create table by_time (a int, mtime timestamptz) partition by range (mtime); \
         create table odd (id int primary key, mtime integer); \
         create table parent (id int primary key); create table child () inherits (parent); \
         create type shape as (a int); create table typed of shape; create sequence numbers; \
         create table rounded (id int primary key, mtime timestamptz(3)); \
         create type mood as enum ('good', 'bad'); create domain moods as mood[]; create type felt as (mood moods); \
         create function mood_json(mood) returns json language sql as 'select to_json($1::text)'; \
         create cast (mood as json) with function mood_json(mood); create table person (id int primary key, felt felt)",
    );
    for (table, reason) in [
        ("look", "it is a view"),
        ("kept", "it is a materialized view"),
        ("remote", "it is a foreign table"),
        ("part", "it is a partition: watch public.parts"),
        ("mixed", "one of its partitions is a foreign table"),
        ("by_time", "it is partitioned by mtime"),
        ("odd", "column mtime that is not"),
        ("rounded", "exact to the microsecond"),
        ("person", "a cast to json of the application's own"),
        ("parent", "other tables inherit from it"),
        ("typed", "typed table"),
        ("numbers", "it is not a table"),
        ("rowcast.change", "part of rowcast"),
        ("pg_class", "part of PostgreSQL"),
    ] {
        let mut client = database.client();
        let error = client.batch_execute(&format!("select rowcast.watch('{table}')")).unwrap_err();
        let message = error.as_db_error().unwrap().message().to_owned();
        assert!(message.contains(reason), "{table}: {message}");
    }
    let mut client = database.client();
    client.batch_execute("create temp table fleeting (id int primary key)").unwrap();
    let error = client.batch_execute("select rowcast.watch('fleeting')").unwrap_err();
    assert!(error.as_db_error().unwrap().message().contains("temporary"), "{error}");
    assert_eq!(database.psql("select rowcast.watch_all('public')"), "3", "testtype, parts and child: watch_all skips the rest");
}

/// A virtual column came with PostgreSQL 18; before it every generated column is stored.
#[test]
fn a_generated_column_is_watched_if_it_is_stored() {
    let database = database();
    database.psql("create table kept (id int primary key, twice int generated always as (id * 2) stored); select rowcast.watch('kept')");
    if database.psql("select current_setting('server_version_num')::int >= 180000") == "t" {
        database.psql("create table seen (id int primary key, twice int generated always as (id * 2) virtual)");
        let error = database.client().batch_execute("select rowcast.watch('seen')").unwrap_err();
        assert!(error.as_db_error().unwrap().message().contains("virtual generated"), "{error}");
    }
}

#[test]
fn a_busy_table_is_watched_as_soon_as_it_is_free_and_its_writers_do_not_queue() {
    let database = database();
    database.psql("create table busy (id int primary key)");
    let mut holder = database.client();
    let mut reading = holder.transaction().unwrap();
    reading.execute("select from public.busy", &[]).unwrap();
    std::thread::scope(|scope| {
        let watching = scope.spawn(|| database.psql("select rowcast.watch('busy')"));
        // Each waits at most for one short try of the lock.
        let mut longest = std::time::Duration::ZERO;
        for id in 1..40 {
            let start = std::time::Instant::now();
            database.psql(&format!("insert into busy values ({id})"));
            longest = longest.max(start.elapsed());
        }
        assert!(longest < std::time::Duration::from_secs(1), "a writer waited {longest:?}");
        assert!(!watching.is_finished(), "the table was watched although somebody held it");
        reading.commit().unwrap();
        watching.join().unwrap();
    });
    assert_eq!(database.psql("select count(*) from pg_trigger where tgrelid = 'busy'::regclass"), "3");
}
