//! A run: writers write, and at quiet points each replica must be what a SELECT finds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, RngCore};

use super::client::Client;
use super::clients::{Plan, plans};
use super::held::{Counts, Held, difference};
use super::settings::Settings;
use super::transactions::{self, Step};
use super::world::World;
use super::writer::Writer;
use crate::support::Database;
use crate::support::replica::selected;
use crate::support::rows::{Filter, Row};

/// How long writers may take to come to rest: some hold their transactions open for seconds, and others wait for them.
const REST: Duration = Duration::from_secs(60);

/// Transactions at each quiet point that must wake sleeping servers.
const LONE: usize = 2;

pub struct Run {
    pub world: Arc<World>,
    settings: Settings,
    database: Arc<Database>,
    /// How long after the last write everybody may have it.
    patience: Duration,
    /// Servers that sleep at once, when all do.
    sleepers: usize,
    clients: Vec<(Plan, Arc<Mutex<Held>>)>,
    threads: Vec<JoinHandle<()>>,
    lone: Writer,
    random: StdRng,
}

impl Run {
    /// Starts the writers, who wait for the gate, and the clients.
    pub fn start(settings: &Settings, database: Arc<Database>, world: World, patience: Duration) -> Run {
        let world = Arc::new(world);
        let mut threads = Vec::new();
        let mut seeds = settings.random(1);
        for number in 0..settings.writers {
            let (writer, seed) = (Writer::new(world.clone(), number), seeds.next_u64());
            threads.push(std::thread::spawn(move || writer.run(seed)));
        }
        let mut clients = Vec::new();
        for plan in plans(&mut settings.random(2), settings.more_clients) {
            let held = Arc::new(Mutex::new(Held::new(&plan)));
            let client = Client::new(world.clone(), plan.clone(), held.clone());
            threads.push(std::thread::spawn(move || client.run()));
            clients.push((plan, held));
        }
        let lone = Writer::new(world.clone(), settings.writers);
        let sleepers = world.ports.len().min(2);
        Run { world, settings: settings.clone(), database, patience, sleepers, clients, threads, lone, random: settings.random(3) }
    }

    /// Lets writers write while `meanwhile` goes on, then lets all come to rest and looks.
    pub fn phase(&mut self, meanwhile: impl FnOnce(&World) -> Result<(), String>) -> Result<(), String> {
        self.world.set_calm(false);
        self.world.gate.open();
        let outcome = meanwhile(&self.world);
        self.world.gate.close(REST)?;
        outcome?;
        self.world.set_calm(true);
        self.compare("at rest")?;
        self.connect_anew();
        for _ in 0..LONE {
            self.wait_for_sleep(self.sleepers)?;
            self.lone_write()?;
        }
        self.late_commit()?;
        let bed = self.random.random_range(1..=2);
        self.lone_write_beside_an_open_transaction(bed)
    }

    /// A transaction that finds everybody awake, and so rings for nobody, and commits when they would have gone to sleep.
    fn late_commit(&mut self) -> Result<(), String> {
        let waking = transactions::lone(&mut self.random);
        let mut late = transactions::lone(&mut self.random);
        late.steps.push(Step::Pause(Duration::from_millis(300)));
        self.lone.play(&waking)?;
        self.lone.play(&late)?;
        self.compare(&format!("after the late commit of {:?}", late.steps))
    }

    /// A transaction that stays open holds its share of one bed; a server can sleep in the other, and must be woken there.
    fn lone_write_beside_an_open_transaction(&mut self, bed: i32) -> Result<(), String> {
        let mut open = self.database.client();
        let failed = |error: postgres::Error| format!("a bed could not be held: {error}");
        open.batch_execute("begin").map_err(failed)?;
        let begun = Instant::now();
        while !open.query_one("select pg_try_advisory_xact_lock_shared(1919907683, $1)", &[&bed]).map_err(failed)?.get::<_, bool>(0) {
            self.check()?;
            if begun.elapsed() > self.patience {
                return Err(format!("bed {bed} was never free, whatever was written"));
            }
            // Whoever sleeps in it gets up for a change, and for nothing less.
            let waking = transactions::lone(&mut self.random);
            self.lone.play(&waking)?;
        }
        self.wait_for_sleep(1)?;
        self.lone_write()
    }

