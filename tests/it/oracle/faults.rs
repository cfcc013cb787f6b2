//! Faults: what is done to servers, to the cluster and to the network between them while writers write.

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use postgres::{Client, NoTls};
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};

use crate::support::proxy::Proxy;
use crate::support::{Cluster, Database, Server, Stop};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A server ends without warning, and starts again later.
    Kill,
    /// The cluster ends as if the power had failed, with writers at work.
    Crash,
    /// The same with all at rest, and with transaction ids that the crash takes back.
    CrashAtRest,
    /// Backends are terminated, of servers and writers alike.
    Terminate,
    /// Foreign notifications fill the queue that bells go through, and nobody takes them out.
    Flood,
    /// The third server's tailer is cut off, and nobody is told.
    Silence,
}

/// What stands for each on the command line.
const NAMES: [(&str, &[Fault]); 5] = [
    ("kill", &[Fault::Kill]),
    ("crash", &[Fault::Crash, Fault::CrashAtRest]),
    ("terminate", &[Fault::Terminate]),
    ("flood", &[Fault::Flood]),
    ("silence", &[Fault::Silence]),
];

/// The faults of that many phases: each kind once, as far as there is room, and then any. `names` is a list; all if it is
/// empty.
pub fn plan(random: &mut StdRng, phases: usize, names: &str) -> Vec<Vec<Fault>> {
    const A_PHASE: usize = 2;
    let named: Vec<&str> = names.split(',').filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = named.iter().find(|name| !NAMES.iter().any(|(known, _)| known == *name)) {
        panic!("there is no fault \"{unknown}\": kill, crash, terminate, flood and silence are the faults");
    }
    let is_wanted = |name: &str| named.is_empty() || named.contains(&name);
    let kinds: Vec<Fault> = NAMES.iter().filter(|(name, _)| is_wanted(name)).flat_map(|(_, faults)| *faults).copied().collect();
    let mut dealt = kinds.clone();
    while dealt.len() < phases * A_PHASE {
        dealt.extend(kinds.choose(random));
    }
    dealt[..kinds.len()].shuffle(random);
    dealt.chunks(A_PHASE).take(phases).map(<[Fault]>::to_vec).collect()
}

/// Who makes the faults, and puts right what they broke.
pub struct Faults {
    pub servers: Vec<Server>,
    cluster: Arc<Cluster>,
    database: Arc<Database>,
    /// Between the third server's tailer and the cluster.
    proxy: Proxy,
    /// Servers that are down.
    down: Vec<usize>,
    random: StdRng,
}

/// The largest payload of a notification; PostgreSQL's own limit is just above.
const PAYLOAD: usize = 7_900;

/// No flood is larger than this, in notifications: the queue of PostgreSQL 13 to 16 takes gigabytes.
const FLOOD: usize = 400;

impl Faults {
    pub fn new(servers: Vec<Server>, cluster: Arc<Cluster>, database: Arc<Database>, proxy: Proxy, random: StdRng) -> Faults {
        Faults { servers, cluster, database, proxy, down: Vec::new(), random }
    }

    /// Makes a phase's faults one after the other, and puts all right again at the end. What rests until the writers do is
    /// left out.
    pub fn play(&mut self, faults: &[Fault], length: Duration) -> Result<(), String> {
        let share = length / (faults.len() as u32 + 1);
        sleep(share);
        for fault in faults {
            println!("{fault:?}");
            self.make(*fault)?;
            sleep(share.mul_f64(self.random.random_range(0.3..1.0)));
            if self.random.random_bool(0.5) {
                self.start_servers();
            }
        }
        self.start_servers();
        self.proxy.give_up_silent();
        Ok(())
    }

    fn make(&mut self, fault: Fault) -> Result<(), String> {
        match fault {
            Fault::Kill => {
                let number = self.random.random_range(0..self.servers.len());
                if !self.down.contains(&number) {
                    self.servers[number].kill9();
                    self.down.push(number);
                }
            }
            Fault::Crash => {
                self.cluster.stop(Stop::Crash);
                sleep(Duration::from_millis(self.random.random_range(0..500)));
                self.cluster.go_on();
            }
            Fault::CrashAtRest => {}
            Fault::Terminate => {
                let whose = ["application_name = 'rowcast'", "pid % 2 = 0", "application_name <> 'rowcast'", "true"];
                let whose = whose.choose(&mut self.random).copied().unwrap_or("true");
                self.database.psql_as_superuser(&format!(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity \
                     where datname = current_database() and pid <> pg_backend_pid() and {whose}"
                ));
            }
            Fault::Flood => self.flood().map_err(|error| format!("the queue could not be flooded: {error}"))?,
            Fault::Silence => self.proxy.fall_silent(),
        }
        Ok(())
    }

    /// With all at rest: cursors have seen transactions that the crash makes unhappened, and their ids are given out again.
    pub fn crash_at_rest(&mut self) {
        println!("{:?}", Fault::CrashAtRest);
        let burn = "begin; select pg_current_xact_id(); rollback; ".repeat(30);
        self.database.psql(&burn);
        for server in &self.servers {
            server.get("/notify?table=account&since=now&wait=0").expect_status(200);
        }
        self.cluster.stop(Stop::Crash);
        self.cluster.go_on();
    }

    fn start_servers(&mut self) {
        for number in std::mem::take(&mut self.down) {
            self.servers[number].start_again();
        }
    }

    /// Whoever LISTENs and stays in a transaction holds the queue's tail; every bell goes behind what is in it. Above nine
    /// tenths no bell is rung any more, and the slow timer comes instead.
    fn flood(&mut self) -> Result<(), postgres::Error> {
        let mut holder = Client::connect(&self.database.url(), NoTls)?;
        holder.batch_execute("listen foreign_channel; begin; select 1")?;
        let mut flooder = Client::connect(&self.database.url(), NoTls)?;
        for number in 0..FLOOD {
            let usage: f64 = flooder.query_one("select pg_notification_queue_usage()", &[])?.get(0);
            if usage > 0.92 {
                println!("the queue is full after {number} notifications");
                break;
            }
            flooder.execute("select pg_notify('foreign_channel', $1 || repeat('x', $2))", &[&number.to_string(), &(PAYLOAD as i32)])?;
        }
        sleep(Duration::from_millis(self.random.random_range(500..2_500)));
        Ok(())
    }
}
