//! A subscriber's copy of a table's rows, kept by the protocol's rules and compared to the last digit: values stay the text
//! that PostgreSQL printed. It believes nothing: a change that does not fit the rows it has is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

/// Column to JSON text.
pub type Row = BTreeMap<String, String>;

/// A row as JSON, column by column.
pub type Image = BTreeMap<String, Box<RawValue>>;

/// What one subscription is told in one answer.
#[derive(Deserialize)]
pub struct Told {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub reset: bool,
    #[serde(default)]
    pub changes: Vec<Change>,
}

#[derive(Deserialize)]
pub struct Change {
    pub op: String,
    pub key: Option<Box<RawValue>>,
    pub old: Option<Image>,
    pub new: Option<Image>,
    #[serde(default)]
    pub elided: Vec<String>,
    #[serde(default)]
    pub leaves: bool,
}

/// A column, and the JSON text that it must have: a subscription's `where`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Filter {
    pub column: &'static str,
    pub json: &'static str,
}

/// Whether the rows are right after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Taken {
    Whole,
    /// The change left out columns of a row that was not here, as one that comes into a filter may: list anew.
    ListAnew,
}

/// The rows. Copies share them, so that an old state costs little to keep.
#[derive(Clone)]
pub struct Rows {
    filter: Option<Filter>,
    /// Each change must start from the very row that is here. Off for a table that is truncated while it is listed: TRUNCATE
    /// shows itself to older snapshots.
    is_exact: bool,
    key: Vec<String>,
    by_key: BTreeMap<String, Arc<Row>>,
    /// Rows of a table without a key, and how many of each there are.
    counted: BTreeMap<Arc<Row>, i64>,
}

impl Rows {
    pub fn new(filter: Option<Filter>, is_exact: bool) -> Rows {
        Rows { filter, is_exact, key: Vec::new(), by_key: BTreeMap::new(), counted: BTreeMap::new() }
    }

    /// Every row as it is here, in one order.
    pub fn all(&self) -> Vec<Arc<Row>> {
        let counted = self.counted.iter().flat_map(|(row, count)| std::iter::repeat_n(row.clone(), usize::try_from(*count).unwrap_or(0)));
        let mut rows: Vec<Arc<Row>> = self.by_key.values().cloned().chain(counted).collect();
        rows.sort();
        rows
    }

    /// Takes a list in the place of all that was here. `key` is the header's text.
    pub fn list(&mut self, key: &str, body: &str) -> Result<(), String> {
        let decode = |part: &str| percent_encoding::percent_decode_str(part).decode_utf8_lossy().into_owned();
        self.key = key.split(',').filter(|part| !part.is_empty()).map(decode).collect();
        let rows: Vec<Image> = serde_json::from_str(body).map_err(|error| format!("a list is no list: {error} in {body}"))?;
        (self.by_key, self.counted) = Default::default();
        for row in rows.into_iter().map(row) {
            if self.key.is_empty() {
                *self.counted.entry(Arc::new(row)).or_default() += 1;
                continue;
            }
            let key: Vec<&str> = self.key.iter().map(|column| row[column].as_str()).collect();
            if self.by_key.insert(format!("[{}]", key.join(",")), Arc::new(row)).is_some() {
                return Err(format!("a list has the key {} twice", self.key.join(",")));
            }
        }
        Ok(())
    }

    /// Takes all changes of one answer.
    pub fn take(&mut self, changes: Vec<Change>) -> Result<Taken, String> {
        for change in changes {
            if self.apply(change)? == Taken::ListAnew {
                return Ok(Taken::ListAnew);
            }
        }
        self.counted.retain(|_, count| *count != 0);
        match self.counted.iter().find(|(_, count)| self.is_exact && **count < 0) {
            None => Ok(Taken::Whole),
            Some((row, _)) => Err(format!("more rows were deleted than there were of {}", shown(row))),
        }
    }

    fn apply(&mut self, change: Change) -> Result<Taken, String> {
        let (old, new) = (change.old.map(row), change.new.map(row));
        let key = change.key.as_ref().map_or("null", |key| key.get());
        let wrong = |what: &str| {
            let image = |image: &Option<Row>| image.as_ref().map_or("nothing".to_owned(), shown);
            Err(format!("{} {key}: {what}; it was told from {} to {}", change.op, image(&old), image(&new)))
        };
        // None: the filter's column is not in the image.
        let was = old.as_ref().map_or(Some(false), |old| self.matches(old));
        let will = new.as_ref().map_or(Some(false), |new| self.matches(new));
        if was == Some(false) && will == Some(false) {
            return wrong("it was told to a filter that neither row matches");
        }
        if change.leaves != (new.is_some() && will == Some(false)) {
            return wrong("it leaves the filter, or it does not, other than was told");
        }
        if change.key.is_none() {
            old.into_iter().for_each(|row| *self.counted.entry(Arc::new(row)).or_default() -= 1);
            new.into_iter().for_each(|row| *self.counted.entry(Arc::new(row)).or_default() += 1);
            return Ok(Taken::Whole);
        }
        let held = self.by_key.remove(key);
        if self.is_exact {
            match (&held, was) {
                (None, Some(true)) => return wrong("this row is not here"),
                (Some(_), Some(false)) => return wrong("this row is here already"),
                (Some(held), _) => {
                    if let Some((column, value)) = old.iter().flatten().find(|(column, value)| held.get(*column) != Some(*value)) {
                        return wrong(&format!("here {column} is {:?}, not {}", held.get(column), cut(value)));
                    }
                }
                (None, _) => {}
            }
        }
        if let (Some(mut new), false) = (new, change.leaves) {
            // What was left out is as it was.
            for column in change.elided {
                let Some(value) = held.as_ref().and_then(|held| held.get(&column)) else { return Ok(Taken::ListAnew) };
                new.insert(column, value.clone());
            }
            self.by_key.insert(key.to_owned(), Arc::new(new));
        }
        Ok(Taken::Whole)
    }

    fn matches(&self, row: &Row) -> Option<bool> {
        let Some(filter) = &self.filter else { return Some(true) };
        row.get(filter.column).map(|value| value == filter.json)
    }
}

pub fn row(image: Image) -> Row {
    image.into_iter().map(|(column, value)| (column, value.get().to_owned())).collect()
}

/// A row for a person to read.
pub fn shown(row: &Row) -> String {
    let columns: Vec<String> = row.iter().map(|(column, value)| format!("{column}: {}", cut(value))).collect();
    format!("{{{}}}", columns.join(", "))
}

/// The beginning of what may be long.
pub fn cut(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
    }
}
