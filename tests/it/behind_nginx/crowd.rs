//! Thousands of clients who follow one table from one cursor on, each on a connection of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::client::Client;

/// What they share.
#[derive(Default)]
struct Shared {
    failures: Mutex<Vec<String>>,
    /// Answers without news.
    quiet: AtomicUsize,
    /// The keys that each was told, in order.
    told: Vec<Mutex<Vec<i64>>>,
}

pub struct Crowd(Arc<Shared>);

impl Crowd {
    /// Sends so many to a proxy.
    pub fn start(number: usize, proxy: SocketAddr, since: &str, wait: u64) -> Crowd {
        raise_the_limit_on_files();
        let told = (0..number).map(|_| Mutex::default()).collect();
        let shared = Arc::new(Shared { told, ..Shared::default() });
        for place in 0..number {
            let (shared, since) = (shared.clone(), since.to_owned());
            tokio::spawn(async move {
                // Not all in the same moment: the kernel's queue is short.
                tokio::time::sleep(Duration::from_micros(300 * place as u64)).await;
                if let Err(failure) = follow(&shared, place, proxy, since, wait).await {
                    shared.failures.lock().unwrap().push(failure);
                }
            });
        }
        Crowd(shared)
    }

    pub fn failures(&self) -> Vec<String> {
        self.0.failures.lock().unwrap().clone()
    }

    pub fn quiet_answers(&self) -> usize {
        self.0.quiet.load(Ordering::Relaxed)
    }

    /// Whether each was told just these, each once and in order.
    pub fn all_have(&self, keys: Vec<i64>) -> bool {
        self.0.told.iter().all(|told| *told.lock().unwrap() == keys)
    }
}

async fn follow(shared: &Shared, place: usize, proxy: SocketAddr, mut since: String, wait: u64) -> Result<(), String> {
    let mut client = Client::of(proxy);
    loop {
        let reply = client.get(&format!("/notify?table=testtype&since={since}&wait={wait}")).await?;
        if reply.status != 200 {
            return Err(format!("{reply:?}"));
        }
        let answer = reply.json();
        let cursor = answer["cursor"].as_str().ok_or("an answer without a cursor")?.to_owned();
        if cursor == since {
            return Err(format!("the answer leads nowhere: {reply:?}"));
        }
        since = cursor;
        let Some(told) = answer["answers"][0]["changes"].as_array() else {
            shared.quiet.fetch_add(1, Ordering::Relaxed);
            continue;
        };
        let keys = told.iter().filter_map(|change| change["key"][0].as_i64());
        shared.told[place].lock().unwrap().extend(keys);
    }
}

/// Each client is an open file of this process, which other tests share.
fn raise_the_limit_on_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("the limit on open files can be raised");
}
