//! A client that lists a table, follows it by long poll, and keeps a replica: every subscriber's duty in its plainest form.

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::raw::{Reply, read, send_get};

/// What a follower has seen so far.
#[derive(Default, Debug, Clone)]
pub struct Seen {
    /// Key, as JSON, to row.
    pub rows: BTreeMap<String, Value>,
    pub cursor: String,
    pub resets: usize,
    pub changes: usize,
    /// Changes that had been told before, to a cursor that held them.
    pub repeated: Vec<String>,
    /// Answers, one a line, in which a sum over the rows was not the promised one.
    pub torn: Vec<String>,
}

/// A follower on a thread of its own.
pub struct Follower {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Follower {
    /// Follows a table at a port, with more of a query, such as `&id=eq.5`. `check` is asked after every answer.
    pub fn start(port: u16, table: &str, filter: &str, check: impl Fn(&Seen) -> Option<String> + Send + 'static) -> Follower {
        let (seen, stop) = (Arc::new(Mutex::new(Seen::default())), Arc::new(AtomicBool::new(false)));
        let (shared, stopped) = (seen.clone(), stop.clone());
        let (table, filter) = (table.to_owned(), filter.to_owned());
        let thread = std::thread::spawn(move || follow(port, &table, &filter, &shared, &stopped, &check));
        Follower { seen, stop, thread: Some(thread) }
    }

    pub fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// The rows as PostgreSQL would print them, by key.
    pub fn rows(&self) -> BTreeMap<String, Value> {
        self.seen.lock().unwrap().rows.clone()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
    }
}

fn follow(port: u16, table: &str, filter: &str, shared: &Mutex<Seen>, stop: &AtomicBool, check: &dyn Fn(&Seen) -> Option<String>) {
    let mut told: HashSet<String> = HashSet::new();
    while !stop.load(Ordering::Relaxed) {
        let since = shared.lock().unwrap().cursor.clone();
        if since.is_empty() {
            list(port, table, filter, shared);
            told.clear();
            continue;
        }
        let path = format!("/notify?table={table}&since={since}&wait=1{filter}");
        let Some(reply) = get(port, &path).filter(|reply| reply.status == 200) else {
            std::thread::sleep(std::time::Duration::from_millis(20));
            continue;
        };
        let answer = reply.json();
        let mut seen = shared.lock().unwrap();
        seen.cursor = answer["cursor"].as_str().unwrap().to_owned();
        for one in answer["answers"].as_array().unwrap() {
            if one["reset"] == true {
                seen.resets += 1;
                seen.cursor.clear();
            }
            for change in one["changes"].as_array().into_iter().flatten() {
                seen.changes += 1;
                if !told.insert(change.to_string()) {
                    seen.repeated.push(change.to_string());
                }
                apply(&mut seen.rows, change);
            }
        }
        if !seen.cursor.is_empty()
            && let Some(torn) = check(&seen)
        {
            seen.torn.push(torn);
        }
    }
}

fn list(port: u16, table: &str, filter: &str, shared: &Mutex<Seen>) {
    let Some(reply) = get(port, &format!("/api/{table}?{}", filter.trim_start_matches('&'))).filter(|reply| reply.status == 200) else {
        std::thread::sleep(std::time::Duration::from_millis(20));
        return;
    };
    let keys: Vec<&str> = reply.header("rowcast-key").split(',').collect();
    let mut seen = shared.lock().unwrap();
    let key = |row: &Value| Value::from(keys.iter().map(|key| row[*key].clone()).collect::<Vec<_>>()).to_string();
    seen.rows = reply.json().as_array().unwrap().iter().map(|row| (key(row), row.clone())).collect();
    seen.cursor = reply.header("rowcast-cursor").to_owned();
}

fn apply(rows: &mut BTreeMap<String, Value>, change: &Value) {
    let key = change["key"].to_string();
    if change["op"] == "delete" || change["leaves"] == true {
        rows.remove(&key);
    } else {
        rows.insert(key, change["new"].clone());
    }
}

/// None where the server cannot be reached or went away: the follower tries again with the cursor that it has.
fn get(port: u16, path: &str) -> Option<Reply> {
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).ok()?;
    send_get(&mut stream, path, &[]);
    read(stream)
}
