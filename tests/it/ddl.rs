//! Tables change under their writers and followers: no writer fails through us, nothing is lost, and the server follows.

use std::collections::BTreeMap;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::follower::Follower;
use crate::support::{Database, Server, database, empty_example, run, server, wait_until};

const EXPOSED: &str = "[expose]\nitem = \"r\"\n";

/// What the writers know of the table; they learn of a change after it was made, as applications do.
struct Known {
    table: &'static str,
    key: &'static str,
}

/// Writers of one table, and the table.
struct Changing {
    database: Database,
    known: RwLock<Known>,
    writes: AtomicUsize,
    stop: AtomicBool,
}

impl Changing {
    fn new() -> Changing {
        Changing::with("create table item (id int primary key, n int, t text)")
    }

    fn with(sql: &str) -> Changing {
        let database = empty_example(database());
        database.psql(&format!("{sql}; select rowcast.watch('item')"));
        Changing {
            database,
            known: RwLock::new(Known { table: "item", key: "id" }),
            writes: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        }
    }

    /// Inserts, updates and deletes rows of its own, some in a transaction that stays open for a while. A statement may fail
    /// because it names what is gone, as it would without us; nothing of ours may be in the way.
    fn write(&self, writer: i32) {
        let mut client = self.database.client();
        let mut round = 0;
        while !self.stop.load(Ordering::Relaxed) {
            round += 1;
            let outcome = {
                let known = self.known.read().unwrap();
                let (table, key, id) = (known.table, known.key, writer * 1_000 + round % 40);
                drop(known);
                let mut work = || -> Result<(), postgres::Error> {
                    let mut transaction = client.transaction()?;
                    transaction.execute(
                        &format!(
                            "insert into {table} ({key}, t) values ({id}, 'a') on conflict ({key}) do update set t = excluded.t || 'b'"
                        ),
                        &[],
                    )?;
                    if round % 7 == 0 {
                        thread::sleep(Duration::from_millis(40));
                    }
                    // A statement of a name, whose plan is kept.
                    let update = transaction.prepare(&format!("update {table} set t = $1 where {key} = {id}"))?;
                    transaction.execute(&update, &[&format!("{round}")])?;
                    transaction.commit()?;
                    // By itself: a row that comes and goes in one transaction is a reset, which would mend what this is to find.
                    if round % 5 == 0 {
                        client.execute(&format!("delete from {table} where {key} = {id}"), &[])?;
                    }
                    Ok(())
                };
                work()
            };
            match outcome {
                Ok(()) => _ = self.writes.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    let told = error.as_db_error().map(|error| format!("{} {error} {:?}", error.code().code(), error.where_()));
                    let told = told.unwrap_or_else(|| error.to_string());
                    let its_own = ["42P01", "42703", "42P10", "23502", "0A000", "40P01"].iter().any(|code| told.starts_with(code));
                    assert!(its_own && !told.contains("rowcast"), "a writer failed: {told}");
                }
            }
            thread::sleep(Duration::from_millis(3));
        }
    }

    /// Starts three writers, who end when the answer is dropped: after a failure they would write for ever.
    fn writers<'scope>(&'scope self, scope: &'scope thread::Scope<'scope, '_>) -> Writing<'scope> {
        for writer in 1..4 {
            scope.spawn(move || self.write(writer));
        }
        Writing(self)
    }

    /// Changes the table, tells the writers, and waits until each has written since.
    fn alter(&self, sql: &str, table: &'static str, key: &'static str) {
        self.database.psql(sql);
        *self.known.write().unwrap() = Known { table, key };
        let before = self.writes.load(Ordering::Relaxed);
        wait_until(&format!("the writers write after {sql}"), Duration::from_secs(20), || {
            (self.writes.load(Ordering::Relaxed) > before + 15).then_some(())
        });
    }

    /// Followers end at what a SELECT finds, while the writers go on and then rest.
    #[track_caller]
    fn settles(&self, followers: &[Follower], what: &str) {
        // Nobody writes while this is held.
        let pause = self.database.client();
        let mut pause = pause;
        let mut held = pause.transaction().unwrap();
        held.batch_execute("lock table public.item in share mode").unwrap();
        let expected =
            sorted(serde_json::from_str(&self.database.psql("select coalesce(json_agg(row_to_json(i)), '[]') from item i")).unwrap());
        for follower in followers {
            let mut rows = Vec::new();
            let equal = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                wait_until("the follower has what a SELECT finds", Duration::from_secs(20), || {
                    rows = sorted(follower.rows().into_values().collect());
                    (rows == expected).then_some(())
                });
            }));
            assert!(equal.is_ok(), "after {what}: {rows:?} instead of {expected:?}");
        }
    }
}

