//! Clients of every kind, all at once, who count what fails.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Method;
use hyper::body::Body;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::client::{Client, Reply, request};
use crate::support::rows::{Row, Rows, Taken, Told};
use crate::support::wait_until;

/// Clients of each kind.
const GETTERS: usize = 12;
const POSTERS: usize = 12;
const LISTENERS: usize = 4;
const READERS: usize = 8;
const WRITERS: usize = 6;
const NEWCOMERS: usize = 4;

/// What they all share.
#[derive(Default)]
struct Shared {
    failures: Mutex<Vec<String>>,
    /// What polls were told to wait before they come back, in ms.
    delays: Mutex<Vec<u64>>,
    answers: [AtomicUsize; 6],
    writes: AtomicUsize,
    writing: AtomicUsize,
    stop: AtomicBool,
    followers: Mutex<Vec<Arc<Mutex<Rows>>>>,
}

pub struct Crowd(Arc<Shared>);

#[derive(Deserialize)]
struct Answer {
    cursor: String,
    answers: Vec<Told>,
    retry_after_ms: Option<u64>,
}

impl Crowd {
    /// Sends them all to a port. They follow, read and write the table `load`.
    pub fn start(port: u16) -> Crowd {
        let shared = Arc::new(Shared::default());
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        for number in 0..GETTERS + POSTERS + LISTENERS {
            tokio::spawn(follow(number, server, shared.clone()));
        }
        for _ in 0..READERS {
            tokio::spawn(read(server, shared.clone()));
        }
        for number in 0..WRITERS {
            shared.writing.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(write(number, server, shared.clone()));
        }
        for _ in 0..NEWCOMERS {
            tokio::spawn(come(server, shared.clone()));
        }
        Crowd(shared)
    }

    /// Waits until each kind has had some more answers.
    pub fn wait_for_progress(&self) {
        let before = self.0.answers.each_ref().map(|count| count.load(Ordering::SeqCst));
        wait_until("each kind of client is answered, or one fails", Duration::from_secs(30), || {
            let all = self.0.answers.iter().zip(before).all(|(count, before)| count.load(Ordering::SeqCst) > before + 40);
            (all || !self.failures().is_empty()).then_some(())
        });
    }

    pub fn stop_writers(&self) {
        self.0.stop.store(true, Ordering::SeqCst);
    }

    /// How many writes were answered, once all writers have ended.
    pub fn writes(&self) -> Option<usize> {
        (self.0.writing.load(Ordering::SeqCst) == 0).then(|| self.0.writes.load(Ordering::SeqCst))
    }

    pub fn answers(&self) -> usize {
        self.0.answers.iter().map(|count| count.load(Ordering::SeqCst)).sum()
    }

    pub fn failures(&self) -> Vec<String> {
        self.0.failures.lock().unwrap().clone()
    }

    pub fn delays(&self) -> Vec<u64> {
        self.0.delays.lock().unwrap().clone()
    }

    /// Each follower's rows.
    pub fn followers(&self) -> Vec<Vec<Arc<Row>>> {
        self.0.followers.lock().unwrap().iter().map(|rows| rows.lock().unwrap().all()).collect()
    }
}

impl Shared {
    /// The answer, if it has this status; else a failure is counted.
    fn taken(&self, kind: usize, answered: Result<Reply, String>, status: u16) -> Option<Reply> {
        let failure = match answered {
            Ok(reply) if reply.status == status => {
                self.answers[kind].fetch_add(1, Ordering::SeqCst);
                return Some(reply);
            }
            Ok(reply) => format!("{reply:?}"),
            Err(failure) => failure,
        };
        self.failures.lock().unwrap().push(failure);
        None
    }
}

