use serde_json::value::RawValue;

use super::*;
use crate::catalog::TableKind;
use crate::config::Access;
use crate::error::Kind;

/// `public.t (id, name, mtime, twice generated, "we""ird")` with the key `id`.
fn table() -> Table {
    let column =
        |(name, type_name, writable): (&str, &str, bool)| Column { name: name.to_owned(), type_name: type_name.to_owned(), writable };
    let columns = [
        ("id", "bigint", true),
        ("name", "character varying(3)", true),
        ("mtime", "timestamp with time zone", true),
        ("twice", "integer", false),
        ("we\"ird", "jsonb", true),
    ];
    Table {
        relation: 1,
        exposed_name: "t".to_owned(),
        sql_name: "public.t".to_owned(),
        kind: TableKind::Table,
        columns: columns.map(column).to_vec(),
        key: vec![0],
        access: Access::ReadWrite,
    }
}

fn values(pairs: &[(&str, &str)]) -> Values {
    pairs.iter().map(|(name, json)| ((*name).to_owned(), RawValue::from_string((*json).to_owned()).unwrap())).collect()
}

fn key() -> Vec<String> {
    vec!["5".to_owned()]
}

#[test]
fn a_list_is_ordered_by_key_and_its_values_are_parameters() {
    let filter = [("name".to_owned(), Some("x' or true".to_owned())), ("twice".to_owned(), None)].into();
    let statement = list(&table(), &Selection { filter, limit: Some(3), offset: 4 }, 3, true).unwrap();
    assert_eq!(
        statement.text,
        "select pg_catalog.row_to_json(t.*)::text from only public.t as t where \
         t.\"name\" = cast($1::text as character varying(3)) and \
         pg_catalog.to_json(t.\"name\")::text = (select pg_catalog.to_json(cast($1::text as character varying(3)))::text) and \
         t.\"twice\" is null order by t.\"id\" limit 3 offset 4"
    );
    assert_eq!(statement.values, ["x' or true"]);
}

#[test]
fn names_that_are_not_in_the_catalog_are_refused() {
    let selection = |name: &str| Selection { filter: [(name.to_owned(), None)].into(), ..Selection::default() };
    assert!(list(&table(), &selection("id"), 1, true).is_ok());
    assert_eq!(list(&table(), &selection("id is null or true"), 1, true).unwrap_err().kind, Kind::BadRequest);
    let wrong = values(&[("id\", \"name", "1")]);
    for refused in [create(&table(), &wrong), change(&table(), &key(), &wrong), replace(&table(), &key(), &wrong)] {
        assert_eq!(refused.unwrap_err().kind, Kind::BadRequest);
    }
}

#[test]
fn what_is_kept_by_others_is_passed_over() {
    let statement = create(&table(), &values(&[("mtime", "\"2001-01-01\""), ("twice", "4"), ("we\"ird", "[1]")])).unwrap();
    assert_eq!(
        statement.text,
        "insert into public.t as t (\"we\"\"ird\") select r.\"we\"\"ird\" from \
         pg_catalog.json_to_record(cast($1::text as json)) as r(\"we\"\"ird\" jsonb) \
         returning pg_catalog.row_to_json(t.*)::text, t.\"id\"::text"
    );
    assert_eq!(statement.values, [r#"{"we\"ird":[1]}"#]);
    let nothing = values(&[("mtime", "null"), ("twice", "4")]);
    assert!(create(&table(), &nothing).unwrap().text.contains(" default values "));
    assert_eq!(change(&table(), &key(), &nothing).unwrap_err().kind, Kind::BadRequest);
}

#[test]
fn a_replacement_gives_every_column_a_value_or_its_default() {
    let statement = replace(&table(), &key(), &values(&[("name", "\"a\""), ("id", "5")])).unwrap();
    assert_eq!(
        statement.text,
        "update only public.t as t set \"name\" = r.\"name\", \"we\"\"ird\" = default from \
         pg_catalog.json_to_record(cast($2::text as json)) as r(\"name\" character varying(3), \"id\" bigint) \
         where t.\"id\" operator(pg_catalog.=) cast($1::text as bigint) and t.\"id\" operator(pg_catalog.=) r.\"id\" \
         returning pg_catalog.row_to_json(t.*)::text"
    );
    assert_eq!(statement.values, ["5", r#"{"name":"a", "id":5}"#]);
}

#[test]
fn a_key_has_as_many_parts_as_columns() {
    assert!(row(&table(), &key()).is_ok());
    for parts in [0, 2] {
        assert_eq!(row(&table(), &vec!["5".to_owned(); parts]).unwrap_err().kind, Kind::BadRequest);
    }
}

#[test]
fn a_key_is_compared_without_its_length() {
    for (type_name, bare) in [
        ("bigint", "bigint"),
        ("character varying(20)", "character varying"),
        ("numeric(10,2)", "numeric"),
        ("timestamp(3) with time zone", "timestamp with time zone"),
        ("character(5)", "bpchar"),
        ("bit(3)", "bit varying"),
        ("\"char\"", "\"char\""),
        ("public.\"odd(3)\"(4)", "public.\"odd(3)\""),
    ] {
        assert_eq!(without_length(type_name), bare);
    }
}
