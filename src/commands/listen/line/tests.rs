use std::sync::Arc;

use super::*;
use crate::catalog::{Column, TableKind};
use crate::config::Access;
use crate::cursor::Snapshot;
use crate::hub::SubscriptionAnswer;

fn change(op: Op, key: &str, old: Option<&str>, new: Option<&str>) -> Arc<Change> {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let image = |text: &str| Image::parse(text.to_owned()).unwrap();
    Arc::new(Change {
        relation: 1,
        xid: 5,
        op,
        key: raw(key),
        old: old.map(image),
        new: new.map(image),
        elided: Vec::new(),
        mtime: raw("\"2026-11-21T03:14:46.41+00:00\""),
    })
}

fn cursor(xmax: u64) -> Arc<Cursor> {
    Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(xmax, vec![]) })
}

fn answer(id: &str, told: Told) -> Answer {
    Answer::new(cursor(20), vec![SubscriptionAnswer { id: id.into(), told }])
}

fn catalog() -> Catalog {
    let column = |name: &str| Column { name: name.to_owned(), type_name: "text".to_owned(), writable: true };
    Catalog::new(
        vec![Table {
            relation: 1,
            exposed_name: "t".to_owned(),
            sql_name: "public.t".to_owned(),
            kind: TableKind::Table,
            columns: vec![column("id"), column("z"), column("a"), column("mtime")],
            key: vec![0],
            access: Access::Read,
        }],
        Vec::new(),
    )
}

fn person() -> Person {
    Person { coloured: false, table_width: 3, key_width: 1 }
}

fn lines(changes: Vec<(Arc<Change>, bool)>) -> Vec<String> {
    person().lines(&answer("t", Told::Changes(changes)), &catalog()).lines().map(str::to_owned).collect()
}

#[test]
fn lines_are_aligned_in_the_order_of_the_tables_columns() {
    let told = lines(vec![
        (change(Op::Insert, "[512]", None, Some(r#"{"id":512,"z":"x","a":null,"mtime":"m"}"#)), false),
        (change(Op::Update, "[5]", Some(r#"{"id":5,"z":"x","a":1,"mtime":"m"}"#), Some(r#"{"id":5,"z":"y","a":1,"mtime":"n"}"#)), false),
        (change(Op::Update, "[5]", Some(r#"{"id":5,"z":"y","a":1}"#), Some(r#"{"id":5,"z":"q","a":1}"#)), true),
        (change(Op::Delete, "[5]", Some(r#"{"id":5,"z":"q","a":1,"gone":2}"#), None), false),
    ]);
    assert_eq!(
        told,
        [
            "03:14:46.410  t    insert  512  z=\"x\"  a=null",
            "03:14:46.410  t    update  5    z=\"x\" → \"y\"",
            "03:14:46.410  t    leaves  5    z=\"y\" → \"q\"",
            "03:14:46.410  t    delete  5    z=\"q\"  a=1  gone=2",
        ]
    );
}

#[test]
fn a_table_without_a_key_has_a_dash() {
    assert!(lines(vec![(change(Op::Delete, "null", Some(r#"{"z":1}"#), None), false)])[0].ends_with("delete  -  z=1"));
}

#[test]
fn a_reset_is_a_line_of_its_own() {
    let told = person().lines(&answer("t", Told::Reset), &catalog());
    assert!(told.contains("t    reset   more happened") && told.ends_with("anew\n"), "{told}");
}

#[test]
fn lines_are_cut_to_the_width_and_say_so() {
    let pieces = vec![(PLAIN, "ab".to_owned()), (FAINT, "日本語".to_owned())];
    for (limit, expected) in
        [(None, "ab日本語\n"), (Some(8), "ab日本語\n"), (Some(7), "ab日本…\n"), (Some(6), "ab日…\n"), (Some(2), "a…\n")]
    {
        let mut line = String::new();
        person().push(&mut line, &pieces, limit);
        assert_eq!(line, expected, "{limit:?}");
    }
}

#[test]
fn what_a_terminal_would_obey_is_not_printed() {
    let nasty = "{\"z\":\"a\u{9b}31mb\u{202e}c\",\"a\":{\n\"x\":\t1}}";
    let told = lines(vec![(change(Op::Insert, "[1]", None, Some(nasty)), false)]);
    assert!(told.len() == 1 && told[0].ends_with("z=\"a\u{fffd}31mb\u{fffd}c\"  a={ \"x\": 1}"), "{told:?}");
}

#[test]
fn only_the_last_line_of_an_answer_carries_the_new_cursor() {
    let told = Told::Changes(vec![
        (change(Op::Insert, "[1]", None, Some("{\"id\":1,\"z\":{\n}}")), false),
        (change(Op::Update, "[1]", Some("{\"id\":1}"), Some("{\"id\":1}")), true),
    ]);
    let text = json(&answer("a \"quoted\" name", told), &cursor(10));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["cursor"], &lines[1]["cursor"]), (&Value::from(cursor(10).to_string()), &Value::from(cursor(20).to_string())));
    assert_eq!((&lines[0]["table"], &lines[0]["op"], &lines[1]["leaves"]), (&"a \"quoted\" name".into(), &"insert".into(), &true.into()));
    let reset: Value = serde_json::from_str(&json(&answer("t", Told::Reset), &cursor(10))).unwrap();
    assert_eq!(reset, serde_json::json!({"table": "t", "reset": true, "cursor": cursor(20).to_string()}));
}
