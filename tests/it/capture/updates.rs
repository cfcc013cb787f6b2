//! An update is logged before it happens, where what the trigger sees is what will be stored, and afterwards elsewhere.

use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::{forget, logged, watched};
use crate::support::follower::Follower;
use crate::support::{Database, database, empty_example, run, server, wait_for, wait_until};

/// A trigger function that changes the row that is about to be stored.
const SHOUT: &str = "create function shout() returns trigger language plpgsql as $$ begin new.t := upper(new.t); return new; end $$";

/// Tables of which some let a trigger see what will be stored, and some do not.
const TABLES: &[(&str, &str)] = &[
    ("plain", "create table item (id int primary key, n int, t text)"),
    ("generated", "create table item (id int primary key, n int, t text, twice int generated always as (n * 2) stored)"),
    (
        "changed before",
        "create table item (id int primary key, n int, t text); create trigger a before update on item for each row execute function shout()",
    ),
    (
        "changed late",
        "create table item (id int primary key, n int, t text); create trigger zzz before update on item for each row execute function shout()",
    ),
    (
        "changed last",
        "create table item (id int primary key, n int, t text); create trigger \"~s\" before update on item for each row execute function shout()",
    ),
    (
        "partitioned",
        "create table item (id int primary key, n int, t text) partition by range (id);
         create table item_1 partition of item for values from (0) to (100); create table item_2 partition of item default",
    ),
    (
        "stored elsewhere",
        "create table item (id int primary key, n int, t text) with (toast_tuple_target = 128); alter table item alter t set storage external",
    ),
];

fn table(create: &str) -> Database {
    let database = empty_example(database());
    database.psql(&format!("{SHOUT}; {create}; select rowcast.watch('item')"));
    database
}

/// Rows that are stored otherwise than they were logged last.
fn otherwise(database: &Database) -> String {
    database.psql(
        "set timezone = 'UTC'; select coalesce(string_agg(row_to_json(i)::text, ' '), 'none') from item i
         where row_to_json(i)::text is distinct from (select c.new::text from rowcast.change c
           where c.relation = 'item'::regclass and c.new ->> 'id' = i.id::text order by c.id desc limit 1)",
    )
}

#[test]
fn an_update_is_logged_as_it_is_stored_whatever_the_table() {
    for (what, create) in TABLES {
        let database = table(create);
        database.psql("insert into item (id, n, t) select i, i, 'a' || i from generate_series(1, 20) i");
        for (updates, sql) in [
            (1, "update item set n = 100 where id = 1"),
            (20, "update item set n = n + 1, t = t || 'b'"),
            (1, "update item set t = repeat('c', 1500) where id = 2"),
            (1, "update item set n = 7 where id = 2"),
            (1, "update item set t = repeat('c', 1900) where id = 3"),
            (1, "update item set n = 7 where id = 3"),
            (
                2,
                "insert into item (id, n, t) values (4, 0, 'd'), (5, 0, 'd'), (21, 0, 'd') on conflict (id) do update set t = excluded.t, n = excluded.n",
            ),
            (0, "insert into item (id, n, t) values (4, 0, 'e') on conflict (id) do update set t = 'e' where item.n = 99"),
            (3, "update item set n = i.n from item i where item.id < 4 and i.id > 4"),
            (0, "begin; savepoint s; update item set n = 5; rollback to s; commit"),
        ] {
            let before = logged(&database, "item").matches('U').count();
            database.psql(sql);
            assert_eq!(otherwise(&database), "none", "{what}: {sql}");
            assert_eq!(logged(&database, "item").matches('U').count() - before, updates, "{what}: {sql}");
        }
        let forms = database.psql("select count(*) filter (where tgname = '~rowcast_update'), count(*) filter (where tgname = 'zz_rowcast_mtime') from pg_trigger where tgrelid = 'item'::regclass");
        let before = ["plain", "changed before", "changed late", "stored elsewhere"].contains(what);
        assert_eq!(forms, if before { "1|0" } else { "0|1" }, "{what}");
    }
}

#[test]
fn an_update_that_does_not_happen_is_not_logged() {
    let database = table(TABLES[0].1);
    database.psql(
        "insert into item values (1, 1, 'a'), (2, 2, 'b'); alter table item add check (n < 10);
         create function never() returns trigger language plpgsql as $$ begin if new.t = 'no' then return null; end if; return new; end $$;
         create trigger a before update on item for each row execute function never()",
    );
    forget(&database);
    database.psql("update item set t = 'no'");
    database.psql("do $$ begin update item set n = n + 8; exception when check_violation then null; end $$");
    assert_eq!(logged(&database, "item"), "");
    assert_eq!(database.psql("update item set n = n + 1 where id = 1 returning n"), "2");
    assert_eq!(logged(&database, "item"), "U");
}

