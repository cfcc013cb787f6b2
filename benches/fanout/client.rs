//! The load: a process with many connections and one thread, each connection a browser that polls.
//!
//! It does what it is told, a line at a time, and answers with a line: see [`run`].

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::clock::clock;
use crate::options::{Form, Load};
use crate::poller::Poller;
use crate::wire;

/// How long nothing may happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Polls that are sent before the load looks after answers again: what the kernel's queue of connections holds.
const BURST: usize = 500;

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    cursor: String,
    state: State,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    /// A poll has been sent.
    Asked,
    /// The head of the answer is there: the server waits for news.
    Parked,
    /// The news is there.
    Told,
}

struct Client {
    load: Load,
    poller: Poller,
    connections: Vec<Connection>,
    /// How many wait for the head of their answer.
    asked: usize,
    /// The times at which connections were told something.
    told: Vec<u64>,
}

/// Standard input among the connections.
const ORDERS: usize = usize::MAX;

/// Does what standard input says until that ends: `park` connects everybody and has them parked, `await N` waits for that
/// many answers and tells when the first, the middle and the last came, `again` has those parked again that were answered.
pub fn run(load: Load) {
    rowcast::descriptors::raise();
    let mut client = Client { load, poller: Poller::new(), connections: Vec::new(), asked: 0, told: Vec::new() };
    client.poller.add(std::io::stdin(), ORDERS);
    loop {
        // In between polls go on: who is told that its time is up asks again. Orders come last: who is heard while one is
        // obeyed has nothing more to say, and to read from him would block.
        let (orders, sockets): (Vec<usize>, Vec<usize>) = client.poller.wait(None).into_iter().partition(|&ready| ready == ORDERS);
        for number in sockets {
            client.receive(number);
        }
        if !orders.is_empty() && !client.obey() {
            return;
        }
    }
}

impl Client {
    /// Does what the next line says; false where there is none.
    fn obey(&mut self) -> bool {
        let mut line = String::new();
        if std::io::stdin().read_line(&mut line).expect("orders are text") == 0 {
            return false;
        }
        match line.trim_end().split_once(' ') {
            None if line == "park\n" => self.park(),
            None if line == "again\n" => self.again(),
            Some(("await", number)) => self.wait_for_news(number.parse().expect("a number")),
            _ => panic!("there is no order {line:?}"),
        }
        std::io::stdout().flush().expect("answers can be written");
        true
    }

    fn park(&mut self) {
        for number in 0..self.load.clients {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.load.port)).expect("the server can be reached");
            stream.set_nodelay(true).expect("a socket can be set up");
            self.poller.add(&stream, number);
            self.connections.push(Connection { stream, received: Vec::new(), cursor: self.load.since.clone(), state: State::Told });
            self.ask(number);
            if number % BURST == BURST - 1 {
                self.until(|client| client.asked == 0);
            }
        }
        self.until(|client| client.asked == 0);
        println!("parked");
    }

    fn again(&mut self) {
        let told: Vec<usize> = (0..self.connections.len()).filter(|&number| self.connections[number].state == State::Told).collect();
        for number in told {
            match self.load.form {
                Form::Poll => self.ask(number),
                // A stream goes on by itself.
                Form::Events => self.connections[number].state = State::Parked,
            }
        }
        self.until(|client| client.asked == 0);
        println!("parked");
    }

    fn wait_for_news(&mut self, number: usize) {
        self.until(|client| client.told.len() >= number);
        let mut told = std::mem::take(&mut self.told);
        told.sort_unstable();
        println!("told {} {} {}", told[0], told[told.len() / 2], told[told.len() - 1]);
    }

    /// Takes what arrives until that is so.
    fn until(&mut self, done: impl Fn(&Client) -> bool) {
        while !done(self) {
            let ready = self.poller.wait(Some(PATIENCE));
            assert!(!ready.is_empty(), "for a minute nothing came: {} wait for their answer's head", self.asked);
            for number in ready.into_iter().filter(|&number| number != ORDERS) {
                self.receive(number);
            }
        }
    }

    /// Sends a poll, which has the size to fit a socket's buffer.
    fn ask(&mut self, number: usize) {
        let connection = &mut self.connections[number];
        let request = request(&self.load, number, &connection.cursor);
        connection.received.clear();
        connection.state = State::Asked;
        self.asked += 1;
        connection.stream.write_all(&request).expect("a request can be sent");
    }

    fn receive(&mut self, number: usize) {
        let mut buffer = [0; 16 << 10];
        let connection = &mut self.connections[number];
        match connection.stream.read(&mut buffer) {
            Ok(0) => panic!("the server closed a connection after: {}", String::from_utf8_lossy(&connection.received)),
            Ok(read) => connection.received.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => return,
            Err(error) => panic!("a connection broke: {error}"),
        }
        if connection.state == State::Asked && wire::head(&connection.received).is_some() {
            assert!(connection.received.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&connection.received));
            connection.state = State::Parked;
            self.asked -= 1;
        }
        match connection.take_news(self.load.form) {
            None => {}
            Some(Told::News) => {
                connection.state = State::Told;
                self.told.push(clock());
            }
            Some(Told::Nothing) => self.ask(number),
        }
    }
}

enum Told {
    News,
    /// The poll's time was up.
    Nothing,
}

impl Connection {
    /// The cursor of what has arrived whole, and whether there is anything beside it.
    fn take_news(&mut self, form: Form) -> Option<Told> {
        let text = match form {
            Form::Poll => String::from_utf8(wire::body(&self.received)?).expect("the answer is text"),
            Form::Events => {
                let text = String::from_utf8_lossy(&self.received);
                text.contains("\ndata: ").then(|| text.ends_with("\n\n\r\n").then(|| text.into_owned())).flatten()?
            }
        };
        assert!(!text.contains("\"reset\"") && !text.contains("\"problem\""), "the answer is {text}");
        self.received.clear();
        if let Some(cursor) = wire::text_field(&text, "cursor") {
            cursor.clone_into(&mut self.cursor);
        }
        Some(if text.contains("\"changes\"") { Told::News } else { Told::Nothing })
    }
}

/// What the shipped script sends for a page with one list, or, in `rows`, for a page that shows one row.
fn request(load: &Load, number: usize, cursor: &str) -> Vec<u8> {
    let row = if load.rows { format!(r#","where":{{"id":{}}}"#, number + 1) } else { String::new() };
    match load.form {
        Form::Poll => {
            let body = format!(
                r#"{{"browser":"{number:032x}","term":1,"wait":120,"heartbeat":{},"subscriptions":[{{"id":"testtype","table":"testtype","since":"{cursor}"{row}}}]}}"#,
                load.heartbeat
            );
            wire::post(load.port, "/notify", &body)
        }
        Form::Events => {
            let row = if load.rows { format!("&id=eq.{}", number + 1) } else { String::new() };
            wire::get(load.port, &format!("/notify?table=testtype&since={cursor}{row}"), "Accept: text/event-stream\r\n")
        }
    }
}
