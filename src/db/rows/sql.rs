//! The statements of rows as text. Pure.

use postgres::types::{ToSql, Type};

use super::{Selection, Values};
use crate::catalog::{Column, Table};
use crate::db::filters::unknown_column;
use crate::error::{Error, Result};

/// A statement and its parameters, all of them text that the statement casts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub text: String,
    values: Vec<String>,
}

impl Statement {
    pub fn parameters(&self) -> Vec<(&(dyn ToSql + Sync), Type)> {
        self.values.iter().map(|value| (value as &(dyn ToSql + Sync), Type::TEXT)).collect()
    }

    /// Adds a parameter; how the statement refers to it.
    fn value(&mut self, value: impl Into<String>) -> String {
        self.values.push(value.into());
        format!("${}::text", self.values.len())
    }
}

/// The column that rowcast keeps in every watched table.
const MTIME: &str = "mtime";

/// A whole row as text. `t.*`, because `t` would be a column where the table has one of that name.
const ROW: &str = "pg_catalog.row_to_json(t.*)::text";

/// Rows that match, ordered by key. `comparable`: whether the columns of the filter have an equality; with it indexes
/// are used, without it only what is printed is compared.
pub fn list(table: &Table, selection: &Selection, limit: usize, comparable: bool) -> Result<Statement> {
    let mut statement = Statement::default();
    let mut conditions = Vec::new();
    for (name, value) in &selection.filter {
        let column = table.column(name).ok_or_else(|| unknown_column(table, name))?;
        let place = place(column);
        // row_to_json prints a null inside of a json column like one in its place.
        let json = ["json", "jsonb"].contains(&column.type_name.as_str());
        match value {
            None if json => conditions.push(format!("coalesce(pg_catalog.to_json({place})::text, 'null') = 'null'")),
            None => conditions.push(format!("{place} is null")),
            Some(value) => {
                let value = format!("cast({} as {})", statement.value(value), column.type_name);
                if comparable {
                    conditions.push(format!("{place} = {value}"));
                }
                // As a subscription compares, which knows no type. The sub-select is worked out once, not for each row.
                conditions.push(format!("pg_catalog.to_json({place})::text = (select pg_catalog.to_json({value})::text)"));
            }
        }
    }
    let condition = if conditions.is_empty() { "true".to_owned() } else { conditions.join(" and ") };
    statement.text =
        format!("select {ROW} from {} as t where {condition}{} limit {limit} offset {}", table.own_rows(), order(table), selection.offset);
    Ok(statement)
}

/// By key, or else by place, so that pages fit together as long as nobody writes. A view has an order of its own, or none.
fn order(table: &Table) -> String {
    let columns: Vec<String> = match (table.key.is_empty(), table.is_followed()) {
        (false, _) => table.key_columns().map(place).collect(),
        (true, true) => vec!["t.tableoid".to_owned(), "t.ctid".to_owned()],
        (true, false) => return String::new(),
    };
    format!(" order by {}", columns.join(", "))
}

/// The row with a key.
pub fn row(table: &Table, key: &[String]) -> Result<Statement> {
    let mut statement = Statement::default();
    let condition = has_key(&mut statement, table, key)?;
    statement.text = format!("select {ROW} from {} as t where {condition}", table.own_rows());
    Ok(statement)
}

/// Adds a row. Returns it, and its key's parts as text.
pub fn create(table: &Table, values: &Values) -> Result<Statement> {
    let mut statement = Statement::default();
    let named = writable(table, values)?;
    let key: String = table.key_columns().map(|column| format!(", {}::text", place(column))).collect();
    let source = if named.is_empty() {
        "default values".to_owned()
    } else {
        let record = record(&mut statement, values, &named);
        format!("({}) select {} from {record}", list_of(&named, |c| quoted(&c.name)), list_of(&named, given))
    };
    statement.text = format!("insert into {} as t {source} returning {ROW}{key}", table.sql_name);
    Ok(statement)
}

/// Changes the columns that are named; a bad request where there is none to change.
pub fn change(table: &Table, key: &[String], values: &Values) -> Result<Statement> {
    let mut statement = Statement::default();
    let named = writable(table, values)?;
    if named.is_empty() {
        return Err(Error::bad_request(format!("the body names no column of {} that can be changed", table.exposed_name)));
    }
    let record = record(&mut statement, values, &named);
    let condition = has_key(&mut statement, table, key)?;
    let assignments = list_of(&named, |column| format!("{} = {}", quoted(&column.name), given(column)));
    statement.text = format!("update {} as t set {assignments} from {record} where {condition} returning {ROW}", table.own_rows());
    Ok(statement)
}

