//! A replica of a table that follows when it is told to, so that a test can compare it after each statement.

use std::sync::Arc;

use serde::Deserialize;

use super::rows::{Row, Rows, Taken, Told, row};
use super::server::Server;

pub struct Replica {
    /// `/api/NAME`, encoded.
    path: String,
    name: String,
    cursor: String,
    rows: Rows,
    pub resets: usize,
    /// What it was told, as `op key`.
    pub told: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    cursor: String,
    answers: Vec<Told>,
}

impl Replica {
    /// Lists a table by its exposed name.
    pub fn of(server: &Server, name: &str) -> Replica {
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let (path, cursor, rows) = (format!("/api/{encoded}"), String::new(), Rows::new(None, true));
        let mut replica = Replica { path, name: encoded, cursor, rows, resets: 0, told: Vec::new() };
        replica.list(server);
        replica
    }

    /// Takes in all that was committed before this call.
    pub fn follow(&mut self, server: &Server) {
        let answer = server.get(&format!("/notify?table={}&since={}&wait=0", self.name, self.cursor)).expect_status(200);
        let answer: Answer = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error} in {}", answer.body));
        self.cursor = answer.cursor;
        for told in answer.answers {
            if told.reset {
                self.resets += 1;
                return self.list(server);
            }
            let named = told.changes.iter().map(|change| match &change.key {
                Some(key) => format!("{} {}", change.op, key.get()),
                None => change.op.clone(),
            });
            self.told.extend(named);
            let taken = self.rows.take(told.changes).unwrap_or_else(|wrong| panic!("{}: {wrong}", self.name));
            assert_eq!(taken, Taken::Whole, "{}: columns were left out of an unknown row", self.name);
        }
    }

    /// Every row as it is here, in one order.
    pub fn rows(&self) -> Vec<Arc<Row>> {
        self.rows.all()
    }

    fn list(&mut self, server: &Server) {
        let answer = server.get(&self.path).expect_status(200);
        self.cursor = answer.header("rowcast-cursor").to_owned();
        self.rows.list(answer.header("rowcast-key"), &answer.body).unwrap_or_else(|wrong| panic!("{}: {wrong}", self.name));
    }
}

/// The rows that a SELECT finds, in the order of [`Rows::all`]. `rows` is what stands after FROM.
pub fn selected(client: &mut postgres::Client, rows: &str) -> Vec<Arc<Row>> {
    client
        .batch_execute(
            "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1",
        )
        .unwrap();
    // Some types print as the search_path has it: the server's names no schema of an application's.
    let mut transaction = client.transaction().unwrap();
    transaction
        .batch_execute(&format!("create temp view found as select * from {rows} as kind; set local search_path = pg_catalog"))
        .unwrap();
    let found = transaction.query("select row_to_json(kind.*)::text from pg_temp.found as kind", &[]).unwrap();
    transaction.rollback().unwrap();
    let mut rows: Vec<Arc<Row>> = found.iter().map(|found| Arc::new(row(serde_json::from_str(found.get(0)).unwrap()))).collect();
    rows.sort();
    rows
}