/// Writers at work.
struct Writing<'a>(&'a Changing);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

fn sorted(mut rows: Vec<Value>) -> Vec<Value> {
    rows.sort_by_key(Value::to_string);
    rows
}

fn mend(database: &Database, server: &Server) {
    let (_, said) = run(&["check", "--mend", "--database-url", &database.url()]);
    assert!(said.contains("watched again: item"), "{said}\n{}", server.log());
}

#[test]
fn a_table_that_changes_under_its_writers_is_followed_throughout() {
    let changing = Changing::new();
    let server = server(&changing.database, EXPOSED);
    let followers: Vec<Follower> = (0..2).map(|_| Follower::start(server.port, "item", "", |_| None)).collect();
    thread::scope(|scope| {
        let _writing = changing.writers(scope);
        let alter = |sql: &str| changing.alter(sql, "public.item", "id");
        alter("alter table item add column a int");
        alter("alter table item add column b int default 7");
        alter("alter table item add column c float8 default random()");
        alter("alter table item add column g int generated always as (id * 2) stored");
        alter("alter table item rename column n to m");
        alter("alter table item drop column a");
        changing.settles(&followers, "columns that came and went");

        let alter = |sql: &str| changing.alter(sql, "public.item", "number");
        alter("alter table item drop column g; alter table item rename column id to number");
        alter("alter table item alter column number type bigint");
        alter("alter table item alter column t type varchar(50)");
        alter("create unique index other on item (number); alter table item drop constraint item_pkey");
        alter("alter table item add constraint again primary key using index other");
        alter("alter table item rename column m to id");
        changing.settles(&followers, "a key that changed its name, its type and itself");

        alter("alter table item rename mtime to changed");
        alter("alter table item rename changed to mtime");
        alter("alter table item alter mtime type timestamp");
        alter("alter table item alter mtime type timestamptz");
        alter("alter table item drop column mtime");
        mend(&changing.database, &server);
        alter("alter table item disable trigger user");
        alter("alter table item enable trigger user");
        changing.settles(&followers, "an mtime that changed, and triggers that were off for a while");

        alter("drop trigger \"00_rowcast_capture\" on item");
        mend(&changing.database, &server);
        changing.alter("alter table item rename to thing", "public.thing", "number");
        alter("alter table thing rename to item");
        changing.alter("create schema shop; alter table item set schema shop", "shop.item", "number");
        alter("alter table shop.item set schema public");
        changing.settles(&followers, "a trigger that was dropped, and a table that was called otherwise and lay elsewhere");

        alter("begin; drop table item; create table item (number int primary key, t text); select rowcast.watch('item'); commit");
        changing.settles(&followers, "a table that was made anew");
    });
    let seen: BTreeMap<_, _> = followers.iter().enumerate().map(|(number, follower)| (number, follower.seen())).collect();
    assert!(
        seen.values().all(|seen| seen.changes > 50 && seen.resets > 4),
        "{:?}",
        seen.values().map(|seen| (seen.changes, seen.resets)).collect::<Vec<_>>()
    );
    server.get("/readyz").expect_status(200);
}

