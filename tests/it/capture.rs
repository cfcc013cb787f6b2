//! What the triggers log: each kind of statement, TRUNCATE, rows of all sorts, and whom they may not disturb.

mod limits;
mod updates;

use limits::{insert, rows_before_the_reset};

use crate::support::{Database, database, empty_example, run};

/// The log of a table as `op` letters, in order.
fn logged(database: &Database, table: &str) -> String {
    database.psql(&format!("select string_agg(op::text, '' order by id) from rowcast.change where relation = '{table}'::regclass"))
}

fn watched() -> Database {
    empty_example(database())
}

fn forget(database: &Database) {
    database.psql("delete from rowcast.change");
}

#[test]
fn each_kind_of_statement_logs_its_rows() {
    let database = watched();
    database.psql("insert into testtype (id, name) values (1, 'a'), (2, 'b')");
    database.psql("update testtype set value = 1 where id = 1");
    database.psql("insert into testtype (id, name) values (1, 'c'), (3, 'd') on conflict (id) do update set name = excluded.name");
    database.psql("insert into testtype (id, name) values (1, 'x') on conflict do nothing");
    database.psql("update testtype set value = 1 where id = 99");
    database.psql("delete from testtype where id = 2");
    assert_eq!(logged(&database, "testtype"), "IIUUID");
    database.psql("truncate testtype");
    assert_eq!(logged(&database, "testtype"), "IIUUIDR");
}

#[test]
fn mtime_never_goes_backwards() {
    let database = watched();
    database.psql("insert into testtype (id, name, mtime) values (1, 'from the future', '2100-01-01')");
    database.psql("update testtype set value = 1, mtime = '2000-01-01'");
    assert_eq!(database.psql("select mtime > '2100-01-01' from testtype"), "t");
}

#[test]
fn images_do_not_follow_the_writers_settings() {
    let database = watched();
    database.psql("create table kinds (id int primary key, b bytea, i interval, f float8, d daterange); select rowcast.watch('kinds')");
    let values = "'\\x0aff', '1 day 2 hours', 0.1::float8 + 0.2::float8, daterange('2026-02-01', '2026-02-03')";
    database.psql(&format!("insert into kinds values (0, {values})"));
    let image = |id: usize| {
        database.psql(&format!(
            "select (new::jsonb - 'id' - 'mtime')::text || right(new->>'mtime', 6) from rowcast.change where relation = 'kinds'::regclass and op = 'I' and new->>'id' = '{id}'"
        ))
    };
    let settings = [
        "timezone = 'Asia/Tokyo'",
        "bytea_output = 'escape'",
        "intervalstyle = 'postgres_verbose'",
        "intervalstyle = 'iso_8601'",
        "intervalstyle = 'sql_standard'",
        "extra_float_digits = -5",
        "extra_float_digits = 0",
        "extra_float_digits = 3",
        "datestyle = 'German'",
        "datestyle = 'SQL'",
        "datestyle = 'Postgres'",
        "timezone = 'Asia/Tokyo'; set bytea_output = 'escape'; set datestyle = 'German'",
    ];
    for (place, setting) in settings.iter().enumerate() {
        database.psql(&format!("set {setting}; insert into kinds values ({}, {values})", place + 1));
        assert_eq!(image(0), image(place + 1), "{setting}");
    }
    assert!(image(0).ends_with("+00:00"), "{}", image(0));
}

