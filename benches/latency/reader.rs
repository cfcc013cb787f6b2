//! A client that polls again and again on a thread of its own, and notes when each answer came.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::clock::clock;
use crate::wire;

const PATIENCE: Duration = Duration::from_secs(20);

/// What the reader saw.
enum Seen {
    /// The head of an answer: the server waits for news.
    Parked,
    /// An answer, and when its last byte came.
    Answer(u64, String),
}

pub struct Reader {
    seen: Receiver<Seen>,
}

impl Reader {
    /// Polls `testtype` from a cursor on, until it is dropped or the server is.
    pub fn start(port: u16, since: &str) -> Reader {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server can be reached");
        stream.set_nodelay(true).expect("a socket can be set up");
        let (sender, seen) = channel();
        let mut since = since.to_owned();
        std::thread::spawn(move || {
            let mut received = Vec::new();
            'polls: loop {
                let body =
                    format!(r#"{{"wait":120,"heartbeat":15,"subscriptions":[{{"id":"testtype","table":"testtype","since":"{since}"}}]}}"#);
                if stream.write_all(&wire::post(port, "/notify", &body)).is_err() {
                    return;
                }
                received.clear();
                let mut parked = false;
                loop {
                    let mut buffer = [0; 64 << 10];
                    let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
                    let now = clock();
                    received.extend_from_slice(&buffer[..read]);
                    if !parked && wire::head(&received).is_some() {
                        parked = true;
                        if sender.send(Seen::Parked).is_err() {
                            return;
                        }
                    }
                    if let Some(body) = wire::body(&received) {
                        let text = String::from_utf8(body).expect("an answer is text");
                        assert!(!text.contains("\"reset\"") && !text.contains("\"problem\""), "the answer is {text}");
                        if let Some(cursor) = wire::text_field(&text, "cursor") {
                            cursor.clone_into(&mut since);
                        }
                        if sender.send(Seen::Answer(now, text)).is_err() {
                            return;
                        }
                        continue 'polls;
                    }
                }
            }
        });
        Reader { seen }
    }

    /// Waits for the server to wait for news.
    pub fn wait_until_parked(&self) {
        match self.seen.recv_timeout(PATIENCE) {
            Ok(Seen::Parked) => {}
            Ok(Seen::Answer(_, text)) => panic!("nothing had happened, and yet it was told: {text}"),
            Err(error) => panic!("the poll is not parked: {error}"),
        }
    }

    /// The next answer, and when it came.
    pub fn next(&self) -> (u64, String) {
        self.next_within(PATIENCE).expect("an answer comes")
    }

    /// The same, or none if nothing comes.
    pub fn next_within(&self, limit: Duration) -> Option<(u64, String)> {
        loop {
            match self.seen.recv_timeout(limit).ok()? {
                Seen::Parked => {}
                Seen::Answer(at, text) => return Some((at, text)),
            }
        }
    }
}
