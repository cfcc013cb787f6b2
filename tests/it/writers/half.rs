//! Somebody removes a part of us: it is refused, or takes the triggers along. The writers go on.

use crate::support::{database, empty_example};

#[test]
fn nothing_that_the_triggers_need_is_dropped_without_them() {
    for (dropped, what) in [
        ("table rowcast.change", "the log"),
        ("view rowcast.capturing", "what holds it together"),
        ("view rowcast.capturing_parts", "what holds it together"),
        ("function rowcast.tick(rowcast.capturing_parts)", "a function"),
        ("function rowcast.ring()", "a function"),
        ("function rowcast.append_images(oid, \"char\", json, json)", "a function"),
        ("function rowcast.append_counted(oid, \"char\", anyelement, anyelement, text[])", "a function"),
        ("function rowcast.append(oid, oid, \"char\", anyelement, anyelement, integer)", "a function"),
        ("function rowcast.large_update(oid, oid, anyelement, anyelement, bigint)", "a function"),
        ("function rowcast.beds()", "a function"),
        ("function rowcast.capture()", "the trigger's function"),
        ("function rowcast.capture_update()", "the trigger's function"),
        ("function rowcast.touch()", "the trigger's function"),
        ("schema rowcast", "all of it"),
    ] {
        let database = empty_example(database());
        database.psql(
            "create table part (id int primary key, t text) partition by range (id); create table part_1 partition of part default; select rowcast.watch('part')",
        );
        let mut client = database.client();
        let refused = client.batch_execute(&format!("drop {dropped}")).expect_err(what);
        assert_eq!(refused.code().map(|code| code.code()), Some("2BP01"), "{dropped}: {refused}");
        let write = "insert into public.testtype (id, name) values (1, 'a'); update public.testtype set name = repeat('b', 20); delete from public.testtype;
            insert into public.part values (1, 'a'); update public.part set t = repeat('b', 20000); delete from public.part; truncate public.part";
        client.batch_execute(write).unwrap_or_else(|error| panic!("after a refused drop {dropped}: {error}"));
        client.batch_execute(&format!("drop {dropped} cascade")).unwrap();
        client.batch_execute(write).unwrap_or_else(|error| panic!("after drop {dropped} cascade: {error}"));
        // In a session that has not prepared anything before, too.
        database.psql(write);
    }
}

#[test]
fn a_column_of_the_log_is_not_dropped_without_the_triggers() {
    for column in ["id", "xid", "relation", "op", "old", "new", "time", "elided"] {
        let database = empty_example(database());
        let mut client = database.client();
        assert!(client.batch_execute(&format!("alter table rowcast.change drop column {column}")).is_err(), "{column}");
        client.batch_execute(&format!("alter table rowcast.change drop column {column} cascade")).unwrap();
        client
            .batch_execute(
                "insert into public.testtype (id, name) values (1, 'a'); update public.testtype set name = 'b'; truncate public.testtype",
            )
            .unwrap_or_else(|error| panic!("without {column}: {error}"));
    }
}
