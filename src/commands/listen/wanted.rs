//! What is listened to: tables, and which of their rows.

use crate::error::{Error, Result};
use crate::filter::Wanted;

/// A table as the configuration would call it, and a filter.
#[derive(Debug, PartialEq, Eq)]
pub struct Subscribed {
    pub table: String,
    pub filter: Wanted,
}

/// Every filter is `column=value` or `column is null`, for all tables, or with `table.` before it for one of them.
pub fn subscribed(tables: &[String], filters: &[String]) -> Result<Vec<Subscribed>> {
    let mut subscribed: Vec<Subscribed> = Vec::with_capacity(tables.len());
    for table in tables {
        // What SQL calls public.person the configuration calls person.
        let table = table.strip_prefix("public.").unwrap_or(table);
        if !subscribed.iter().any(|one| one.table == table) {
            subscribed.push(Subscribed { table: table.to_owned(), filter: Wanted::new() });
        }
    }
    for filter in filters {
        let mut longest = subscribed.iter().map(|one| one.table.clone()).collect::<Vec<_>>();
        longest.sort_by_key(|table| std::cmp::Reverse(table.len()));
        let owner = longest.into_iter().find(|table| filter.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with('.')));
        let condition = owner.as_ref().map_or(filter.as_str(), |table| &filter[table.len() + 1..]);
        let (column, value) = parse(condition)?;
        for one in subscribed.iter_mut().filter(|one| owner.as_ref().is_none_or(|owner| one.table == *owner)) {
            if one.filter.insert(column.to_owned(), value.clone()).is_some() {
                return Err(Error::bad_request(format!("--where names {column} twice: a row has one value in it")));
            }
        }
    }
    Ok(subscribed)
}

fn parse(condition: &str) -> Result<(&str, Option<String>)> {
    if let Some((column, value)) = condition.split_once('=') {
        return Ok((column.trim_end(), Some(value.to_owned())));
    }
    let null = condition.len().checked_sub(" is null".len()).filter(|&at| condition.is_char_boundary(at));
    match null.map(|at| condition.split_at(at)) {
        Some((column, end)) if end.eq_ignore_ascii_case(" is null") => Ok((column, None)),
        _ => Err(Error::bad_request(format!("--where is \"{condition}\": write column=value, or \"column is null\""))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filters(tables: &[&str], filters: &[&str]) -> Result<Vec<(String, Vec<String>)>> {
        let own = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let print = |(column, value): (&String, &Option<String>)| format!("{column}:{}", value.as_deref().unwrap_or("null"));
        let subscribed = subscribed(&own(tables), &own(filters))?;
        Ok(subscribed.iter().map(|one| (one.table.clone(), one.filter.iter().map(print).collect())).collect())
    }

    #[test]
    fn a_filter_is_for_all_tables_or_for_the_one_that_it_names() {
        let told = filters(&["a", "shop.a", "public.b", "b"], &["x=1", "a.y=2=3", "shop.a.z is NULL", "w ="]).unwrap();
        let expected = [("a", vec!["w:", "x:1", "y:2=3"]), ("shop.a", vec!["w:", "x:1", "z:null"]), ("b", vec!["w:", "x:1"])];
        assert_eq!(told, expected.map(|(table, filter)| (table.to_owned(), filter.into_iter().map(str::to_owned).collect())));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for wrong in ["x", "x > 5", "null", "ä is nul"] {
            assert!(filters(&["a"], &[wrong]).is_err(), "{wrong}");
        }
        assert!(filters(&["a"], &["x=1", "a.x=2"]).is_err());
    }
}
