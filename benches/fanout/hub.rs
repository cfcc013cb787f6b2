//! The hub by itself, without sockets and PostgreSQL: what one change of one row takes among ever more polls of other rows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rowcast::change::{Batch, Change, Image, Op};
use rowcast::cursor::{Cursor, Snapshot};
use rowcast::filter::Filter;
use rowcast::hub::{Hub, HubLimits, Poll, Since, Subscription};
use serde_json::value::RawValue;

const TABLE: u32 = 1;

/// Microseconds from the change until its one poll is answered and parked again, one with the other of `changes`.
pub fn one_row(polls: usize, changes: u64) -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        let hub = Arc::new(Hub::new(HubLimits { ring_bytes: 1 << 20, answer_bytes: 1 << 20, polls: usize::MAX }));
        let mut at = cursor(1);
        hub.begin(&at, &[], false);
        for row in 2..=polls as u64 {
            tokio::spawn(park(hub.clone(), row, at.clone()));
        }
        let mut first = tokio::spawn(park(hub.clone(), 1, at.clone()));
        tokio::task::yield_now().await;
        let begin = Instant::now();
        for change in 1..=changes {
            let to = cursor(1 + change);
            hub.publish(batch(&at, &to, change));
            first.await.expect("the poll is answered");
            at = to;
            first = tokio::spawn(park(hub.clone(), 1, at.clone()));
            // Parked before the next change.
            tokio::task::yield_now().await;
        }
        begin.elapsed().as_secs_f64() * 1e6 / changes as f64
    })
}

fn cursor(xmax: u64) -> Arc<Cursor> {
    Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(xmax, Vec::new()) })
}

async fn park(hub: Arc<Hub>, row: u64, since: Arc<Cursor>) {
    let filter = Filter::new(BTreeMap::from([("id".to_owned(), row.to_string())]));
    let subscription = Subscription { id: "testtype".into(), relation: TABLE, filter };
    let poll = Poll::new([subscription], vec![Since::Cursor(since)]);
    hub.wait(&poll, (Instant::now() + Duration::from_secs(3_600)).into()).await.map(|_| ()).expect("a poll is answered");
}

fn batch(from: &Arc<Cursor>, to: &Arc<Cursor>, number: u64) -> Batch {
    let json = |text: String| RawValue::from_string(text).expect("JSON");
    let image = |number: u64| Image::parse(format!(r#"{{"id":1,"name":"Somebody {number}"}}"#)).ok();
    let change = Change {
        relation: TABLE,
        xid: from.snapshot.xmax(),
        op: Op::Update,
        key: json("[1]".to_owned()),
        old: image(number - 1),
        new: image(number),
        mtime: json("\"2026-01-01T00:00:00+00:00\"".to_owned()),
        elided: Vec::new(),
    };
    Batch { from: from.clone(), to: to.clone(), changes: vec![Arc::new(change)], resets: HashMap::new(), bytes: 200 }
}
