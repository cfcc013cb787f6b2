//! Filters: equality on columns, the same for a list and a subscription. Pure.
//!
//! A filter is parsed once. Its values are what `row_to_json` prints for them, which the database says (see
//! `db::filters`), so that comparing text is comparing values, and list and subscription agree.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// How `row_to_json` prints a null.
pub const NULL: &str = "null";

/// A filter as a request gave it: column to value, null being IS NULL. Ordered, so that equal filters are equal.
pub type Wanted = BTreeMap<String, Option<String>>;

/// A filter that can be matched: column to the value as `row_to_json` prints it. Matches every row if it is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Filter(BTreeMap<String, String>);

impl Filter {
    /// Makes a filter of columns and printed values.
    pub fn new(columns: BTreeMap<String, String>) -> Filter {
        Filter(columns)
    }

    /// Whether it matches every row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The columns that it compares, ascending.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The printed values, in the order of the columns.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.0.values().map(String::as_str)
    }

    /// Whether a row matches. A column that the image leaves out counts as matching: better told once too often.
    pub fn matches(&self, row: &HashMap<Cow<'_, str>, &RawValue>) -> bool {
        self.0.iter().all(|(column, value)| row.get(column.as_str()).is_none_or(|printed| printed.get() == value))
    }
}

/// Parses one filter of a query string, `eq.value` or `is.null`.
pub fn parse_operand(column: &str, operand: &str) -> Result<Option<String>> {
    match operand.split_once('.') {
        Some(("eq", value)) => Ok(Some(value.to_owned())),
        Some(("is", "null")) => Ok(None),
        _ => Err(Error::bad_request(format!("cannot filter {column} by \"{operand}\": write {column}=eq.VALUE, or {column}=is.null"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::Image;

    #[test]
    fn a_row_matches_by_all_its_columns() {
        let image = Image::parse(r#"{"id":5,"name":"Ann","gone":null}"#.to_owned()).unwrap();
        let row = image.columns();
        let filter = |pairs: &[(&str, &str)]| Filter::new(pairs.iter().map(|(c, v)| ((*c).to_owned(), (*v).to_owned())).collect());
        assert!(filter(&[]).matches(&row));
        assert!(filter(&[("id", "5"), ("name", "\"Ann\"")]).matches(&row));
        assert!(filter(&[("gone", NULL)]).matches(&row));
        assert!(filter(&[("left_out", "1")]).matches(&row));
        assert!(!filter(&[("id", "6")]).matches(&row));
        assert!(!filter(&[("id", "5"), ("name", "\"Bob\"")]).matches(&row));
    }

    #[test]
    fn an_operand_is_eq_or_is_null() {
        assert_eq!(parse_operand("a", "eq.x.y").unwrap().as_deref(), Some("x.y"));
        assert_eq!(parse_operand("a", "eq.").unwrap().as_deref(), Some(""));
        assert_eq!(parse_operand("a", "is.null").unwrap(), None);
        assert!(parse_operand("a", "gt.5").is_err());
        assert!(parse_operand("a", "5").is_err());
    }
}
