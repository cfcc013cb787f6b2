use super::*;
use crate::catalog::{Column, TableKind};
use crate::config::Access;
use crate::cursor::Snapshot;

fn catalog() -> Catalog {
    catalog_with_key(vec![0])
}

fn catalog_with_key(key: Vec<usize>) -> Catalog {
    let column = |name: &str| Column { name: name.to_owned(), type_name: "text".to_owned(), writable: true };
    Catalog::new(
        vec![Table {
            relation: 7,
            exposed_name: "t".to_owned(),
            sql_name: "public.t".to_owned(),
            kind: TableKind::Table,
            columns: vec![column("id"), column("v")],
            key,
            access: Access::Read,
        }],
        Vec::new(),
    )
}

fn row(xid: u64, op: char, old: Option<(i32, &str)>, new: Option<(i32, &str)>) -> LogRow {
    let image = |(id, v): (i32, &str)| format!(r#"{{"id":{id},"v":"{v}"}}"#);
    LogRow {
        xid,
        relation: 7,
        op: op as u8,
        old: old.map(image),
        new: new.map(image),
        time: "\"2026-01-01T00:00:00+00:00\"".to_owned(),
        elided: Vec::new(),
    }
}

fn batch(limits: BatchLimits, rows: Vec<LogRow>) -> Batch {
    batch_of(&catalog(), limits, rows)
}

fn batch_of(catalog: &Catalog, limits: BatchLimits, rows: Vec<LogRow>) -> Batch {
    let mut builder = BatchBuilder::new(catalog, limits);
    rows.into_iter().for_each(|row| builder.push(row));
    let cursor = |xmax| Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(xmax, vec![]) });
    builder.finish(cursor(1), cursor(100))
}

const WIDE: BatchLimits = BatchLimits { rows: 1000, bytes: 1 << 20 };

fn told(batch: &Batch) -> Vec<String> {
    batch.changes.iter().map(|change| format!("{} {}", change.op.name(), change.key.get())).collect()
}

#[test]
fn a_changed_key_is_a_delete_and_an_insert() {
    let batch = batch(WIDE, vec![row(5, 'U', Some((1, "a")), Some((2, "a")))]);
    assert_eq!(told(&batch), ["delete [1]", "insert [2]"]);
}

#[test]
fn rows_that_swap_keys_keep_both() {
    let batch = batch(WIDE, vec![row(5, 'U', Some((1, "a")), Some((2, "a"))), row(5, 'U', Some((2, "b")), Some((1, "b")))]);
    assert!(batch.resets.is_empty());
    let of = |key: &str| told(&batch).into_iter().filter(|line| line.ends_with(key)).collect::<Vec<_>>();
    assert_eq!(of("[1]"), ["delete [1]", "insert [1]"]);
    assert_eq!(of("[2]"), ["delete [2]", "insert [2]"]);
}

