//! The promises of REST: lists with their cursor, single rows, writes from JSON and forms, problems.

mod lists;
mod problems;
mod types;
mod writes;

use crate::support::{Answer, Database, Server, database, server};

/// Both tables of these tests may be written.
const BOTH: &str = "[expose]\ntesttype = \"rw\"\n\"Odd.Pair of\" = \"rw\"\n";

/// A database with the example table, and `"Odd"."Pair of"`: a schema and names that need quotes, a key of two columns,
/// and columns of the names that our statements use themselves.
fn odd_database() -> Database {
    let db = database();
    db.psql(
        r#"
        create schema "Odd";
        create table "Odd"."Pair of" (
          "B,1" text, a integer, t text default 'T', r integer, "say ""x""" text, "limit" integer, twice integer generated always as (r * 2) stored,
          primary key (a, "B,1"));
        select rowcast.watch('"Odd"."Pair of"');
        "#,
    );
    db
}

fn rows(answer: &Answer) -> Vec<serde_json::Value> {
    answer.json().as_array().expect("a list").clone()
}

/// The names of the example's rows in the list of `query`.
#[track_caller]
fn names(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/api/testtype{query}")).expect_status(200);
    rows(&answer).iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
}

fn exposed() -> (Database, Server) {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    (db, server)
}
