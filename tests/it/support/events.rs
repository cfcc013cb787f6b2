//! Server-sent events as they arrive on a plain socket.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

/// An open stream of events.
pub struct Events {
    stream: BufReader<TcpStream>,
    status: u16,
    /// What has arrived and is no whole event yet.
    pending: Vec<u8>,
}

/// One event; what it does not say is empty.
#[derive(Debug, Default)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
    pub retry_ms: Option<u64>,
}

impl Events {
    /// Reads the head of the answer to a request that has been sent; None if the connection is cut.
    pub fn open(stream: TcpStream) -> Option<Events> {
        let mut stream = BufReader::new(stream);
        let status = line(&mut stream)?.split(' ').nth(1)?.parse().ok()?;
        while !line(&mut stream)?.is_empty() {}
        Some(Events { stream, status, pending: Vec::new() })
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    /// Waits for the next event; None where the stream ends.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|window| window == b"\n\n") {
                let event: Vec<u8> = self.pending.drain(..end + 2).collect();
                return Some(parse(&String::from_utf8(event).ok()?));
            }
            let size = usize::from_str_radix(&line(&mut self.stream)?, 16).ok().filter(|&size| size > 0)?;
            let mut chunk = vec![0; size + 2];
            self.stream.read_exact(&mut chunk).ok()?;
            self.pending.extend_from_slice(&chunk[..size]);
        }
    }
}

fn line(stream: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let count = stream.read_line(&mut line).ok()?;
    (count > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned())
}

fn parse(text: &str) -> Event {
    let mut event = Event::default();
    for (field, value) in text.lines().filter_map(|line| line.split_once(": ")) {
        match field {
            "event" => event.name = value.to_owned(),
            "id" => event.id = value.to_owned(),
            "data" => event.data = value.to_owned(),
            "retry" => event.retry_ms = value.parse().ok(),
            _ => {}
        }
    }
    event
}
