//! The key of a row where the body names it, as in `PUT /api/t` with the form `id=5&name=Ann`.

use super::fields::json_value;
use crate::catalog::Table;
use crate::db::rows::Values;
use crate::error::{Error, Result};

/// Takes the key's columns out of a body: their values as the parts of a path would give them, and the rest. A body
/// without one of them, or with null or an empty field for it, is a bad request that says which.
pub fn split(table: &Table, mut values: Values) -> Result<(Vec<String>, Values)> {
    let mut key = Vec::with_capacity(table.key.len());
    let mut missing = Vec::new();
    for column in table.key_columns() {
        match values.remove(&column.name).as_deref().map(json_value).transpose()?.flatten() {
            Some(part) => key.push(part),
            None => missing.push(column.name.as_str()),
        }
    }
    if missing.is_empty() {
        return Ok((key, values));
    }
    Err(Error::bad_request(format!(
        "which row of {0}? The body has no {1}: send it with the other fields, or name the row in the path, /api/{0}/KEY",
        table.exposed_name,
        missing.join(" and no ")
    )))
}