    /// A single transaction, with nobody else writing.
    pub fn lone_write(&mut self) -> Result<(), String> {
        let transaction = transactions::lone(&mut self.random);
        self.lone.play(&transaction)?;
        self.compare(&format!("after the lone write {:?}", transaction.steps))
    }

    /// Whoever writes alone connects anew: a fault has cut the connection.
    pub fn connect_anew(&mut self) {
        self.lone = Writer::new(self.world.clone(), self.settings.writers);
    }

    /// Waits until every replica is what a SELECT finds.
    pub fn compare(&self, when: &str) -> Result<(), String> {
        let begun = Instant::now();
        let mut client = self.database.client();
        let mut found: HashMap<(&str, Option<Filter>), Vec<Arc<Row>>> = HashMap::new();
        for (plan, held) in &self.clients {
            loop {
                self.check()?;
                let Some((name, difference)) = self.first_difference(&mut client, &mut found, held) else { break };
                if begun.elapsed() > self.patience {
                    let held = held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                    return Err(format!(
                        "{when}, after {:?}: client {}\n  {name}: {difference}\n{}",
                        self.patience,
                        plan.shown(),
                        held.shown()
                    ));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        Ok(())
    }

    fn first_difference(
        &self,
        client: &mut postgres::Client,
        found: &mut HashMap<(&'static str, Option<Filter>), Vec<Arc<Row>>>,
        held: &Mutex<Held>,
    ) -> Option<(String, String)> {
        let subscribed = held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).subscribed.clone();
        for one in subscribed {
            let wanted = found.entry((one.table.name, one.filter.clone())).or_insert_with(|| {
                let condition = one.filter.as_ref().map_or(String::new(), condition);
                selected(client, &format!("(select * from {} {condition})", one.table.name))
            });
            let rows = one.rows.all();
            if one.cursor.is_empty() || rows != *wanted {
                return Some((one.table.name.to_owned(), difference(&rows, wanted)));
            }
        }
        None
    }

    /// Waits until as many servers sleep: what is written next must wake them.
    fn wait_for_sleep(&self, sleepers: usize) -> Result<(), String> {
        const ASLEEP: &str = "select count(*)::int from pg_locks where locktype = 'advisory' and classid = 1919907683 and mode = 'ExclusiveLock' \
            and database = (select oid from pg_database where datname = current_database())";
        let mut client = self.database.client();
        let begun = Instant::now();
        loop {
            self.check()?;
            let asleep: i32 = client.query_one(ASLEEP, &[]).map_err(|error| format!("the beds could not be counted: {error}"))?.get(0);
            if usize::try_from(asleep) == Ok(sleepers) {
                return Ok(());
            }
            if begun.elapsed() > self.patience {
                return Err(format!("{asleep} servers sleep, not {sleepers}, {:?} after the last write", self.patience));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// What a writer or a client has found to be wrong.
    pub fn check(&self) -> Result<(), String> {
        self.world.failure().map_or(Ok(()), Err)
    }

    /// Ends writers and clients; the servers have gone, so that no poll keeps a client. Returns what the clients went
    /// through.
    pub fn end(self) -> Vec<(Plan, Counts)> {
        self.world.end();
        for thread in self.threads {
            thread.join().expect("a writer or a client panicked");
        }
        let (ended, stopped) = self.world.transactions();
        println!("seed {}: {ended} transactions, {stopped} stopped by others", self.settings.seed);
        let counts = |(plan, held): &(Plan, Arc<Mutex<Held>>)| {
            let counts = held.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).counts;
            println!("{}\n    {counts:?}", plan.shown());
            (plan.clone(), counts)
        };
        self.clients.iter().map(counts).collect()
    }
}

fn condition(filter: &Filter) -> String {
    match serde_json::from_str(filter.json) {
        Ok(serde_json::Value::Null) => format!("where {} is null", filter.column),
        Ok(serde_json::Value::String(text)) => format!("where {} = '{}'", filter.column, text.replace('\'', "''")),
        _ => format!("where {} = {}", filter.column, filter.json),
    }
}
