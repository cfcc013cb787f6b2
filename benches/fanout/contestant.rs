//! The servers that are compared, each with a load of its own.

use std::path::Path;
use std::time::Duration;

use crate::clock::clock;
use crate::helper::Helper;
use crate::options::{Form, Options};
use crate::process::{self, Threads};
use crate::support::{self, Database, Server};
use crate::wire;

/// After the last client was told, the server may still clean up: that is a part of the cost.
const SETTLING: Duration = Duration::from_millis(100);

/// One server and its load.
pub struct Contestant {
    pub name: String,
    kind: Kind,
    load: Helper,
    /// Memory before the first client came, when all were parked, and when they were parked for the last time.
    before: u64,
    pub parked_at_first: u64,
    pub parked_at_last: u64,
    clients: usize,
}

enum Kind {
    Yardstick { server: Helper, body: String },
    Rowcast { server: Box<Server>, _db: Database, writer: Box<postgres::Client>, changes: u64 },
}

/// One change that was told.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// From the change to the first, the middle and the last client, in milliseconds.
    pub first: f64,
    pub middle: f64,
    pub last: f64,
    /// The server's CPU time for telling, and for parking those again who were told, in microseconds altogether.
    pub telling: f64,
    pub parking: f64,
}

impl Told {
    /// What several came to, one with the other.
    pub fn mean(several: &[Told]) -> Told {
        let mean = |value: fn(&Told) -> f64| several.iter().map(value).sum::<f64>() / several.len() as f64;
        Told {
            first: mean(|told| told.first),
            middle: mean(|told| told.middle),
            last: mean(|told| told.last),
            telling: mean(|told| told.telling),
            parking: mean(|told| told.parking),
        }
    }
}

impl Contestant {
    /// A build of rowcast on a database of its own whose table has as many rows as there are clients, all parked.
    pub fn rowcast(name: &str, program: &Path, cluster: &std::sync::Arc<support::Cluster>, options: &Options, load: &LoadOf) -> Contestant {
        let db = support::empty_example(cluster.database());
        db.psql(&format!("insert into testtype (name) select 'Somebody' from generate_series(1, {})", load.clients));
        let limits = format!("polls = {}\nconnections = {}\n", load.clients + 10, load.clients + 100);
        let server = support::server::launch_program(program, &db.url(), &format!("{limits}{}", support::TESTTYPE), &[]).ready();
        let since = server.get("/api/testtype?limit=1").expect_status(200).header("rowcast-cursor").to_owned();
        let writer = db.client();
        let (port, pid) = (server.port, server.pid());
        Contestant::park(
            name,
            Kind::Rowcast { server: Box::new(server), _db: db, writer: Box::new(writer), changes: 0 },
            port,
            pid,
            &since,
            options,
            load,
        )
    }

    /// A server that knows nothing, and answers what `sample` shows.
    pub fn yardstick(name: &str, role: &str, sample: &Sample, options: &Options, load: &LoadOf) -> Contestant {
        let mut server = Helper::start(&[role.to_owned(), format!("--head={}", sample.head), format!("--heartbeat={}", options.heartbeat)]);
        let port = u16::try_from(server.expect("port")[0]).expect("a port");
        let pid = server.pid();
        Contestant::park(name, Kind::Yardstick { server, body: sample.body.clone() }, port, pid, "x", options, load)
    }

    fn park(name: &str, kind: Kind, port: u16, pid: u32, since: &str, options: &Options, load: &LoadOf) -> Contestant {
        let form = if load.form == Form::Poll { "poll" } else { "events" };
        let mut arguments = vec![
            "client".to_owned(),
            format!("--port={port}"),
            format!("--clients={}", load.clients),
            format!("--since={since}"),
            // Where few are concerned, the heartbeats of the others would be most of what is measured.
            format!("--heartbeat={}", if load.rows { 60 } else { options.heartbeat }),
            format!("--form={form}"),
        ];
        arguments.extend(load.rows.then(|| "--rows".to_owned()));
        let before = process::memory(pid);
        let mut helper = Helper::start(&arguments);
        helper.order("park");
        helper.expect("parked");
        std::thread::sleep(SETTLING);
        let parked = process::memory(pid);
        Contestant {
            name: name.to_owned(),
            kind,
            load: helper,
            before,
            parked_at_first: parked - before,
            parked_at_last: 0,
            clients: load.clients,
        }
    }

    /// Makes one change, and waits until all whom it concerns have been told and are parked again.
    pub fn tell(&mut self, concerned: usize) -> Told {
        let (pid, clients) = (self.pid(), self.clients);
        self.load.order(&format!("await {concerned}"));
        let cpu = Threads::of(pid);
        let begin = clock();
        self.change();
        let told = self.load.expect("told");
        if concerned == clients {
            std::thread::sleep(SETTLING);
        }
        let telling = cpu.since();
        let cpu = Threads::of(pid);
        self.load.order("again");
        self.load.expect("parked");
        if concerned == clients {
            std::thread::sleep(SETTLING);
        }
        let parking = cpu.since();
        self.parked_at_last = process::memory(pid) - self.before;
        let after = |moment: u64| (moment - begin) as f64 / 1e6;
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        Told { first: after(told[0]), middle: after(told[1]), last: after(told[2]), telling: micros(telling), parking: micros(parking) }
    }

    fn change(&mut self) {
        match &mut self.kind {
            Kind::Yardstick { server, body } => server.order(body),
            Kind::Rowcast { writer, changes, .. } => {
                *changes += 1;
                let name = format!("Somebody {changes:010}");
                writer.execute("update testtype set name = $1 where id = 1", &[&name]).expect("a row can be changed");
            }
        }
    }

    pub fn pid(&self) -> u32 {
        match &self.kind {
            Kind::Yardstick { server, .. } => server.pid(),
            Kind::Rowcast { server, .. } => server.pid(),
        }
    }
}

/// What a contestant's load is.
#[derive(Clone, Copy, Debug)]
pub struct LoadOf {
    pub clients: usize,
    pub form: Form,
    pub rows: bool,
}

/// What rowcast answers to one change, for the yardsticks to answer the same.
pub struct Sample {
    pub head: String,
    pub body: String,
}

impl Sample {
    pub fn take(cluster: &std::sync::Arc<support::Cluster>) -> Sample {
        use std::io::{Read, Write};
        let db = support::empty_example(cluster.database());
        db.psql("insert into testtype (name) values ('Somebody')");
        let server = support::server(&db, support::TESTTYPE);
        let since = server.get("/api/testtype?limit=1").expect_status(200).header("rowcast-cursor").to_owned();
        db.psql("update testtype set name = 'Somebody 0000000001'");
        let body = format!(r#"{{"wait":30,"heartbeat":15,"subscriptions":[{{"id":"testtype","table":"testtype","since":"{since}"}}]}}"#);
        let mut stream = server.connect();
        stream.write_all(&wire::post(server.port, "/notify", &body)).expect("a request can be sent");
        let mut received = Vec::new();
        let body = loop {
            let mut buffer = [0; 4 << 10];
            let read = stream.read(&mut buffer).expect("an answer comes");
            received.extend_from_slice(&buffer[..read]);
            if let Some(body) = wire::body(&received) {
                break body;
            }
        };
        let head = wire::head(&received).expect("it has just been read");
        Sample {
            head: String::from_utf8(received[..head].to_vec()).expect("a head is text"),
            body: String::from_utf8(body).expect("JSON is text"),
        }
    }
}
