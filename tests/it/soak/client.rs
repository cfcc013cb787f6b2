//! A client that does what clients do, the decent ones and the others: at random, as long as the soak goes on.

use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use super::ledger::{COUNTERS, Ledger};
use super::wire::{Reply, Wire, get};

/// An earlier state is kept now and then, to come back with its cursor.
const REMEMBERED: usize = 8;

/// The longest that a client's last poll may take to bring it up to date.
const LAST: Duration = Duration::from_secs(60);

/// A poll of any kind ends by then, or it hangs.
const HANGS: Duration = Duration::from_secs(60);

/// What all clients share.
#[derive(Default)]
pub struct World {
    pub port: u16,
    pub ending: AtomicBool,
    /// The counters when the writers have ended.
    pub last: Mutex<Option<Vec<u64>>>,
    /// What must not be.
    pub wrong: Mutex<Vec<String>>,
    pub answers: AtomicU64,
    pub changes: AtomicU64,
    pub resets: AtomicU64,
    /// Asked to come back later.
    pub put_off: AtomicU64,
}

pub struct Client {
    world: Arc<World>,
    random: StdRng,
    ledger: Ledger,
    earlier: Vec<Ledger>,
    wire: Option<Wire>,
}

/// Why a step came to nothing: the connection, which any client survives, or something that must not be.
enum Trouble {
    Cut,
    Wrong(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        if error.kind() == io::ErrorKind::InvalidData { Trouble::Wrong(error.to_string()) } else { Trouble::Cut }
    }
}

impl From<String> for Trouble {
    fn from(wrong: String) -> Trouble {
        Trouble::Wrong(wrong)
    }
}

impl Client {
    pub fn new(world: Arc<World>, number: u64) -> Client {
        let mut random = StdRng::seed_from_u64(number);
        let only = (!number.is_multiple_of(4)).then(|| random.random_range(0..COUNTERS));
        Client { world, random, ledger: Ledger::new(only), earlier: Vec::new(), wire: None }
    }

    pub async fn run(mut self) {
        while !self.world.ending.load(Ordering::Relaxed) {
            let step = self.step().await;
            self.survive(step).await;
        }
        let deadline = Instant::now() + LAST;
        loop {
            let last = self.world.last.lock().unwrap().clone();
            match last {
                Some(last) if self.ledger.is_at(&last) && !self.ledger.cursor.is_empty() => return,
                _ if Instant::now() > deadline => {
                    return self.tell(format!("a client never came from {:?} to the end", self.ledger.last));
                }
                _ => {}
            }
            let step = self.poll(1).await;
            self.survive(step).await;
        }
    }

    async fn survive(&mut self, step: Result<(), Trouble>) {
        let Err(trouble) = step else { return };
        self.wire = None;
        if let Trouble::Wrong(what) = trouble {
            self.tell(what);
            self.ledger.cursor.clear();
        }
        self.rest(500).await;
    }

    fn tell(&self, what: String) {
        self.world.wrong.lock().unwrap().push(what);
    }

    /// Rests for at most so many milliseconds.
    async fn rest(&mut self, most: u64) {
        sleep(Duration::from_millis(self.random.random_range(0..most))).await;
    }

    async fn step(&mut self) -> Result<(), Trouble> {
        if self.ledger.cursor.is_empty() {
            return self.list().await;
        }
        if self.random.random_ratio(1, 10) {
            self.earlier.push(self.ledger.clone());
            if self.earlier.len() > REMEMBERED {
                let place = self.random.random_range(0..self.earlier.len());
                self.earlier.swap_remove(place);
            }
        }
        match self.random.random_range(0..100) {
            0..62 => {
                let wait = self.random.random_range(1..=25);
                self.poll(wait).await
            }
            62..76 => self.leave().await,
            76..82 => self.close_half().await,
            82..90 => self.come_back().await,
            90..92 => self.read_slowly().await,
            92..94 => self.follow_events().await,
            94..97 => self.poll_as_a_browser().await,
            97..98 => self.talk_nonsense().await,
            98..99 => {
                self.rest(20_000).await;
                Ok(())
            }
            _ => {
                self.wire = None;
                self.list().await
            }
        }
    }

    fn poll_path(&self, wait: u64) -> String {
        format!("/notify?table=counter&since={}&wait={wait}{}", self.ledger.cursor, self.ledger.filter())
    }

    async fn wire(&mut self) -> io::Result<&mut Wire> {
        let wire = match self.wire.take() {
            Some(wire) => wire,
            None => Wire::connect(self.world.port).await?,
        };
        Ok(self.wire.insert(wire))
    }

    async fn ask(&mut self, path: &str) -> Result<Reply, Trouble> {
        let reply = timeout(HANGS, self.wire().await?.get(path)).await;
        Ok(reply.map_err(|_| format!("{path} was not answered within {HANGS:?}"))??)
    }

    async fn list(&mut self) -> Result<(), Trouble> {
        let path = format!("/api/counter?{}", self.ledger.filter().trim_start_matches('&'));
        let reply = self.ask(&path).await?;
        if self.is_good(&reply)? {
            self.ledger.list(&reply.cursor, &reply.json()?)?;
        }
        Ok(())
    }