/// What happens to a partition by itself no trigger of its root sees.
#[test]
fn partitions_that_come_and_go_under_their_writers_are_followed() {
    let changing = Changing::with(
        "create table item (id int primary key, n int, t text) partition by range (id);
         create table item_1 partition of item for values from (1000) to (2000);
         create table item_2 partition of item for values from (2000) to (3000);
         create table item_rest partition of item default",
    );
    let server = server(&changing.database, EXPOSED);
    let followers = [Follower::start(server.port, "item", "", |_| None)];
    thread::scope(|scope| {
        let _writing = changing.writers(scope);
        let alter = |sql: &str| changing.alter(sql, "public.item", "id");
        alter("create table fresh (like item including all); insert into fresh (id) values (5001)");
        alter("alter table item attach partition fresh for values from (5000) to (6000)");
        alter("insert into item (id, t) values (5002, 'an attached one is captured'); update item set id = 7001 where id = 5001");
        changing.settles(&followers, "a partition with rows was attached");

        alter("truncate item_1");
        alter(
            "begin; alter table item detach partition item_2; update item_2 set t = 'meanwhile';
               alter table item attach partition item_2 for values from (2000) to (3000); commit",
        );
        changing.settles(&followers, "one was emptied, and one was elsewhere for a while");

        alter("alter table item detach partition fresh; update fresh set t = 'no longer ours'");
        alter("drop table item_1");
        changing.settles(&followers, "one was detached and one dropped");
    });
    let seen = followers[0].seen();
    assert!(seen.changes > 50 && seen.resets > 0, "{} changes, {} resets", seen.changes, seen.resets);
}

/// Who waits for its changes is told, whoever asks later is too, and nobody else notices.
#[test]
fn a_table_dropped_for_good_is_told_to_who_follows_it() {
    let changing = Changing::new();
    let database = &changing.database;
    database.psql("create table other (id int primary key); select rowcast.watch('other')");
    let server = server(database, "[expose]\nitem = \"r\"\nother = \"r\"\n");
    let follower = Follower::start(server.port, "other", "", |_| None);
    let cursor = server.get("/api/item").header("rowcast-cursor").to_owned();
    let parked = thread::scope(|scope| {
        let parked = scope.spawn(|| server.get(&format!("/notify?table=item&since={cursor}&wait=20")));
        server.wait_for_open_polls(2);
        database.psql("drop table item");
        parked.join().unwrap()
    });
    assert_eq!(parked.expect_status(200).json()["answers"][0]["reset"], true);
    wait_until("the table is gone", Duration::from_secs(20), || (server.get("/api/item").status == 404).then_some(()));
    server.get(&format!("/notify?table=item&since={cursor}&wait=0")).expect_status(404);
    database.psql("insert into other values (1)");
    wait_until("the other table is followed", Duration::from_secs(10), || (follower.rows().len() == 1).then_some(()));
}

/// Somebody turns the triggers off and on again between two looks of the server, or while none runs.
#[test]
fn triggers_that_were_off_for_a_moment_are_a_reset() {
    let changing = Changing::new();
    let database = &changing.database;
    let mut server = server(database, EXPOSED);
    let cursor = server.get("/api/item").header("rowcast-cursor").to_owned();
    server.terminate();
    server.wait();
    database.psql("alter table item disable trigger user; insert into item (id) values (1); alter table item enable trigger user");
    server.start_again();
    let answer = server.get(&format!("/notify?table=item&since={cursor}&wait=0")).expect_status(200).json();
    assert_eq!(answer["answers"][0]["reset"], true, "{answer}");
}

/// Its changes are logged as its root's, so as itself it would be silent.
#[test]
fn a_partition_is_not_served_by_its_own_name_nor_a_table_whose_trigger_is_off() {
    let changing = Changing::new();
    let database = &changing.database;
    database.psql(
        "create table root (id int primary key) partition by range (id); create table leaf partition of root default; select rowcast.watch('root');
         alter table item disable trigger \"00_rowcast_capture\"",
    );
    let (_, said) = run(&["status", "--database-url", &database.url()]);
    assert!(said.contains("root") && !said.contains("leaf"), "{said}");
    let server = crate::support::launch(&database.url(), "[expose]\nitem = \"r\"\nleaf = \"r\"\nroot = \"r\"\n", &[]);
    wait_until("the root is served", Duration::from_secs(20), || {
        let stream = std::net::TcpStream::connect(("127.0.0.1", server.port));
        stream.ok().filter(|_| server.get("/api/root").status == 200).map(drop)
    });
    for table in ["item", "leaf"] {
        server.get(&format!("/api/{table}")).expect_status(404);
    }
    mend(database, &server);
    wait_until("the table is served", Duration::from_secs(20), || (server.get("/api/item").status == 200).then_some(()));
}
