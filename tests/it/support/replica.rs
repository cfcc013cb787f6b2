//! A subscriber's copy of a table, kept by the protocol's rules and compared to the last digit: values stay the text that
//! PostgreSQL printed.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::server::Server;

/// Column to JSON text.
pub type Row = BTreeMap<String, String>;

/// A replica of one table. It follows when it is told to, so that a test can compare it after each statement.
pub struct Replica {
    /// `/api/NAME`, encoded.
    path: String,
    name: String,
    cursor: String,
    key: Vec<String>,
    by_key: BTreeMap<String, Row>,
    /// Rows of a table without a key, and how many of each there are.
    counted: BTreeMap<Row, i64>,
    pub resets: usize,
    /// What it was told, as `op key`.
    pub told: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    cursor: String,
    answers: Vec<Told>,
}

#[derive(Deserialize)]
struct Told {
    #[serde(default)]
    reset: bool,
    #[serde(default)]
    changes: Vec<Change>,
}

type Image = BTreeMap<String, Box<RawValue>>;

#[derive(Deserialize)]
struct Change {
    op: String,
    key: Option<Box<RawValue>>,
    old: Option<Image>,
    new: Option<Image>,
    #[serde(default)]
    elided: Vec<String>,
}

impl Replica {
    /// Lists a table by its exposed name.
    pub fn of(server: &Server, name: &str) -> Replica {
        let encoded = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC).to_string();
        let mut replica = Replica {
            path: format!("/api/{encoded}"),
            name: encoded,
            cursor: String::new(),
            key: Vec::new(),
            by_key: BTreeMap::new(),
            counted: BTreeMap::new(),
            resets: 0,
            told: Vec::new(),
        };
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
            for change in told.changes {
                self.apply(change);
            }
        }
        self.counted.retain(|_, count| *count != 0);
        assert!(self.counted.values().all(|count| *count > 0), "{}: more rows were deleted than there were", self.name);
    }

    /// Every row as it is here, in one order.
    pub fn rows(&self) -> Vec<Row> {
        let counted = self.counted.iter().flat_map(|(row, count)| std::iter::repeat_n(row.clone(), usize::try_from(*count).unwrap()));
        let mut rows: Vec<Row> = self.by_key.values().cloned().chain(counted).collect();
        rows.sort();
        rows
    }

    fn list(&mut self, server: &Server) {
        let answer = server.get(&self.path).expect_status(200);
        self.cursor = answer.header("rowcast-cursor").to_owned();
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8().unwrap().into_owned();
        self.key = answer.header("rowcast-key").split(',').filter(|part| !part.is_empty()).map(decode).collect();
        let rows: Vec<Image> = serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error} in {}", answer.body));
        (self.by_key, self.counted) = Default::default();
        for row in rows.into_iter().map(row) {
            if self.key.is_empty() {
                *self.counted.entry(row).or_default() += 1;
            } else {
                let key: Vec<&str> = self.key.iter().map(|column| row[column].as_str()).collect();
                self.by_key.insert(format!("[{}]", key.join(",")), row);
            }
        }
    }

    fn apply(&mut self, change: Change) {
        let (old, new) = (change.old.map(row), change.new.map(row));
        let Some(key) = change.key else {
            self.told.push(change.op);
            old.into_iter().for_each(|row| *self.counted.entry(row).or_default() -= 1);
            new.into_iter().for_each(|row| *self.counted.entry(row).or_default() += 1);
            return;
        };
        self.told.push(format!("{} {}", change.op, key.get()));
        let before = self.by_key.remove(key.get());
        if let Some(mut new) = new {
            // What was left out is as it was.
            for column in change.elided {
                let value =
                    before.as_ref().unwrap_or_else(|| panic!("{}: {column} was left out of an unknown row", self.name))[&column].clone();
                assert!(new.insert(column, value).is_none());
            }
            self.by_key.insert(key.get().to_owned(), new);
        }
    }
}

fn row(image: Image) -> Row {
    image.into_iter().map(|(column, value)| (column, value.get().to_owned())).collect()
}

/// The rows that a SELECT finds, in the order of [`Replica::rows`]. `rows` is what stands after FROM.
pub fn selected(client: &mut postgres::Client, rows: &str) -> Vec<Row> {
    client
        .batch_execute(
            "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; set bytea_output = 'hex'; set extra_float_digits = 1",
        )
        .unwrap();
    let found = client.query(&format!("select row_to_json(kind.*)::text from {rows} as kind"), &[]).unwrap();
    let mut rows: Vec<Row> = found.iter().map(|found| row(serde_json::from_str(found.get(0)).unwrap())).collect();
    rows.sort();
    rows
}