    async fn poll(&mut self, wait: u64) -> Result<(), Trouble> {
        if self.ledger.cursor.is_empty() {
            return self.list().await;
        }
        let reply = self.ask(&self.poll_path(wait)).await?;
        self.take(&reply)
    }

    fn take(&mut self, reply: &Reply) -> Result<(), Trouble> {
        if !self.is_good(reply)? {
            return Ok(());
        }
        self.world.answers.fetch_add(1, Ordering::Relaxed);
        match self.ledger.take(&reply.json()?)? {
            Some(changes) => self.world.changes.fetch_add(changes as u64, Ordering::Relaxed),
            None => self.world.resets.fetch_add(1, Ordering::Relaxed),
        };
        Ok(())
    }

    /// False where the server asks to be left alone for a while.
    fn is_good(&self, reply: &Reply) -> Result<bool, Trouble> {
        match reply.status {
            200 => Ok(true),
            503 => {
                self.world.put_off.fetch_add(1, Ordering::Relaxed);
                Err(Trouble::Cut)
            }
            other => Err(Trouble::Wrong(format!("answered {other}: {}", String::from_utf8_lossy(&reply.body)))),
        }
    }

    /// Goes away while it waits. What it would have been told it is told when it comes back.
    async fn leave(&mut self) -> Result<(), Trouble> {
        let (path, patience) = (self.poll_path(25), self.random.random_range(0..3_000));
        let answered = timeout(Duration::from_millis(patience), self.wire().await?.get(&path)).await;
        match answered {
            Ok(reply) => self.take(&reply?),
            Err(_) => {
                self.wire = None;
                Ok(())
            }
        }
    }

    /// A client that closes its half is gone: the server must end the connection, not wait for news.
    async fn close_half(&mut self) -> Result<(), Trouble> {
        let request = get(&self.poll_path(100), "");
        let pause = self.random.random_range(0..200);
        let mut wire = Wire::connect(self.world.port).await?;
        wire.send(&request).await?;
        sleep(Duration::from_millis(pause)).await;
        wire.close_half().await?;
        let ended = async { while wire.some().await.is_ok_and(|count| count > 0) {} };
        Ok(timeout(HANGS, ended).await.map_err(|_| "a poll outlived its client's half of the connection".to_owned())?)
    }

    /// Goes on from an earlier state, as a tab does that slept.
    async fn come_back(&mut self) -> Result<(), Trouble> {
        if self.earlier.is_empty() {
            return Ok(());
        }
        let place = self.random.random_range(0..self.earlier.len());
        self.ledger = self.earlier.swap_remove(place);
        let wait = self.random.random_range(0..5);
        self.poll(wait).await
    }

    /// Reads a large list a little at a time, and often leaves before the end.
    async fn read_slowly(&mut self) -> Result<(), Trouble> {
        let steps = self.random.random_range(1..200);
        let mut wire = Wire::connect(self.world.port).await?;
        wire.send(&get("/api/wide", "")).await?;
        for _ in 0..steps {
            if wire.some().await? == 0 {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    async fn follow_events(&mut self) -> Result<(), Trouble> {
        let (request, most) = (get(&self.poll_path(30), "Accept: text/event-stream\r\n"), self.random.random_range(100..10_000));
        let mut wire = Wire::connect(self.world.port).await?;
        wire.send(&request).await?;
        _ = timeout(Duration::from_millis(most), async { while wire.some().await.is_ok_and(|count| count > 0) {} }).await;
        Ok(())
    }

    /// As the script polls: with an id that nobody had before, a heartbeat, and many subscriptions.
    async fn poll_as_a_browser(&mut self) -> Result<(), Trouble> {
        let subscriptions: Vec<_> = (0..self.random.random_range(1..20))
            .map(|id| json!({"id": format!("{id}"), "table": "counter", "since": self.ledger.cursor, "where": {"counter": id % COUNTERS}}))
            .collect();
        let browser = format!("{:032x}", self.random.random::<u128>());
        let wait = self.random.random_range(0..5);
        let body = json!({"browser": browser, "term": 1, "wait": wait, "heartbeat": 1, "subscriptions": subscriptions});
        let reply = timeout(HANGS, self.wire().await?.post("/notify", &body)).await;
        let reply = reply.map_err(|_| "a browser's poll was not answered".to_owned())??;
        self.is_good(&reply)?;
        reply.json()?["cursor"].as_str().map(drop).ok_or_else(|| Trouble::Wrong("a browser's poll had no cursor".to_owned()))
    }

    async fn talk_nonsense(&mut self) -> Result<(), Trouble> {
        const NONSENSE: [&str; 4] =
            ["GET", "POST /notify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{", "\0\0\0\r\n\r\n", ""];
        let nonsense = NONSENSE[self.random.random_range(0..NONSENSE.len())];
        let mut wire = Wire::connect(self.world.port).await?;
        wire.send(nonsense).await?;
        self.rest(2_000).await;
        Ok(())
    }
}
