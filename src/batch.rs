//! From the log's rows to a batch: keys, the order of one row's changes, and resets where a batch grows too large. Pure.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};

use crate::catalog::{Catalog, Table};
use crate::change::{Batch, Change, Image, Op, Relation, Unseen};
use crate::cursor::Cursor;

/// One row of `rowcast.change` as the read of the log gives it.
#[derive(Debug)]
pub struct LogRow {
    pub xid: u64,
    pub relation: Relation,
    /// `I`, `U`, `D` or `R`.
    pub op: u8,
    pub old: Option<String>,
    pub new: Option<String>,
    /// A JSON string in ISO 8601.
    pub time: String,
    /// Columns that are in neither image.
    pub elided: Vec<String>,
}

/// The sizes above which a batch is told as resets.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    pub rows: usize,
    pub bytes: usize,
}

/// Takes the log's rows one by one, in the log's order, and keeps no more of them than the limits allow.
pub struct BatchBuilder<'a> {
    catalog: &'a Catalog,
    limits: BatchLimits,
    changes: Vec<Change>,
    resets: HashMap<Relation, Unseen>,
    bytes: usize,
    overflow: bool,
}

impl<'a> BatchBuilder<'a> {
    pub fn new(catalog: &'a Catalog, limits: BatchLimits) -> BatchBuilder<'a> {
        BatchBuilder { catalog, limits, changes: Vec::new(), resets: HashMap::new(), bytes: 0, overflow: false }
    }

    /// Adds a row. One of a table that is not exposed is passed over; one that cannot be told as a change, such as an
    /// image from before its key column was renamed, makes its table a reset.
    pub fn push(&mut self, row: LogRow) {
        let Some(table) = self.catalog.relation(row.relation) else { return };
        if row.op == b'R' || self.overflow || self.resets.contains_key(&row.relation) {
            return self.reset(row.relation, row.xid);
        }
        self.bytes += row.old.as_ref().map_or(0, String::len) + row.new.as_ref().map_or(0, String::len) + ROW_OVERHEAD;
        let (relation, xid) = (row.relation, row.xid);
        if !self.push_change(table, row) {
            return self.reset(relation, xid);
        }
        if self.changes.len() > self.limits.rows || self.bytes > self.limits.bytes {
            self.overflow = true;
            for change in std::mem::take(&mut self.changes) {
                self.reset(change.relation, change.xid);
            }
            self.bytes = 0;
        }
    }

    /// The batch between two cursors. A table that has a reset has no changes beside it.
    pub fn finish(mut self, from: Arc<Cursor>, to: Arc<Cursor>) -> Batch {
        for (relation, xid) in put_in_order(&mut self.changes) {
            self.reset(relation, xid);
        }
        let (reset, told): (Vec<Change>, Vec<Change>) =
            std::mem::take(&mut self.changes).into_iter().partition(|change| self.resets.contains_key(&change.relation));
        for change in reset {
            self.reset(change.relation, change.xid);
        }
        Batch { from, to, changes: told.into_iter().map(Arc::new).collect(), resets: self.resets, bytes: self.bytes }
    }

    fn reset(&mut self, relation: Relation, xid: u64) {
        self.resets.entry(relation).or_default().add(xid);
    }

    /// False if the images do not fit the table as the catalog has it.
    fn push_change(&mut self, table: &Table, row: LogRow) -> bool {
        let Some(Seen { image: old, key: old_key, .. }) = see(table, row.old) else { return false };
        let Some(Seen { image: new, key: new_key, mtime }) = see(table, row.new) else { return false };
        // The row's own mtime where it still has one, else the log's time: so that a change and its row tell the same.
        let change = |op, key, old, new, mtime: Option<Box<RawValue>>| {
            let logged = || RawValue::from_string(row.time.clone()).unwrap_or_else(|_| RawValue::NULL.to_owned());
            Change { relation: row.relation, xid: row.xid, op, key, old, new, mtime: mtime.unwrap_or_else(logged), elided: Vec::new() }
        };
        match (row.op, old_key, new_key) {
            (b'I', None, Some(key)) => self.changes.push(change(Op::Insert, key, None, new, mtime)),
            (b'D', Some(key), None) => self.changes.push(change(Op::Delete, key, old, None, None)),
            (b'U', Some(old_key), Some(new_key)) if old_key.get() == new_key.get() && !table.key.is_empty() => {
                self.changes.push(Change { elided: row.elided, ..change(Op::Update, new_key, old, new, mtime) });
            }
            // Another key is another row: who holds the old one must drop it. So it is where no key tells which row it was.
            (b'U', Some(old_key), Some(new_key)) if row.elided.is_empty() => {
                self.changes.push(change(Op::Delete, old_key, old, None, None));
                self.changes.push(change(Op::Insert, new_key, None, new, mtime));
            }
            _ => return false,
        }
        true
    }
}

/// What a change takes in memory beside its images, roughly.
const ROW_OVERHEAD: usize = 256;

/// What a change needs of an image; nothing where there is none.
#[derive(Default)]
struct Seen {
    image: Option<Image>,
    /// As a JSON array.
    key: Option<Box<RawValue>>,
    mtime: Option<Box<RawValue>>,
}

/// Takes an image apart, once; None if it has not the columns that it should, or is no object.
fn see(table: &Table, text: Option<String>) -> Option<Seen> {
    let Some(text) = text else { return Some(Seen::default()) };
    let image = Image::parse(text).ok()?;
    let columns = image.columns();
    let key = if table.key.is_empty() {
        RawValue::NULL.to_owned()
    } else {
        let key = table.key_columns().map(|column| columns.get(column.name.as_str()).copied()).collect::<Option<Vec<&RawValue>>>()?;
        to_raw_value(&key).ok()?
    };
    let mtime = columns.get("mtime").filter(|value| value.get().starts_with('"')).map(|&value| value.to_owned());
    drop(columns);
    Some(Seen { image: Some(image), key: Some(key), mtime })
}

/// Puts the changes of one row in one transaction in the order in which they happened, where the log has another.
///
/// A trigger of the application's that changes rows of its own statement, or rows that swap keys in one statement,
/// are logged in another order than they took effect. Each change starts from the image that the one before left, so the
/// chain of images tells the order. Returns what cannot be put in order, as relation and transaction.
fn put_in_order(changes: &mut Vec<Change>) -> Vec<(Relation, u64)> {
    let mut rows: HashMap<(Relation, u64, &str), Vec<usize>> = HashMap::new();
    // Rows without a key are counted rather than told apart, and a count needs no order.
    for (place, change) in changes.iter().enumerate().filter(|(_, change)| change.key.get() != RawValue::NULL.get()) {
        rows.entry((change.relation, change.xid, change.key.get())).or_default().push(place);
    }
    let mut moves: Vec<(Vec<usize>, Vec<usize>)> = Vec::new();
    let mut hopeless = Vec::new();
    for ((relation, xid, _), places) in rows {
        let (first, last) = (places[0], places[places.len() - 1]);
        if places.len() < 2 {
            continue;
        }
        if places.windows(2).all(|pair| follows(&changes[pair[0]], &changes[pair[1]])) {
            // A circle fits from each of its changes on, and ends elsewhere from each: inserted and deleted again, or
            // deleted and inserted again as it was?
            if follows(&changes[last], &changes[first]) {
                hopeless.push((relation, xid));
            }
            continue;
        }
        match chain(changes, &places) {
            Some(order) => moves.push((places, order)),
            None => hopeless.push((relation, xid)),
        }
    }
    if !moves.is_empty() {
        let mut slots: Vec<Option<Change>> = std::mem::take(changes).into_iter().map(Some).collect();
        for (places, order) in moves {
            let row: Vec<Option<Change>> = order.iter().map(|&from| slots[from].take()).collect();
            for (place, change) in places.into_iter().zip(row) {
                slots[place] = change;
            }
        }
        changes.extend(slots.into_iter().flatten());
    }
    hopeless
}

fn follows(before: &Change, after: &Change) -> bool {
    match (&before.new, &after.old) {
        (Some(left), Some(right)) if !(before.elided.is_empty() && after.elided.is_empty()) => agree(left, right),
        (left, right) => text(left) == text(right),
    }
}

/// Whether two images are the same in the columns that both have: what was left out of one was not changed.
fn agree(left: &Image, right: &Image) -> bool {
    let right = right.columns();
    left.columns().iter().all(|(name, value)| right.get(name).is_none_or(|other| other.get() == value.get()))
}

fn text(image: &Option<Image>) -> Option<&str> {
    image.as_ref().map(|image| image.json().get())
}

/// The one order of these changes in which each follows the one before; None if there is none, or more than one start.
fn chain(changes: &[Change], places: &[usize]) -> Option<Vec<usize>> {
    // Beyond this a reset is cheaper than the search.
    const LONGEST: usize = 64;
    if places.len() > LONGEST {
        return None;
    }
    let is_start = |&&place: &&usize| !places.iter().any(|&other| other != place && follows(&changes[other], &changes[place]));
    let mut starts = places.iter().filter(is_start);
    let (Some(&start), None) = (starts.next(), starts.next()) else { return None };
    let mut order = vec![start];
    let mut rest: BTreeSet<usize> = places.iter().copied().filter(|&place| place != start).collect();
    while !rest.is_empty() {
        let last = *order.last()?;
        let mut next = rest.iter().copied().filter(|&place| follows(&changes[last], &changes[place]));
        let (Some(place), None) = (next.next(), next.next()) else { return None };
        rest.remove(&place);
        order.push(place);
    }
    Some(order)
}

#[cfg(test)]
mod tests;