/// Lists, and follows for ever, in one of three ways.
async fn follow(number: usize, server: SocketAddr, shared: Arc<Shared>) {
    let rows = Arc::new(Mutex::new(Rows::new(None, true)));
    shared.followers.lock().unwrap().push(rows.clone());
    let mut client = Client::of(server);
    let Some(list) = shared.taken(0, client.get("/api/load").await, 200) else { return };
    rows.lock().unwrap().list(list.header("rowcast-key"), &list.body).expect("a list");
    let mut since = list.header("rowcast-cursor").to_owned();
    loop {
        let answer = if number < GETTERS {
            let polled = client.get(&format!("/notify?table=load&since={since}&wait=5")).await;
            let Some(reply) = shared.taken(1, polled, 200) else { return };
            reply.body
        } else if number < GETTERS + POSTERS {
            let subscription = json!({"id": "a", "table": "load", "since": since});
            let polled = client.post("/notify", &json!({"wait": 5, "heartbeat": 1, "subscriptions": [subscription]})).await;
            let Some(reply) = shared.taken(2, polled, 200) else { return };
            reply.body
        } else {
            match listen(&mut client, &mut since, &rows, &shared).await {
                Ok(delay) => sleep(Duration::from_millis(delay)).await,
                Err(failure) => return shared.failures.lock().unwrap().push(failure),
            }
            continue;
        };
        let answer: Answer = serde_json::from_str(&answer).expect("an answer");
        since = answer.cursor;
        take(&rows, answer.answers);
        if let Some(delay) = answer.retry_after_ms {
            shared.delays.lock().unwrap().push(delay);
            sleep(Duration::from_millis(delay)).await;
        }
    }
}

fn take(rows: &Mutex<Rows>, told: Vec<Told>) {
    for told in told {
        assert!(!told.reset, "nobody was away for long");
        assert_eq!(rows.lock().unwrap().take(told.changes), Ok(Taken::Whole));
    }
}

/// Follows by one stream of events, to the end that the server gives it: when to come back.
async fn listen(client: &mut Client, since: &mut String, rows: &Mutex<Rows>, shared: &Shared) -> Result<u64, String> {
    let mut request = request(Method::GET, "/notify?table=load");
    request.headers_mut().insert("accept", "text/event-stream".parse().expect("a header"));
    request.headers_mut().insert("last-event-id", since.parse().expect("a header"));
    let mut body = client.send(request).await?.into_body();
    let mut text = String::new();
    let mut retry = None;
    while let Some(frame) = std::future::poll_fn(|context| std::pin::Pin::new(&mut body).poll_frame(context)).await {
        let frame = frame.map_err(|error| format!("a stream was cut: {error}"))?;
        text.push_str(std::str::from_utf8(frame.data_ref().expect("data")).expect("text"));
        while let Some((event, rest)) = text.split_once("\n\n") {
            for line in event.lines() {
                match line.split_once(": ") {
                    Some(("id", id)) => since.replace_range(.., id),
                    Some(("retry", delay)) => retry = delay.parse().ok(),
                    Some(("data", data)) => {
                        shared.answers[3].fetch_add(1, Ordering::SeqCst);
                        take(rows, serde_json::from_str::<Answer>(data).expect("an answer").answers);
                    }
                    _ => return Err(format!("what is this: {event}")),
                }
            }
            text = rest.to_owned();
        }
    }
    let delay = retry.ok_or("a stream ended, and nobody said when to come back")?;
    shared.delays.lock().unwrap().push(delay);
    Ok(delay)
}

async fn read(server: SocketAddr, shared: Arc<Shared>) {
    let mut client = Client::of(server);
    while shared.taken(0, client.get("/api/load?limit=3").await, 200).is_some() {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn write(number: usize, server: SocketAddr, shared: Arc<Shared>) {
    let mut client = Client::of(server);
    while !shared.stop.load(Ordering::SeqCst) {
        let row: Value = json!({"name": format!("writer {number}")});
        if shared.taken(4, client.post("/api/load", &row).await, 201).is_none() {
            break;
        }
        shared.writes.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_millis(15)).await;
    }
    shared.writing.fetch_sub(1, Ordering::SeqCst);
}

/// A new connection for each request.
async fn come(server: SocketAddr, shared: Arc<Shared>) {
    while shared.taken(5, Client::of(server).get("/healthz").await, 200).is_some() {
        sleep(Duration::from_millis(5)).await;
    }
}
