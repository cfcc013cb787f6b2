//! What the log tells: changes, resets and the batches that they come in. Plain data.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::value::RawValue;

use crate::cursor::Cursor;

/// A table's oid: what the log calls it by, whatever its name is by now.
pub type Relation = u32;

/// What happened to a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Insert,
    Update,
    Delete,
}

impl Op {
    /// The word for it in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Op::Insert => "insert",
            Op::Update => "update",
            Op::Delete => "delete",
        }
    }
}

/// A row as `row_to_json` printed it when it was written; passed through as it is, never encoded again.
#[derive(Debug)]
pub struct Image(Box<RawValue>);

impl Image {
    /// Takes JSON text; an error if it is none.
    pub fn parse(text: String) -> Result<Image, serde_json::Error> {
        RawValue::from_string(text).map(Image)
    }

    /// The whole object.
    pub fn json(&self) -> &RawValue {
        &self.0
    }

    /// The columns by name, each as the text that PostgreSQL printed. Empty for what is no object.
    pub fn columns(&self) -> HashMap<Cow<'_, str>, &RawValue> {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

/// One row inserted, updated or deleted. In a table without a key an update is a delete and an insert.
#[derive(Debug)]
pub struct Change {
    pub relation: Relation,
    /// The top-level transaction that wrote it.
    pub xid: u64,
    pub op: Op,
    /// The key's values in the order of the primary key, as a JSON array; `null` in a table without a key.
    pub key: Box<RawValue>,
    pub old: Option<Image>,
    pub new: Option<Image>,
    /// Columns that are in neither image, because they are large and the update did not change them.
    pub elided: Vec<String>,
    /// When it was written, as a JSON string in ISO 8601.
    pub mtime: Box<RawValue>,
}

/// What one read of the log brought, between two cursors: whole transactions, never half of one.
#[derive(Debug)]
pub struct Batch {
    pub from: Arc<Cursor>,
    pub to: Arc<Cursor>,
    /// In the order of the log. None is of a relation that is in `resets`.
    pub changes: Vec<Arc<Change>>,
    /// Tables of which more happened than can be told row by row, each with the transactions that did it.
    pub resets: HashMap<Relation, Unseen>,
    /// About what the changes take in memory, in bytes.
    pub bytes: usize,
}

/// The transactions behind a reset: a cursor that has seen them all needs no reset.
#[derive(Debug, Default)]
pub struct Unseen {
    xids: BTreeSet<u64>,
    /// More than are worth remembering: everybody gets the reset.
    many: bool,
}

impl Unseen {
    const REMEMBERED: usize = 1000;

    pub fn add(&mut self, xid: u64) {
        self.xids.insert(xid);
        if self.xids.len() > Unseen::REMEMBERED {
            self.many = true;
            self.xids.clear();
        }
    }

    /// Whether there is a transaction that `seen` does not hold for.
    pub fn any_unseen(&self, seen: impl Fn(u64) -> bool) -> bool {
        self.many || self.xids.iter().any(|&xid| !seen(xid))
    }
}