#[test]
fn an_inverted_log_is_told_in_the_order_of_its_images() {
    let batch = batch(
        WIDE,
        vec![row(5, 'U', Some((1, "b")), Some((1, "c"))), row(5, 'U', Some((1, "a")), Some((1, "b"))), row(5, 'I', None, Some((1, "a")))],
    );
    assert_eq!(told(&batch), ["insert [1]", "update [1]", "update [1]"]);
    assert_eq!(batch.changes[2].new.as_ref().unwrap().json().get(), r#"{"id":1,"v":"c"}"#);
}

/// From absent to absent, or from b to b: the images alone do not tell, in whatever order the log has them.
#[test]
fn a_circle_is_a_reset() {
    let update = || row(5, 'U', Some((1, "a")), Some((1, "b")));
    let insert = || row(5, 'I', None, Some((1, "a")));
    let delete = || row(5, 'D', Some((1, "b")), None);
    for rows in [vec![update(), insert(), delete()], vec![insert(), update(), delete()], vec![delete(), insert(), update()]] {
        let batch = batch(WIDE, rows);
        assert!(batch.changes.is_empty() && batch.resets.contains_key(&7));
    }
}

#[test]
fn what_one_transaction_inserts_another_may_delete() {
    let batch = batch(WIDE, vec![row(5, 'I', None, Some((1, "a"))), row(6, 'D', Some((1, "a")), None)]);
    assert_eq!(told(&batch), ["insert [1]", "delete [1]"]);
}

#[test]
fn what_has_no_order_is_a_reset() {
    let batch = batch(WIDE, vec![row(5, 'U', Some((1, "a")), Some((1, "b"))), row(5, 'U', Some((1, "x")), Some((1, "y")))]);
    assert!(batch.changes.is_empty());
    assert!(batch.resets[&7].any_unseen(|xid| xid < 5));
    assert!(!batch.resets[&7].any_unseen(|xid| xid <= 5));
}

#[test]
fn too_many_rows_are_one_reset() {
    let rows = (0..11).map(|i| row(5 + i, 'I', None, Some((i as i32, "a")))).collect();
    let batch = batch(BatchLimits { rows: 10, bytes: 1 << 20 }, rows);
    assert!(batch.changes.is_empty());
    assert!(batch.resets[&7].any_unseen(|xid| xid < 15));
}

#[test]
fn too_many_bytes_are_one_reset() {
    let long = "x".repeat(600);
    let batch =
        batch(BatchLimits { rows: 10, bytes: 1000 }, vec![row(5, 'I', None, Some((1, &long))), row(6, 'I', None, Some((2, &long)))]);
    assert!(batch.changes.is_empty() && batch.resets.contains_key(&7));
}

#[test]
fn an_image_without_the_key_is_a_reset() {
    let mut lost = row(5, 'I', None, Some((1, "a")));
    lost.new = Some(r#"{"old_name":1}"#.to_owned());
    let batch = batch(WIDE, vec![row(4, 'I', None, Some((3, "c"))), lost, row(6, 'I', None, Some((2, "b")))]);
    assert!(batch.changes.is_empty() && batch.resets[&7].any_unseen(|xid| xid != 6));
}

#[test]
fn tables_that_are_not_exposed_are_passed_over() {
    let mut foreign = row(5, 'I', None, Some((1, "a")));
    foreign.relation = 8;
    let batch = batch(WIDE, vec![foreign]);
    assert!(batch.changes.is_empty() && batch.resets.is_empty());
}

#[test]
fn without_a_key_an_update_is_a_delete_and_an_insert_and_no_order_is_asked_for() {
    let rows =
        vec![row(5, 'U', Some((1, "b")), Some((1, "c"))), row(5, 'U', Some((1, "a")), Some((1, "b"))), row(5, 'D', Some((1, "c")), None)];
    let batch = batch_of(&catalog_with_key(vec![]), WIDE, rows);
    assert!(batch.resets.is_empty());
    assert_eq!(told(&batch), ["delete null", "insert null", "delete null", "insert null", "delete null"]);
}

fn without_v(mut row: LogRow) -> LogRow {
    let cut = |image: Option<String>| image.map(|image| image.replace(r#","v":"a""#, r#","n":1"#));
    (row.old, row.new, row.elided) = (cut(row.old), cut(row.new), vec!["v".to_owned()]);
    row
}

#[test]
fn what_an_update_left_out_does_not_hide_the_order() {
    let rows = vec![
        row(5, 'I', None, Some((1, "a"))),
        without_v(row(5, 'U', Some((1, "a")), Some((1, "a")))),
        row(5, 'U', Some((1, "a")), Some((1, "b"))),
    ];
    let batch = batch(WIDE, rows);
    assert_eq!(told(&batch), ["insert [1]", "update [1]", "update [1]"]);
    assert_eq!(batch.changes[1].elided, ["v"]);
}

/// The trigger keeps such an image whole; were it otherwise, a row would come without what it had.
#[test]
fn another_key_with_something_left_out_is_a_reset() {
    let batch = batch(WIDE, vec![without_v(row(5, 'U', Some((1, "a")), Some((2, "a"))))]);
    assert!(batch.changes.is_empty() && batch.resets.contains_key(&7));
}
