//! The hub against an oracle: whatever the order of commits, reads and polls, every client is told exactly what its
//! cursor had not seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::value::RawValue;
use tokio::time::Instant;

use super::*;
use crate::change::{Change, Image, Op, Unseen};
use crate::cursor::Snapshot;
use crate::filter::Filter;

const TABLE: Relation = 7;

fn hub(ring_bytes: usize) -> Arc<Hub> {
    Arc::new(Hub::new(HubLimits { ring_bytes, answer_bytes: 1 << 20, polls: 100 }))
}

fn cursor(xmax: u64, in_progress: &[u64]) -> Arc<Cursor> {
    Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(xmax, in_progress.to_vec()) })
}

fn insert(xid: u64, id: u64) -> Arc<Change> {
    let json = |text: String| RawValue::from_string(text).unwrap();
    Arc::new(Change {
        relation: TABLE,
        xid,
        op: Op::Insert,
        key: json(format!("[{xid}]")),
        old: None,
        new: Some(Image::parse(format!(r#"{{"id":{id}}}"#)).unwrap()),
        mtime: json("\"2026-01-01T00:00:00+00:00\"".to_owned()),
        elided: Vec::new(),
    })
}

fn batch(from: &Arc<Cursor>, to: &Arc<Cursor>, changes: Vec<Arc<Change>>) -> Batch {
    let bytes = changes.len() * 100;
    Batch { from: from.clone(), to: to.clone(), changes, resets: HashMap::new(), bytes }
}

fn poll(id: Option<u64>, since: &Arc<Cursor>) -> Poll {
    let filter = Filter::new(id.map(|id| ("id".to_owned(), id.to_string())).into_iter().collect::<BTreeMap<_, _>>());
    let subscription = Subscription { id: "a".into(), relation: TABLE, filter };
    Poll::new([subscription], vec![Since::Cursor(since.clone())])
}

async fn answered(hub: &Hub, poll: &Poll) -> Arc<Answer> {
    match hub.wait(poll, Instant::now() + Duration::from_secs(5)).await.unwrap() {
        Outcome::Answered(answer) => answer,
        Outcome::Behind { .. } => panic!("behind the ring"),
    }
}

/// A poll that has been parked by now.
async fn parked(hub: &Arc<Hub>, poll: Poll) -> tokio::task::JoinHandle<Arc<Answer>> {
    let (waiting, before) = (hub.clone(), hub.lock().parked.len());
    let task = tokio::spawn(async move { answered(&waiting, &poll).await });
    while hub.lock().parked.len() == before {
        tokio::task::yield_now().await;
    }
    task
}

fn xids(answer: &Answer) -> Vec<u64> {
    match answer.answers.first().map(|one| &one.told) {
        Some(Told::Changes(changes)) => changes.iter().map(|(change, _)| change.xid).collect(),
        Some(Told::Reset) => panic!("reset"),
        None => Vec::new(),
    }
}

fn is_reset(answer: &Arc<Answer>) -> bool {
    matches!(answer.answers.first().map(|one| &one.told), Some(Told::Reset))
}

/// The row it follows, its first snapshot, its cursor, and what it was told.
type Client = (Option<u64>, Snapshot, Arc<Cursor>, Vec<u64>);

/// Transactions begin and commit at random; the tailer reads at random moments; clients start from snapshots of random
/// moments, poll, time out and are woken. Every one is told each change that it had not seen, once, and no other.
#[tokio::test(start_paused = true)]
async fn every_change_is_told_once_whatever_the_order_of_commits() {
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let hub = hub(1 << 20);
        let mut next = 10;
        let mut running: BTreeSet<u64> = BTreeSet::new();
        let mut committed: BTreeMap<u64, u64> = BTreeMap::new();
        let mut tip = cursor(next, &[]);
        hub.restart(&tip);
        let mut clients: Vec<Client> = Vec::new();
        for step in 0..60 {
            let now = |next: u64, running: &BTreeSet<u64>| cursor(next, &running.iter().copied().collect::<Vec<_>>());
            match random.random_range(0..10) {
                0..3 => {
                    running.insert(next);
                    next += 1;
                }
                3..6 => {
                    if let Some(&xid) = running.iter().nth(random.random_range(0..running.len().max(1))) {
                        running.remove(&xid);
                        committed.insert(xid, random.random_range(0..3));
                    }
                }
                6 => {
                    let start = now(next, &running);
                    let row = random.random_bool(0.5).then(|| random.random_range(0..3));
                    clients.push((row, start.snapshot.clone(), start, Vec::new()));
                }
                _ => {}
            }
            // The tailer reads, also when nothing new is there; at the end everything has been read.
            if random.random_bool(0.4) || step == 59 {
                let to = now(next, &running);
                let new = |xid: &u64| to.snapshot.sees(*xid) && !tip.snapshot.sees(*xid);
                let changes = committed.iter().filter(|(xid, _)| new(xid)).map(|(&xid, &id)| insert(xid, id)).collect();
                hub.publish(batch(&tip, &to, changes));
                tip = to;
            }
            for (row, _, since, told) in &mut clients {
                // A client whose cursor is newer than the tip would ask for a read; here it comes again later.
                if !tip.snapshot.includes(&since.snapshot) || (step < 59 && random.random_bool(0.5)) {
                    continue;
                }
                let answer = answered(&hub, &poll(*row, since)).await;
                told.extend(xids(&answer));
                assert!(answer.cursor.snapshot.includes(&since.snapshot), "seed {seed}: a cursor went back");
                *since = answer.cursor.clone();
            }
        }
        for (row, start, since, told) in clients {
            let owed: Vec<u64> = committed
                .iter()
                .filter(|(xid, id)| !start.sees(**xid) && since.snapshot.sees(**xid) && row.is_none_or(|row| row == **id))
                .map(|(&xid, _)| xid)
                .collect();
            let mut told_sorted = told.clone();
            told_sorted.sort_unstable();
            assert_eq!(told_sorted, owed, "seed {seed}, row {row:?}, from {start:?} to {since:?}");
        }
    }
}

#[tokio::test]
async fn a_parked_poll_is_woken_by_what_concerns_it_and_by_nothing_else() {
    let hub = hub(1 << 20);
    let (first, second, third) = (cursor(10, &[]), cursor(11, &[]), cursor(12, &[]));
    hub.restart(&first);
    let waiting = parked(&hub, poll(Some(5), &first)).await;
    hub.publish(batch(&first, &second, vec![insert(10, 4)]));
    assert_eq!(hub.lock().parked.len(), 1, "woken by a row that it does not follow");
    hub.publish(batch(&second, &third, vec![insert(11, 5)]));
    assert_eq!(xids(&waiting.await.unwrap()), [11]);
    assert_eq!(hub.lock().parked.len(), 0);
}

/// Between the making of an answer and its sending the deadline passes: the tip is past the change already.
#[tokio::test]
async fn a_poll_whose_time_is_up_while_its_answer_is_on_the_way_gets_the_answer() {
    let hub = hub(1 << 20);
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.restart(&first);
    let waiting = {
        let (hub, poll) = (hub.clone(), poll(None, &first));
        tokio::spawn(async move { hub.wait(&poll, Instant::now() + Duration::from_millis(50)).await.unwrap() })
    };
    while hub.lock().parked.len() == 0 {
        tokio::task::yield_now().await;
    }
    let batch = Arc::new(batch(&first, &second, vec![insert(10, 4)]));
    let answered = {
        let mut state = hub.lock();
        state.ring.push(batch.clone());
        state.parked.answers_to(&batch, 1 << 20)
    };
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished(), "answered past a change that it was not told");
    answered.send();
    let Outcome::Answered(answer) = waiting.await.unwrap() else { panic!("behind the ring") };
    assert_eq!(xids(&answer), [10]);
}

#[tokio::test]
async fn equal_polls_share_one_answer() {
    let hub = hub(1 << 20);
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.restart(&first);
    let one = parked(&hub, poll(None, &first)).await;
    let other = parked(&hub, poll(None, &first)).await;
    hub.publish(batch(&first, &second, vec![insert(10, 4)]));
    assert!(Arc::ptr_eq(&one.await.unwrap(), &other.await.unwrap()));
}

#[tokio::test]
async fn a_poll_that_is_dropped_frees_its_place() {
    let hub = hub(1 << 20);
    let first = cursor(10, &[]);
    hub.restart(&first);
    let waiting = parked(&hub, poll(Some(5), &first)).await;
    waiting.abort();
    _ = waiting.await;
    assert_eq!(hub.lock().parked.len(), 0);
}

#[tokio::test]
async fn a_cursor_below_the_ring_is_sent_to_the_log() {
    let hub = hub(1);
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.restart(&first);
    hub.publish(batch(&first, &second, vec![insert(10, 4)]));
    let outcome = hub.wait(&poll(None, &first), Instant::now() + Duration::from_secs(5)).await.unwrap();
    let Outcome::Behind { to, places } = outcome else { panic!("answered from a ring that has lost the batch") };
    assert_eq!((to, places), (second.clone(), vec![0]));
    let read = batch(&first, &second, vec![insert(10, 4)]);
    assert_eq!(xids(&hub.answer_behind(&poll(None, &first), &second, &read, &[0], &[])), [10]);
    assert!(is_reset(&Arc::new(hub.answer_behind(&poll(None, &first), &second, &read, &[0], &[0]))));
}

#[tokio::test]
async fn another_epoch_and_another_shape_are_resets() {
    let hub = hub(1 << 20);
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.restart(&first);
    let stranger = Arc::new(Cursor { epoch: 2, snapshot: first.snapshot.clone() });
    assert!(is_reset(&answered(&hub, &poll(None, &stranger)).await));
    hub.publish(batch(&first, &second, vec![]));
    hub.reshape(&[TABLE], &second);
    assert!(is_reset(&answered(&hub, &poll(None, &first)).await));
    hub.close(Duration::from_millis(700));
    let dismissed = answered(&hub, &poll(None, &second)).await;
    assert_eq!((dismissed.answers.len(), dismissed.retry_after), (0, Some(Duration::from_millis(700))));
}

#[tokio::test]
async fn a_cursor_of_an_earlier_run_of_the_same_history_goes_on() {
    let hub = hub(1 << 20);
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.restart(&first);
    let renewed = Arc::new(Cursor { epoch: 2, snapshot: first.snapshot.clone() });
    hub.begin(&renewed, &[1], true);
    assert_eq!(hub.tip(), renewed);
    hub.publish(batch(&renewed, &Arc::new(Cursor { epoch: 2, snapshot: second.snapshot.clone() }), vec![insert(10, 4)]));
    let told = answered(&hub, &poll(None, &first)).await;
    assert_eq!(xids(&told), [10]);
    hub.begin(&Arc::new(Cursor { epoch: 3, snapshot: second.snapshot.clone() }), &[], false);
    assert!(is_reset(&answered(&hub, &poll(None, &first)).await));
}

#[tokio::test]
async fn a_reset_is_for_those_who_have_not_seen_it() {
    let hub = hub(1 << 20);
    let (first, second) = (cursor(10, &[]), cursor(12, &[]));
    hub.restart(&first);
    let mut truncated = Unseen::default();
    truncated.add(10);
    hub.publish(Batch { resets: [(TABLE, truncated)].into(), ..batch(&first, &second, vec![]) });
    assert!(is_reset(&answered(&hub, &poll(None, &first)).await));
    let after = hub.wait(&poll(None, &cursor(11, &[])), Instant::now() + Duration::from_millis(20)).await.unwrap();
    assert!(matches!(after, Outcome::Answered(answer) if answer.answers.is_empty()));
}

/// So many that they are not answered by the tailer itself, and some of them leave meanwhile.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_told_however_many_they_are() {
    let hub = hub(1 << 20);
    let first = cursor(10, &[]);
    hub.begin(&first, &[], false);
    let mut tasks = Vec::new();
    for _ in 0..10 * IN_A_TURN {
        tasks.push(parked(&hub, poll(None, &first)).await);
    }
    let leaving = tasks.split_off(9 * IN_A_TURN);
    leaving.iter().for_each(tokio::task::JoinHandle::abort);
    hub.publish(batch(&first, &cursor(11, &[]), vec![insert(10, 1)]));
    for task in tasks {
        assert_eq!(xids(&task.await.unwrap()), [10]);
    }
    for task in leaving {
        _ = task.await;
    }
    assert_eq!(hub.lock().parked.len(), 0);
}

/// However many subscriptions a poll has to the same table.
#[tokio::test]
async fn what_a_poll_is_told_has_a_bound_whatever_its_subscriptions() {
    let hub = Arc::new(Hub::new(HubLimits { ring_bytes: 1 << 20, answer_bytes: 1_000, polls: 100 }));
    let (first, second) = (cursor(10, &[]), cursor(11, &[]));
    hub.begin(&first, &[], false);
    let subscriptions = (0..50).map(|id| Subscription { id: id.to_string().into(), relation: TABLE, filter: Filter::default() });
    let many = Poll::new(subscriptions.collect::<Vec<_>>(), vec![Since::Cursor(first.clone()); 50]);
    let waiting = parked(&hub, many.clone()).await;
    hub.publish(batch(&first, &second, vec![insert(10, 1)]));
    // Parked, and by the ring.
    for answer in [waiting.await.unwrap(), answered(&hub, &many).await] {
        let told = answer.answers.iter().filter(|one| matches!(one.told, Told::Changes(_))).count();
        assert_eq!(answer.answers.len(), 50);
        assert!((1..15).contains(&told), "{told} of 50 subscriptions were told the change");
    }
}
