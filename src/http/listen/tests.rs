use super::*;
use crate::change::{Op, Unseen};
use crate::cursor::Snapshot;
use crate::filter::Filter;

fn parsed(laterthan: &str) -> Option<Micros> {
    token(Some(&RawValue::from_string(laterthan.to_owned()).unwrap())).ok()
}

#[test]
fn a_token_is_read_to_the_microsecond() {
    assert_eq!(parsed("1732104000123.456"), Some(1_732_104_000_123_456));
    assert_eq!(parsed("\"1732104000123.456\""), Some(1_732_104_000_123_456));
    assert_eq!(token(None).unwrap(), 0);
    for nothing in ["0", "\"\"", "-5", "-1e300"] {
        assert_eq!(parsed(nothing), Some(0), "{nothing}");
    }
    assert!(parsed("1e300").is_some());
    for bad in ["true", "\"yesterday\"", "[1]", "{}"] {
        assert_eq!(parsed(bad), None, "{bad}");
    }
}

/// As a page gets it, holds it as a float and sends it back.
#[test]
fn every_token_survives_a_float() {
    for day in 0..36_500 {
        let token = 1_732_104_000_000_000 + day * 86_400_000_000 / 2 + day * 7_777 % 1_000_000;
        for token in token..token + 20 {
            let text = format!("{}.{:03}", token / 1_000, token % 1_000);
            assert_eq!(parsed(&text.parse::<f64>().unwrap().to_string()), Some(token));
        }
    }
}

const START: u64 = 1_732_104_000;

/// A batch of changes to table 7, each by a transaction of this number in this second after the start.
fn batch(changes: &[(u64, u64)], reset: bool) -> Batch {
    let change = |&(xid, second): &(u64, u64)| {
        let time = OffsetDateTime::from_unix_timestamp((START + second) as i64).unwrap().format(&Rfc3339).unwrap();
        let raw = |text: String| RawValue::from_string(text).unwrap();
        let (key, mtime) = (raw("[1]".to_owned()), raw(format!("\"{time}\"")));
        Arc::new(Change { relation: 7, xid, op: Op::Delete, key, old: None, new: None, mtime, elided: Vec::new() })
    };
    let cursor = Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(9, Vec::new()) });
    let resets = if reset { HashMap::from([(8, Unseen::default())]) } else { HashMap::new() };
    Batch { from: cursor.clone(), to: cursor, changes: changes.iter().map(change).collect(), resets, bytes: 0 }
}

fn after(second: u64) -> Micros {
    ((START + second) * 1_000_000) as Micros
}

#[test]
fn a_time_is_alone_in_a_batch_of_its_one_transaction() {
    assert!(is_alone(after(2), &batch(&[(5, 1), (5, 2)], false)));
    assert!(!is_alone(after(2), &batch(&[(5, 1), (6, 2)], false)), "the other transaction may have come before or after");
    assert!(!is_alone(after(3), &batch(&[(5, 1), (5, 2)], false)), "a late commit: the newest time is of an earlier batch");
    assert!(!is_alone(after(2), &batch(&[(5, 2)], true)));
}

#[test]
fn the_newest_time_is_of_what_concerns_the_entry_and_of_nothing_before_a_reset() {
    let listens_to = |relation| Entry {
        token: 0,
        subscriptions: vec![Subscription { id: "0".into(), relation, filter: Filter::default() }],
        topic: Topic::new(),
        since: None,
    };
    let recent = [batch(&[(7, 2)], false), batch(&[(5, 9)], true), batch(&[(4, 10)], false)].map(Arc::new);
    assert_eq!(newest_recent(&recent, &listens_to(7)), Some(after(10)));
    assert_eq!(newest_recent(&recent, &listens_to(8)), None);
    let both = Entry { subscriptions: [listens_to(7).subscriptions, listens_to(8).subscriptions].concat(), ..listens_to(7) };
    assert_eq!(newest_recent(&recent, &both), Some(after(2)));
}