#[test]
fn who_waited_for_another_writer_logs_what_that_one_left() {
    let database = table(TABLES[0].1);
    database.psql("insert into item values (1, 1, 'a')");
    let mut first = database.client();
    let mut transaction = first.transaction().unwrap();
    transaction.batch_execute("update public.item set n = n + 1").unwrap();
    thread::scope(|scope| {
        let second = scope.spawn(|| database.psql("update item set n = n * 10"));
        wait_for("the second waits", || {
            let waits = "select count(*) from pg_locks where not granted and database = (select oid from pg_database where datname = current_database())
                or not granted and locktype = 'transactionid'";
            (database.psql(waits) != "0").then_some(())
        });
        transaction.commit().unwrap();
        second.join().unwrap();
    });
    let images = "select string_agg((old ->> 'n') || ' ' || (new ->> 'n'), ', ' order by id) from rowcast.change where op = 'U'";
    assert_eq!(database.psql(images), "1 2, 2 20");
    assert_eq!(otherwise(&database), "none");
}

/// Deletes are logged at their statement's end, and updates when they happen.
#[test]
fn a_row_that_takes_a_deleted_ones_key_in_one_statement_is_told() {
    let database = table(TABLES[0].1);
    let server = server(&database, "[expose]\nitem = \"r\"\n");
    database.psql("insert into item values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')");
    let follower = Follower::start(server.port, "item", "", |_| None);
    wait_for("it is followed", || (follower.rows().len() == 3).then_some(()));
    server.wait_for_open_polls(1);
    database.psql(
        "with gone as (delete from item where id = 1 returning id) update item set id = 1 where id = 2 and exists (select from gone)",
    );
    wait_for("the last of them is there", || {
        let rows: Vec<Value> = follower.rows().into_values().collect();
        (rows.len() == 2 && rows[0]["id"] == 1 && rows[0]["t"] == "b").then_some(())
    });
}

/// A generated column, or a later trigger, comes under watch: what is logged is not what is stored.
#[test]
fn updates_that_cannot_be_seen_any_more_are_resets_until_the_table_is_watched_again() {
    for (what, sql) in [
        ("a generated column", "alter table item add column twice int generated always as (n * 2) stored".to_owned()),
        ("a later trigger", "create trigger \"~s\" before update on item for each row execute function shout()".to_owned()),
    ] {
        let database = table(TABLES[0].1);
        database.psql("insert into item values (1, 1, 'a'), (2, 2, 'b')");
        let servers = [0, 1].map(|_| server(&database, "[expose]\nitem = \"r\"\n"));
        let followers: Vec<Follower> = servers.iter().map(|server| Follower::start(server.port, "item", "", |_| None)).collect();
        let stored = || -> Vec<Value> {
            serde_json::from_str(&database.psql("set timezone = 'UTC'; select json_agg(row_to_json(i) order by id) from item i")).unwrap()
        };
        let settles = |when: &str| {
            for follower in &followers {
                wait_until(&format!("{what}, {when}: the followers have what is stored"), Duration::from_secs(20), || {
                    let rows: Vec<Value> = follower.rows().into_values().collect();
                    (rows.iter().map(Value::to_string).eq(stored().iter().map(Value::to_string))).then_some(())
                });
            }
        };
        settles("at first");
        database.psql(&format!("{sql}; update item set n = 10, t = 'x' where id = 1"));
        settles("before anybody noticed");
        assert_eq!(database.psql("select blind from rowcast.watched where relation = 'item'::regclass"), "t", "{what}");
        let resets = || followers.iter().map(|follower| follower.seen().resets).collect::<Vec<_>>();
        let before = resets();
        database.psql("update item set n = 20, t = 'y' where id = 2");
        settles("afterwards");
        assert!(resets().iter().zip(&before).all(|(after, before)| after > before), "{what}: {:?} {before:?}", resets());
        let (_, said) = run(&["check", "--mend", "--database-url", &database.url()]);
        assert!(said.contains("watched again: item"), "{said}");
        settles("when it was watched again");
        let (before, changes) = (resets(), followers[0].seen().changes);
        database.psql("update item set n = 30, t = 'z'");
        settles("in the end");
        assert!(resets() == before && followers[0].seen().changes == changes + 2, "{what}: told row by row again");
    }
}

/// The trigger must not bring into the row what lies outside of it.
#[test]
fn an_update_leaves_what_is_stored_elsewhere_where_it_is() {
    let database = watched();
    database.psql(
        "create table doc (id int primary key, count int, body text); alter table doc alter body set storage external;
         insert into doc values (1, 0, repeat('x', 3000)), (2, 0, repeat('y', 50000)); select rowcast.watch('doc'); update doc set count = 1",
    );
    // The oid of the value in the table's TOAST table changes when it is written anew.
    let stored = |database: &Database| {
        let toast = database.psql("select reltoastrelid::regclass from pg_class where oid = 'doc'::regclass");
        database.psql_as_superuser(&format!("select string_agg(distinct chunk_id::text, ' ') from {toast}"))
    };
    let before = stored(&database);
    database.psql("update doc set count = 2; update doc set count = 3 where id = 1");
    assert_eq!(stored(&database), before);
}
