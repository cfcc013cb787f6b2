//! Large rows: what is unchanged and large is left out, what is too large is a reset, and no writer fails or pays twice.

use serde_json::json;

use crate::support::{Cluster, Database, database, server};

/// About 100 kB that hardly compress.
const TEXT: &str = "(select string_agg(md5(i::text), '') from generate_series(1, 3200) i)";

fn watched(table: &str) -> Database {
    let database = database();
    database.psql(&format!("{table}; select rowcast.watch('doc'); delete from rowcast.change"));
    database
}

fn logged(database: &Database) -> String {
    database.psql("select string_agg(op::text || coalesce(array_to_string(elided, '+'), ''), ' ' order by id) from rowcast.change where relation = 'doc'::regclass")
}

#[test]
fn an_update_leaves_out_what_is_large_and_unchanged() {
    let database = watched("create table doc (id int primary key, count int, body text, data json, small text)");
    database.psql(&format!("insert into doc values (1, 0, {TEXT}, json_build_object('t', {TEXT}), 'short')"));
    database.psql("update doc set count = 1");
    database.psql("update doc set body = body || '!'");
    database.psql("update doc set body = body || '!', data = json_build_object('u', data)");
    assert_eq!(logged(&database), "I Ubody+data Udata U");
}

/// In a cluster of its own, because the log of writes is the cluster's.
#[test]
fn a_changed_counter_beside_a_long_text_costs_the_writer_no_second_text() {
    let database = Cluster::start().database();
    database.psql(&format!(
        "create table doc (id int primary key, count int, body text); insert into doc values (1, 0, {TEXT}); select rowcast.watch('doc')"
    ));
    let mut client = database.client();
    let mut update = || {
        client.execute("update public.doc set count = count + 1", &[]).unwrap();
        let position: String = client.query_one("select (pg_current_wal_insert_lsn() - '0/0')::text", &[]).unwrap().get(0);
        position.parse::<i64>().unwrap()
    };
    // The first after a checkpoint writes whole pages.
    update();
    let (before, after) = (update(), update());
    assert!(after - before < 30_000, "{} bytes of WAL for one counter", after - before);
}

#[test]
fn what_was_left_out_is_named_and_the_rest_is_told() {
    let database = watched(&format!(
        "create table doc (id int primary key, count int, body text); insert into doc values (1, 0, {TEXT}), (2, 0, 'short')"
    ));
    let server = server(&database, "[expose]\ndoc = \"r\"\n");
    let since = server.get("/api/doc").header("rowcast-cursor").to_owned();
    database.psql("update doc set count = 1");
    let told = |filter: &str| {
        server.get(&format!("/notify?table=doc&since={since}&wait=0{filter}")).expect_status(200).json()["answers"][0]["changes"].clone()
    };
    let changes = told("");
    assert_eq!(
        (changes[0]["key"].clone(), changes[0]["elided"].clone(), changes[0]["new"]["body"].clone()),
        (json!([1]), json!(["body"]), json!(null))
    );
    assert_eq!(
        (changes[1]["key"].clone(), changes[1]["elided"].clone(), changes[1]["new"]["body"].clone()),
        (json!([2]), json!(null), json!("short"))
    );
    // What cannot be compared is told: better once too often.
    assert_eq!(told("&body=eq.short").as_array().unwrap().len(), 2);
}

#[test]
fn another_key_or_none_keeps_the_images_whole() {
    let database = watched(&format!("create table doc (id int primary key, count int, body text); insert into doc values (1, 0, {TEXT})"));
    database.psql("update doc set id = 2");
    assert_eq!(logged(&database), "U");
    let keyless = watched(&format!("create table doc (count int, body text); insert into doc values (0, {TEXT})"));
    keyless.psql("update doc set count = 2");
    assert_eq!(logged(&keyless), "U");
}

#[test]
fn an_image_beyond_the_limit_is_a_reset() {
    let database = watched("create table doc (id int primary key, body text)");
    database.psql("select rowcast.watch('doc', image_bytes => 50000); delete from rowcast.change");
    database.psql(&format!("insert into doc values (1, {TEXT}); insert into doc values (2, left({TEXT}, 40000))"));
    assert_eq!(logged(&database), "R I");
}

/// A cast that came after `watch`, which refuses a type that has one, stands for all that can go wrong in rendering, such as
/// a row that expands past 1 GB.
#[test]
fn a_large_row_that_cannot_be_rendered_fails_no_writer() {
    let database = watched("create type mood as enum ('good', 'bad'); create table doc (id int primary key, mood mood, body text)");
    database.psql(
        "create function mood_json(mood) returns json language plpgsql as $$ begin raise exception 'no'; end $$; \
         create cast (mood as json) with function mood_json(mood)",
    );
    database.psql(&format!("insert into doc values (1, 'bad', {TEXT}); delete from doc"));
    assert_eq!(logged(&database), "R R");
}

/// Left out, unchanged columns still tell in which order the changes of one row happened.
#[test]
fn one_transaction_that_writes_a_large_row_again_and_again_is_told_row_by_row() {
    let database = watched("create table doc (id int primary key, count int, body text)");
    let server = server(&database, "[expose]\ndoc = \"r\"\n");
    let since = server.get("/api/doc").header("rowcast-cursor").to_owned();
    database.psql(&format!("begin; insert into doc values (1, 0, {TEXT}); update doc set count = 1; update doc set body = body || '!'; update doc set count = 2; commit"));
    let answer = server.get(&format!("/notify?table=doc&since={since}&wait=0")).json();
    let ops: Vec<&str> = answer["answers"][0]["changes"].as_array().unwrap().iter().map(|change| change["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["insert", "update", "update", "update"]);
}
