//! Connections that ask again as soon as they are answered, on one thread.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use crate::poller::Poller;
use crate::wire;

pub struct Load {
    request: Vec<u8>,
    poller: Poller,
    connections: Vec<(TcpStream, Vec<u8>)>,
}

impl Load {
    pub fn start(port: u16, path: &str, connections: usize) -> Load {
        let poller = Poller::new();
        let connect = |number: usize| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("the server can be reached");
            stream.set_nodelay(true).expect("a socket can be set up");
            poller.add(&stream, number);
            (stream, Vec::new())
        };
        let connections = (0..connections).map(connect).collect();
        Load { request: wire::get(port, path, "Accept: application/json\r\n"), poller, connections }
    }

    /// Asks for so long; returns how many answers there were.
    pub fn run(mut self, long: Duration) -> u64 {
        let end = Instant::now() + long;
        let mut answers = 0;
        for (stream, _) in &mut self.connections {
            stream.write_all(&self.request).expect("a request can be sent");
        }
        while Instant::now() < end {
            for number in self.poller.wait(Some(long)) {
                let (stream, received) = &mut self.connections[number];
                let mut buffer = [0; 16 << 10];
                let read = stream.read(&mut buffer).expect("an answer comes");
                assert!(read > 0, "the server closed a connection after: {}", String::from_utf8_lossy(received));
                received.extend_from_slice(&buffer[..read]);
                if wire::length(received).is_none_or(|length| received.len() < length) {
                    continue;
                }
                assert!(received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(received));
                received.clear();
                answers += 1;
                stream.write_all(&self.request).expect("a request can be sent");
            }
        }
        answers
    }
}