/// The trigger has no search_path of its own, so that it is quick: a writer's must not decide what runs in it.
#[test]
fn a_writers_search_path_does_not_change_what_the_trigger_calls() {
    let database = watched();
    database.psql(
        "create schema evil; grant usage on schema evil to public; create domain evil.oid as text; create domain evil.text as integer; create domain evil.interval as integer; create domain evil.int4 as text; create domain evil.int8 as text; \
         create function evil.trap(integer, integer) returns boolean language plpgsql as $$ begin raise exception 'trapped'; end $$; \
         create function evil.trap(bigint, integer) returns boolean language plpgsql as $$ begin raise exception 'trapped'; end $$; \
         create function evil.trap(text, text) returns boolean language plpgsql as $$ begin raise exception 'trapped'; end $$; \
         create function evil.join(pg_catalog.text, pg_catalog.text) returns pg_catalog.text language plpgsql as $$ begin raise exception 'trapped'; end $$; \
         create function evil.left(pg_catalog.text, integer) returns pg_catalog.text language plpgsql as $$ begin raise exception 'trapped'; end $$; \
         create function evil.row_to_json(anyelement) returns json language sql as $$ select '{}'::json $$; \
         create function evil.clock_timestamp() returns timestamptz language sql as $$ select timestamptz '2000-01-01' $$; \
         create function evil.pg_try_advisory_xact_lock_shared(integer, integer) returns boolean language sql as 'select true'; \
         create operator evil.= (leftarg = integer, rightarg = integer, function = evil.trap); \
         create operator evil.> (leftarg = integer, rightarg = integer, function = evil.trap); \
         create operator evil.<= (leftarg = integer, rightarg = integer, function = evil.trap); \
         create operator evil.+ (leftarg = integer, rightarg = integer, function = evil.trap); \
         create operator evil.= (leftarg = bigint, rightarg = integer, function = evil.trap); \
         create operator evil.< (leftarg = bigint, rightarg = integer, function = evil.trap); \
         create operator evil.>= (leftarg = bigint, rightarg = integer, function = evil.trap); \
         create operator evil.= (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = evil.trap); \
         create operator evil.|| (leftarg = pg_catalog.text, rightarg = pg_catalog.text, function = evil.join)",
    );
    database.psql(
        "set search_path = evil, pg_catalog; insert into public.testtype (id, name) values (1, 'a'); \
         update public.testtype set name = 'b'; set timezone = 'Asia/Tokyo'; delete from public.testtype",
    );
    assert_eq!(logged(&database, "testtype"), "IUD");
    assert_eq!(database.psql("select count(*) from rowcast.change where old ->> 'name' = 'b' or new ->> 'name' in ('a', 'b')"), "3");
    assert_eq!(database.psql("select min(new ->> 'mtime') > '2026' from rowcast.change"), "t");
    // Past the limit: where all rows are counted, and past those that nobody counts.
    for limit in [300, 1_200] {
        database.psql(&format!("select rowcast.watch('testtype', {limit})"));
        forget(&database);
        database.psql(&format!("set search_path = evil, pg_catalog, public; {}", insert(limit + 100)));
        assert_eq!(rows_before_the_reset(&database), limit);
    }
}

#[test]
fn a_writer_needs_no_right_on_anything_of_ours() {
    let database = watched();
    database.psql("create role writer; grant writer to app; grant insert, update, delete, select on testtype to writer");
    database.psql("set role writer; set search_path = ''; insert into public.testtype (name) values ('a'); update public.testtype set value = 1; delete from public.testtype");
    assert_eq!(logged(&database, "testtype"), "IUD");
}

#[test]
fn a_stranger_can_neither_read_the_log_nor_forge_changes() {
    let database = watched();
    database.psql(
        "create role stranger; grant stranger to app; grant create on schema public to stranger; grant select on testtype to stranger",
    );
    let mut client = database.client();
    client.batch_execute("set role stranger; create table public.mine (id int primary key, mtime timestamptz)").unwrap();
    for refused in [
        "select * from rowcast.change",
        "select rowcast.watch('public.mine')",
        "create trigger forged after insert on public.mine for each row execute function rowcast.capture('1000', 'rowcast.rows')",
        "create trigger forged before update on public.mine for each row execute function rowcast.capture_update('1000', '1000')",
        "insert into rowcast.change (relation, op) values (1, 'R')",
    ] {
        let error = client.batch_execute(refused).unwrap_err();
        assert_eq!(error.code().map(|code| code.code()), Some("42501"), "{refused}: {error}");
    }
}

#[test]
fn capture_runs_with_the_rights_of_a_role_that_can_only_append() {
    let database = watched();
    let owners = "select distinct proowner::regrole from pg_proc where pronamespace = 'rowcast'::regnamespace and prosecdef";
    assert_eq!(database.psql(owners), "rowcast_capture");
    let rights = "has_table_privilege('rowcast_capture', 'rowcast.change', 'insert'), has_table_privilege('rowcast_capture', 'rowcast.change', 'select,update,delete,truncate'), \
        has_schema_privilege('rowcast_capture', 'rowcast', 'create'), has_table_privilege('rowcast_capture', 'testtype', 'select')";
    assert_eq!(database.psql(&format!("select {rights}")), "t|f|f|f");
}