/// Gives every column but the key's its value, or else its default; only where the key's columns are as named, or not
/// named.
pub fn replace(table: &Table, key: &[String], values: &Values) -> Result<Statement> {
    let mut statement = Statement::default();
    let is_key = |column: &&Column| table.key_columns().any(|key| key.name == column.name);
    let is_named = |column: &&Column| values.contains_key(&column.name);
    let replaced: Vec<&Column> = table.columns.iter().filter(|column| may_write(column) && !is_key(column)).collect();
    // A generated key cannot be written, but has to be right as well where it is sent back.
    let named_key: Vec<&Column> = table.key_columns().filter(is_named).collect();
    check_names(table, values)?;

    let mut conditions = vec![has_key(&mut statement, table, key)?];
    conditions.extend(named_key.iter().map(|column| format!("{} operator(pg_catalog.=) {}", place(column), given(column))));
    let sources: Vec<&Column> = replaced.iter().copied().filter(is_named).chain(named_key).collect();
    let record = if sources.is_empty() { "(select) as r".to_owned() } else { record(&mut statement, values, &sources) };
    let condition = conditions.join(" and ");
    statement.text = if replaced.is_empty() {
        // Nothing but a key: there is nothing to replace, and the row is as it was.
        format!("select {ROW} from {} as t, {record} where {condition}", table.own_rows())
    } else {
        let value = |column: &Column| if is_named(&column) { given(column) } else { "default".to_owned() };
        let assignments = list_of(&replaced, |column| format!("{} = {}", quoted(&column.name), value(column)));
        format!("update {} as t set {assignments} from {record} where {condition} returning {ROW}", table.own_rows())
    };
    Ok(statement)
}

/// Removes a row.
pub fn delete(table: &Table, key: &[String]) -> Result<Statement> {
    let mut statement = Statement::default();
    let condition = has_key(&mut statement, table, key)?;
    statement.text = format!("delete from {} as t where {condition}", table.own_rows());
    Ok(statement)
}

/// The columns that are named and can be written. What rowcast or the database itself keeps is passed over, so that a
/// row can be sent back as it was read.
fn writable<'a>(table: &'a Table, values: &Values) -> Result<Vec<&'a Column>> {
    check_names(table, values)?;
    Ok(table.columns.iter().filter(|column| may_write(column) && values.contains_key(&column.name)).collect())
}

fn check_names(table: &Table, values: &Values) -> Result<()> {
    values.keys().find(|name| table.column(name).is_none()).map_or(Ok(()), |name| Err(unknown_column(table, name)))
}

fn may_write(column: &Column) -> bool {
    column.writable && column.name != MTIME
}

/// The values of these columns as a row `r` of their types. The database itself reads the JSON, so that arrays, nulls
/// and numbers of any size are what they are, and a text that is too long is an error rather than cut.
fn record(statement: &mut Statement, values: &Values, columns: &[&Column]) -> String {
    let members = list_of(columns, |column| format!("{}:{}", serde_json::Value::from(column.name.as_str()), values[&column.name]));
    let json = statement.value(format!("{{{members}}}"));
    let definitions = list_of(columns, |column| format!("{} {}", quoted(&column.name), column.type_name));
    format!("pg_catalog.json_to_record(cast({json} as json)) as r({definitions})")
}

/// Compares the key in the column's type without its length: a cast to that would cut a value that is too long, and
/// find a row that was not meant.
fn has_key(statement: &mut Statement, table: &Table, key: &[String]) -> Result<String> {
    let columns: Vec<&Column> = table.key_columns().collect();
    if columns.is_empty() {
        return Err(Error::not_found(format!(
            "{} has no primary key by which one row could be told from another: list its rows, and filter them",
            table.exposed_name
        )));
    }
    if key.len() != columns.len() {
        return Err(Error::bad_request(format!(
            "the key of {} is {}: give that, separated by commas, and a comma inside of a value as %2C",
            table.exposed_name,
            list_of(&columns, |column| column.name.clone())
        )));
    }
    let conditions = columns.iter().zip(key).map(|(column, value)| {
        format!("{} operator(pg_catalog.=) cast({} as {})", place(column), statement.value(value), without_length(&column.type_name))
    });
    Ok(conditions.collect::<Vec<_>>().join(" and "))
}

/// A type as `format_type` spells it, without the modifier in parentheses: `numeric(10,2)` is `numeric`.
fn without_length(type_name: &str) -> String {
    let mut depth = 0;
    let mut quoted = false;
    let bare: String = type_name
        .chars()
        .filter(|&character| {
            quoted ^= character == '"';
            let inside = depth > 0 && !quoted;
            match character {
                '(' if !quoted => depth += 1,
                ')' if !quoted => depth -= 1,
                _ => return !inside,
            }
            false
        })
        .collect();
    // Without a length these two are of length one.
    match bare.as_str() {
        "character" => "bpchar".to_owned(),
        "bit" => "bit varying".to_owned(),
        _ => bare,
    }
}

fn list_of(columns: &[&Column], text: impl Fn(&Column) -> String) -> String {
    columns.iter().map(|column| text(column)).collect::<Vec<_>>().join(", ")
}

fn place(column: &Column) -> String {
    format!("t.{}", quoted(&column.name))
}

fn given(column: &Column) -> String {
    format!("r.{}", quoted(&column.name))
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
