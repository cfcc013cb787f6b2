use std::sync::atomic::{AtomicU32, Ordering};

use futures_channels::{Turn, turn};
use tokio::task::JoinHandle;

use super::*;

/// A world that counts its reads, each of which waits for its turn, and then for its end.
#[derive(Clone, Default)]
struct World {
    shared: Arc<Shared<&'static str, u32>>,
    reads: Arc<AtomicU32>,
}

/// Two moments that a test decides on.
mod futures_channels {
    use tokio::sync::oneshot::{Receiver, Sender, channel};

    pub struct Turn {
        pub start: Sender<()>,
        pub end: Sender<()>,
    }

    pub fn turn() -> (Turn, Receiver<()>, Receiver<()>) {
        let ((start, started), (end, ended)) = (channel(), channel());
        (Turn { start, end }, started, ended)
    }
}

impl World {
    /// A request for `key`, and the turn of the read that it began if it began one.
    async fn request(&self, key: &'static str) -> (JoinHandle<Result<u32>>, Option<Turn>) {
        let world = self.clone();
        let (turn, started, ended) = turn();
        let (began, has_begun) = tokio::sync::oneshot::channel();
        let request = tokio::spawn(async move {
            let read = world.shared.read(key, |gathering| {
                _ = began.send(());
                async move {
                    _ = started.await;
                    if !gathering.start() {
                        return Err(Error::internal("nobody waits"));
                    }
                    let number = world.reads.fetch_add(1, Ordering::Relaxed);
                    _ = ended.await;
                    Ok(number)
                }
            });
            read.await
        });
        // The sender is dropped unused where the request joined another.
        let began = has_begun.await.is_ok();
        (request, began.then_some(turn))
    }
}

#[tokio::test]
async fn who_comes_before_the_start_shares_and_who_comes_after_does_not() {
    let world = World::default();
    let (first, turn) = world.request("a").await;
    let turn = turn.expect("the first begins a read");
    let (second, none) = world.request("a").await;
    assert!(none.is_none(), "the second joins it");
    turn.start.send(()).unwrap();
    while world.reads.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let (late, late_turn) = world.request("a").await;
    let late_turn = late_turn.expect("who comes after the start begins another");
    turn.end.send(()).unwrap();
    assert_eq!((first.await.unwrap().unwrap(), second.await.unwrap().unwrap()), (0, 0));
    late_turn.start.send(()).unwrap();
    late_turn.end.send(()).unwrap();
    assert_eq!(late.await.unwrap().unwrap(), 1);
}

#[tokio::test]
async fn different_reads_are_not_shared() {
    let world = World::default();
    let (_a, turn_a) = world.request("a").await;
    let (_b, turn_b) = world.request("b").await;
    assert!(turn_a.is_some() && turn_b.is_some());
}

#[tokio::test]
async fn sharers_are_served_though_the_first_left() {
    let world = World::default();
    let (first, turn) = world.request("a").await;
    let (second, _) = world.request("a").await;
    first.abort();
    let turn = turn.unwrap();
    turn.start.send(()).unwrap();
    turn.end.send(()).unwrap();
    assert_eq!(second.await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_is_left_out() {
    let world = World::default();
    let (only, turn) = world.request("a").await;
    only.abort();
    _ = only.await;
    turn.unwrap().start.send(()).unwrap();
    while lock(&world.shared.0).contains_key("a") {
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
    assert_eq!(world.reads.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_failure_is_told_to_all_and_the_next_begins_anew() {
    let shared = Shared::<&str, u32>::default();
    let failing = |gathering: Gathering<_, _>| async move {
        drop(gathering);
        Err(Error::internal("overloaded"))
    };
    assert_eq!(shared.read("a", failing).await.unwrap_err().detail, "overloaded");
    let succeeding = |gathering: Gathering<_, _>| async move {
        assert!(gathering.start());
        Ok(7)
    };
    assert_eq!(shared.read("a", succeeding).await.unwrap(), 7);
}
