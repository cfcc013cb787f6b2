//! Turns the values of a filter into what `row_to_json` prints for them, by asking the database once.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use postgres::types::Type;

use super::session::reading;
use super::{Database, Session};
use crate::catalog::Table;
use crate::error::{Error, Result};
use crate::filter::{Filter, NULL, Wanted};

/// Printed values that are remembered, at most. When it is full it starts over: a forgotten one costs one query.
const REMEMBERED: usize = 100_000;

/// Values longer than this are not remembered.
const REMEMBERED_BYTES: usize = 256;

/// What the database printed for a value of a type, remembered.
#[derive(Default)]
pub struct Printed(Mutex<HashMap<(String, String), String>>);

impl Printed {
    /// The filter that `wanted` asks for. An unknown column, or a value that is none of its type, is a bad request.
    pub async fn filter(&self, database: &Database, table: &Table, wanted: Wanted) -> Result<Filter> {
        let mut printed = BTreeMap::new();
        let mut asked = Vec::new();
        for (name, value) in wanted {
            let column = table.column(&name).ok_or_else(|| unknown_column(table, &name))?;
            match value {
                None => _ = printed.insert(name, NULL.to_owned()),
                Some(value) => match self.recall(&column.type_name, &value) {
                    Some(text) => _ = printed.insert(name, text),
                    None => asked.push((name, column.type_name.clone(), value)),
                },
            }
        }
        if !asked.is_empty() {
            let answers = database
                .run(move |session| {
                    asked
                        .into_iter()
                        .map(|(name, type_name, value)| Ok((name, print(session, &type_name, &value)?, type_name, value)))
                        .collect::<Result<Vec<_>>>()
                })
                .await?;
            for (name, text, type_name, value) in answers {
                if keeps_its_meaning(&type_name, &value) {
                    self.remember(type_name, value, &text);
                }
                printed.insert(name, text);
            }
        }
        Ok(Filter::new(printed))
    }

    fn recall(&self, type_name: &str, value: &str) -> Option<String> {
        let remembered = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        remembered.get(&(type_name.to_owned(), value.to_owned())).cloned()
    }

    fn remember(&self, type_name: String, value: String, text: &str) {
        if value.len() + text.len() > REMEMBERED_BYTES {
            return;
        }
        let mut remembered = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if remembered.len() >= REMEMBERED {
            remembered.clear();
        }
        remembered.insert((type_name, value), text.to_owned());
    }
}

/// `today` and `now` are other values tomorrow.
fn keeps_its_meaning(type_name: &str, value: &str) -> bool {
    !(type_name.starts_with("date") || type_name.starts_with("time")) || value.starts_with(|first: char| first.is_ascii_digit())
}

/// What the error says of a column that is not there.
pub fn unknown_column(table: &Table, name: &str) -> Error {
    let known: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    Error::bad_request(format!("{} has no column \"{name}\"; it has {}", table.exposed_name, known.join(", ")))
}

/// `type_name` comes from the catalog, spelled by the database itself; the value is a parameter.
fn print(session: &mut Session, type_name: &str, value: &str) -> Result<String> {
    let statement = format!("select to_json(cast($1::text as {type_name}))::text");
    reading(session, |session| Ok(session.query_typed_one(&statement, &[(&value, Type::TEXT)])?.get(0)))
}
