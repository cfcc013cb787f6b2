//! How many rows of a transaction are told one by one, before a reset is told instead.

use super::{forget, logged, watched};
use crate::support::Database;

#[test]
fn a_transaction_beyond_bulk_rows_logs_one_reset() {
    let database = watched();
    database.psql("select rowcast.watch('testtype', 10)");
    forget(&database);
    database.psql("insert into testtype (name) select 'a' from generate_series(1, 10)");
    assert_eq!(logged(&database, "testtype"), "I".repeat(10));
    forget(&database);
    database.psql("begin; update testtype set value = 1; insert into testtype (name) values ('b'); commit");
    assert_eq!(logged(&database, "testtype"), "U".repeat(10) + "R");
    forget(&database);
    database.psql("do $$ begin for i in 1..50 loop insert into testtype (name) values ('c'); end loop; end $$");
    assert_eq!(logged(&database, "testtype"), "I".repeat(10) + "R", "a loop of single rows is bounded too");
}

#[test]
fn a_rolled_back_savepoint_takes_its_count_along() {
    let database = watched();
    database.psql("select rowcast.watch('testtype', 10)");
    forget(&database);
    let mut client = database.client();
    let mut transaction = client.transaction().unwrap();
    transaction.batch_execute("insert into public.testtype (name) select 'a' from generate_series(1, 5)").unwrap();
    let mut savepoint = transaction.transaction().unwrap();
    savepoint.batch_execute("insert into public.testtype (name) select 'b' from generate_series(1, 20)").unwrap();
    savepoint.rollback().unwrap();
    transaction.batch_execute("insert into public.testtype (name) select 'c' from generate_series(1, 5)").unwrap();
    transaction.commit().unwrap();
    assert_eq!(logged(&database, "testtype"), "I".repeat(10));
}

/// The number of rows logged before the reset, which must come once and last.
pub fn rows_before_the_reset(database: &Database) -> usize {
    let log = logged(database, "testtype");
    assert_eq!(log.find('R'), Some(log.len() - 1), "one reset, and nothing after it: {log}");
    log.len() - 1
}

/// So many rows in one statement.
pub fn insert(rows: usize) -> String {
    format!("insert into testtype (name) select 'a' from generate_series(1, {rows})")
}

#[test]
fn a_limit_is_exact_for_a_statement_by_itself() {
    let database = watched();
    // Counting begins with the 1000th row, and with the first where the limit is lower.
    for limit in [250, 998, 999, 1000, 1001, 1002, 1500] {
        database.psql(&format!("select rowcast.watch('testtype', {limit})"));
        forget(&database);
        database.client().batch_execute(&insert(limit)).unwrap();
        assert_eq!(logged(&database, "testtype"), "I".repeat(limit), "as many rows as the limit are told row by row");
        forget(&database);
        database.client().batch_execute(&insert(limit + 1)).unwrap();
        assert_eq!(rows_before_the_reset(&database), limit);
        forget(&database);
        database.client().batch_execute(&insert(limit + 600)).unwrap();
        assert_eq!(rows_before_the_reset(&database), limit);
    }
}

#[test]
fn a_trigger_that_does_not_know_of_its_low_limit_tells_its_reset() {
    let database = watched();
    // As it was made before such a limit was told to the trigger.
    for arguments in ["100, 4194304", "100"] {
        database.psql(&format!(
            "drop trigger \"00_rowcast_capture\" on testtype;
             create trigger \"00_rowcast_capture\" after insert or update or delete on testtype
               for each row execute function rowcast.capture({arguments})"
        ));
        forget(&database);
        database.client().batch_execute(&insert(1_500)).unwrap();
        let rows = rows_before_the_reset(&database);
        assert!((100..=1_000).contains(&rows), "capture({arguments}): the limit of 100 came after {rows} rows");
    }
}

#[test]
fn a_limit_that_is_counted_late_holds_all_the_same() {
    const LIMIT: usize = 1_500;
    const UNCOUNTED: usize = 1_000;
    let database = watched();
    database.psql(&format!("alter table testtype drop constraint testtype_name_check; select rowcast.watch('testtype', {LIMIT})"));
    // Not to be compressed, or it is not large.
    let large = "insert into testtype (name) select (select string_agg(md5(random()::text), '') from generate_series(1, 200)) from generate_series(1, 60)";
    for (what, sql) in [
        ("a loop", "do $$ begin for i in 1..3000 loop insert into testtype (name) values ('c'); end loop; end $$".to_owned()),
        (
            "a savepoint that was taken back",
            format!("begin; {}; savepoint s; {}; rollback to s; {}; commit", insert(5), insert(3_000), insert(3_000)),
        ),
        ("large rows first", format!("begin; {large}; {}; commit", insert(3_000))),
        ("large rows last", format!("begin; {}; {large}; {}; commit", insert(1_460), insert(60))),
        ("large rows where counting begins", format!("begin; {}; {large}; {}; commit", insert(UNCOUNTED - 1), insert(3_000))),
        (
            "other writes first",
            format!("begin; create temporary table other as select 1 as n; update other set n = 2; {}; commit", insert(3_000)),
        ),
    ] {
        forget(&database);
        database.client().batch_execute(&sql).unwrap();
        let rows = rows_before_the_reset(&database);
        assert!(rows.abs_diff(LIMIT) <= UNCOUNTED, "{what}: the limit came after {rows} rows");
    }
    // A session that has written a moment ago, so that what it wrote is among what PostgreSQL counts.
    for before in [1, UNCOUNTED - 2, UNCOUNTED - 1, UNCOUNTED, UNCOUNTED + 1, 2_500] {
        let mut client = database.client();
        forget(&database);
        client.batch_execute(&"insert into testtype (name) values ('b');".repeat(before).replace(';', "; commit;")).unwrap();
        assert_eq!(logged(&database, "testtype"), "I".repeat(before), "transactions of one row are told as rows, however many");
        forget(&database);
        client.batch_execute(&insert(3_000)).unwrap();
        let rows = rows_before_the_reset(&database);
        assert!(rows.abs_diff(LIMIT) <= UNCOUNTED, "after {before} rows before it the limit came after {rows} rows");
    }
}