#[test]
fn a_renamed_or_dropped_column_fails_no_writer() {
    let database = watched();
    database.psql("insert into testtype (name) values ('a')");
    database.psql("alter table testtype rename id to number; update testtype set value = 1");
    database.psql("alter table testtype rename mtime to changed; update testtype set value = 2");
    database.psql("alter table testtype drop column changed; update testtype set value = 3; delete from testtype");
    assert_eq!(logged(&database, "testtype"), "IUUUD");
}

#[test]
fn a_key_column_of_any_plain_type_and_any_name_is_watched() {
    let database = watched();
    database.psql(r#"create schema "Odd Schema"; create table "Odd Schema"."Select" ("Key ""1""" text, "key" uuid, primary key ("key", "Key ""1"""))"#);
    database.psql(r#"select rowcast.watch('"Odd Schema"."Select"')"#);
    database
        .psql(r#"insert into "Odd Schema"."Select" values ('a', gen_random_uuid()); update "Odd Schema"."Select" set "Key ""1""" = 'b'"#);
    assert_eq!(logged(&database, r#""Odd Schema"."Select""#), "RIU");
}

#[test]
fn unwatch_removes_what_watch_added_and_nothing_else() {
    let database = database().cluster.empty_database();
    database.load("sql");
    database.psql(
        "create table a (id int primary key); create table b (id int primary key, mtime timestamptz); \
         create table c (id int primary key, mtime timestamptz not null default '2000-01-01')",
    );
    let shape = "select string_agg(format('%s.%s %s %s', attrelid::regclass, attname, attnotnull, pg_get_expr(adbin, adrelid)), ', ' order by attrelid, attnum) \
        from pg_attribute left join pg_attrdef on adrelid = attrelid and adnum = attnum \
        where attrelid in ('a'::regclass, 'b'::regclass, 'c'::regclass) and attnum > 0 and not attisdropped";
    let before = database.psql(shape);
    for table in ["a", "b", "c"] {
        database.psql(&format!("select rowcast.watch('{table}'), rowcast.watch('{table}')"));
    }
    assert_ne!(database.psql(shape), before);
    for table in ["a", "b", "c"] {
        database.psql(&format!("select rowcast.unwatch('{table}')"));
    }
    assert_eq!(database.psql(shape), before);
    assert_eq!(database.psql("select count(*) from pg_trigger where tgrelid in ('a'::regclass, 'b'::regclass, 'c'::regclass)"), "0");
}

/// What somebody made of the column since then is theirs: it is told, and stays.
#[test]
fn unwatch_takes_nothing_along_that_uses_the_column_and_no_column_of_somebody_elses() {
    let database = database();
    database.psql("create table a (id int primary key, v int)");
    let kept = |made: &str, name: &str| {
        database.psql(&format!("select rowcast.watch('a'); {made}"));
        let error = database.client().batch_execute("select rowcast.unwatch('public.a')").unwrap_err();
        let message = error.as_db_error().unwrap().message();
        assert!(message.contains(name), "{made}: {message}");
        let (done, said) = run(&["uninstall", "--yes", "--database-url", &database.url()]);
        assert!(!done && said.contains(name), "{made}: {said}");
    };
    kept("create unique index mine on a (v, mtime)", "mine");
    kept("drop index mine; alter table a add constraint later check (mtime > '2000-01-01')", "later");
    kept("alter table a drop constraint later; create statistics paired on v, mtime from a", "paired");
    kept("drop statistics paired; create view seen as select mtime from a", "seen");
    database.psql("drop view seen; alter table a drop column mtime; alter table a add column mtime timestamptz default '2000-01-01'");
    database.psql("insert into a values (1); select rowcast.unwatch('a')");
    assert_eq!(database.psql("select mtime = '2000-01-01' from a"), "t");
    database.psql(
        "alter table a drop column mtime; select rowcast.watch('a'); comment on column a.mtime is 'mine'; select rowcast.unwatch('a')",
    );
    assert_eq!(database.psql("select count(mtime) from a"), "1");
    database.psql("alter table a alter mtime drop default; select rowcast.watch('a'); alter table a alter mtime set default '2020-01-01'");
    database.psql("select rowcast.unwatch('a'); insert into a values (2)");
    assert_eq!(database.psql("select mtime = '2020-01-01' from a where id = 2"), "t");
}

#[test]
fn table_mtime_tells_the_latest_change_also_after_it_was_pruned() {
    let database = watched();
    database.psql("select rowcast.begin_epoch()");
    database.psql("insert into testtype (name) values ('a')");
    let before = database.psql("select name, mtime from rowcast.table_mtime");
    assert!(before.starts_with("testtype|20"), "{before}");
    database.psql("select rowcast.advance_horizon('0'), rowcast.advance_horizon('0')");
    while database.psql("select rowcast.prune(1)") != "0" {}
    assert_eq!(database.psql("select count(*) from rowcast.change"), "0");
    assert_eq!(database.psql("select name, mtime from rowcast.table_mtime"), before);
}

#[test]
fn a_prepared_transaction_can_be_written_quietly() {
    let database = watched();
    database.psql("begin; select rowcast.prepare_quietly(); insert into testtype (name) values ('a'); prepare transaction 'quiet'");
    assert_eq!(database.psql("select count(*) from rowcast.change"), "0");
    database.psql("commit prepared 'quiet'");
    assert_eq!(logged(&database, "testtype"), "I");
}

#[test]
fn watching_again_keeps_the_limit_that_was_set() {
    let database = watched();
    database.psql("select rowcast.watch('testtype', 10); select rowcast.watch('testtype'); select rowcast.watch_all('public')");
    forget(&database);
    database.psql("insert into testtype (name) select 'a' from generate_series(1, 20)");
    assert_eq!(logged(&database, "testtype"), "I".repeat(10) + "R");
}

#[test]
fn a_row_too_large_to_tell_is_a_reset_and_does_not_fail_its_writer() {
    let database = watched();
    database.psql("create table big (id int primary key, body bytea); select rowcast.watch('big')");
    forget(&database);
    database.psql(
        "insert into big select 1, decode(string_agg(md5(i::text), ''), 'hex') from generate_series(1, 600000) i; update big set id = 2",
    );
    assert_eq!(logged(&database, "big"), "RR");
}

#[test]
fn the_horizon_never_goes_back_with_the_clock() {
    let database = watched();
    database.psql("select rowcast.begin_epoch(), pg_current_xact_id()");
    database.psql("select rowcast.advance_horizon('0')");
    database.psql("select rowcast.advance_horizon('0')");
    let before = database.psql("select pg_snapshot_xmax(snapshot) from rowcast.horizon");
    database.psql("insert into rowcast.mark values (clock_timestamp() - interval '1 s', '3:3:'); delete from rowcast.mark where snapshot::text <> '3:3:'");
    database.psql("select rowcast.advance_horizon('0.5 s')");
    assert_eq!(database.psql("select pg_snapshot_xmax(snapshot) from rowcast.horizon"), before);
}

#[test]
fn a_rewrite_of_the_rows_is_noticed_and_a_truncate_is_told_only_once() {
    let database = watched();
    let notes = |statement: &str| {
        forget(&database);
        database.psql(statement);
        let told = logged(&database, "testtype");
        database.psql("select rowcast.note_shapes()");
        format!("{told}-{}", logged(&database, "testtype"))
    };
    assert_eq!(notes("alter table testtype alter column value type integer using value + 1"), "-R");
    assert_eq!(notes("select 1"), "-");
    assert_eq!(notes("truncate testtype"), "R-R");
    assert_eq!(notes("begin; truncate testtype; alter table testtype alter column value type integer using value + 1; commit"), "R-R");
    assert_eq!(notes("truncate testtype; alter table testtype alter column value type integer using value + 1"), "R-RR");
    assert_eq!(notes("alter table testtype add column more int"), "-R");
    assert_eq!(notes("alter table testtype drop constraint testtype_pkey"), "-R");
}
