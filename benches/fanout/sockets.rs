//! The first yardstick: a server that is nothing but sockets. One thread, epoll, no HTTP but its looks.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use crate::options::Yardstick;
use crate::poller::Poller;
use crate::wire;

const LISTENER: usize = usize::MAX;
const ORDERS: usize = usize::MAX - 1;

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Answers every request with the head at once, and with each line of standard input, as a body, when that comes.
pub fn run(yardstick: &Yardstick) {
    rowcast::descriptors::raise();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port can be had");
    rustix::net::listen(&listener, 4_096).expect("the queue can be made longer");
    println!("port {}", listener.local_addr().expect("a port has an address").port());
    let mut poller = Poller::new();
    poller.add(&listener, LISTENER);
    poller.add(std::io::stdin(), ORDERS);
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut parked: Vec<usize> = Vec::new();
    loop {
        for ready in poller.wait(None) {
            match ready {
                LISTENER => {
                    let (stream, _) = listener.accept().expect("a connection can be accepted");
                    stream.set_nodelay(true).expect("a socket can be set up");
                    poller.add(&stream, clients.len());
                    clients.push(Some(Client { stream, received: Vec::new() }));
                }
                ORDERS => {
                    let mut line = String::new();
                    if std::io::stdin().read_line(&mut line).expect("orders are text") == 0 {
                        return;
                    }
                    let body = chunked(line.trim_end());
                    for number in parked.drain(..) {
                        if let Some(client) = &mut clients[number] {
                            client.stream.write_all(&body).expect("an answer fits the socket");
                        }
                    }
                }
                number => match clients[number].as_mut().map(Client::take_request) {
                    Some(Ok(true)) => {
                        let client = clients[number].as_mut().expect("it has just been there");
                        client.stream.write_all(yardstick.head.as_bytes()).expect("a head fits the socket");
                        parked.push(number);
                    }
                    Some(Ok(false)) => {}
                    _ => clients[number] = None,
                },
            }
        }
    }
}

impl Client {
    /// Whether a request has arrived whole; an error where the client is gone.
    fn take_request(&mut self) -> std::io::Result<bool> {
        let mut buffer = [0; 4 << 10];
        let read = self.stream.read(&mut buffer)?;
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.received.extend_from_slice(&buffer[..read]);
        let whole = wire::length(&self.received).is_some_and(|length| self.received.len() >= length);
        if whole {
            // What is kept of a parked client is its socket.
            self.received = Vec::new();
        }
        Ok(whole)
    }
}

/// A body of one chunk, and its end.
fn chunked(body: &str) -> Vec<u8> {
    format!("{:X}\r\n{body}\r\n0\r\n\r\n", body.len()).into_bytes()
}
