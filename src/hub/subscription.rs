//! Subscriptions: what a poll wants to know of.

use std::sync::Arc;

use crate::change::{Change, Image, Relation};
use crate::filter::Filter;

/// What a poll wants to know of: a table's changes, those that concern a filter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The name that the poll gave it.
    pub id: Arc<str>,
    pub relation: Relation,
    pub filter: Filter,
}

impl Subscription {
    /// Whether a change of its table concerns it, by the old row or the new one; and if so, whether the row leaves it.
    pub fn concerned(&self, change: &Change) -> Option<bool> {
        if self.filter.is_empty() {
            return Some(false);
        }
        let matches = |image: &Option<Image>| image.as_ref().is_some_and(|image| self.filter.matches(&image.columns()));
        match (matches(&change.old), matches(&change.new)) {
            (_, true) => Some(false),
            (true, false) => Some(change.new.is_some()),
            (false, false) => None,
        }
    }
}
