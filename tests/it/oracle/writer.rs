//! Writers: they run random transactions, bear what concurrency brings, and nothing else.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use postgres::{Client, Error, NoTls};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::transactions::{self, End, Step, Transaction};
use super::world::World;

/// Between transactions; a writer that never rests leaves the machine to nobody else.
const REST_MS: std::ops::Range<u64> = 0..10;

/// What a session may have set, which the images must not follow.
const SETTINGS: [&str; 4] = [
    "",
    "set timezone = 'Asia/Tokyo'",
    "set datestyle = 'German'",
    "set intervalstyle = 'iso_8601'; set extra_float_digits = 0; set timezone = 'America/Caracas'",
];

pub struct Writer {
    world: Arc<World>,
    number: usize,
    client: Option<Client>,
    prepared: usize,
    merge: bool,
}

/// Why a transaction was not committed.
enum Trouble {
    /// Of the kind that every writer must expect beside others.
    Expected,
    /// The connection is gone, and with it the knowledge of what became of the transaction.
    Lost,
    Wrong(String),
}

impl Writer {
    pub fn new(world: Arc<World>, number: usize) -> Writer {
        Writer { world, number, client: None, prepared: 0, merge: false }
    }

    /// Runs transactions whenever the gate is open, until the run is over.
    pub fn run(mut self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let world = self.world.clone();
        while let Some(inside) = world.gate.pass() {
            if self.client.is_none() {
                self.connect();
            }
            let transaction = transactions::any(&mut random, self.merge);
            if let Err(sentence) = self.play(&transaction) {
                world.fail(format!("writer {}: {sentence}\n{}", self.number, shown(&transaction)));
                return;
            }
            self.settle();
            drop(inside);
            std::thread::sleep(Duration::from_millis(random.random_range(REST_MS)));
        }
    }

    /// Runs one transaction; an error is one that no writer should get.
    pub fn play(&mut self, transaction: &Transaction) -> Result<(), String> {
        if self.client.is_none() {
            self.connect();
        }
        let outcome = self.transact(transaction);
        self.world.count_transaction(outcome.is_ok());
        match outcome {
            Ok(()) => Ok(()),
            Err(Trouble::Expected) => {
                if self.run_sql("rollback").is_err() {
                    self.client = None;
                }
                Ok(())
            }
            Err(Trouble::Lost) => {
                self.client = None;
                Ok(())
            }
            Err(Trouble::Wrong(sentence)) => Err(sentence),
        }
    }

    fn transact(&mut self, transaction: &Transaction) -> Result<(), Trouble> {
        self.run_sql(transaction.begin)?;
        if matches!(transaction.end, End::Prepare { .. }) && !self.begin_quietly(transaction.begin)? {
            return Err(Trouble::Expected);
        }
        for step in &transaction.steps {
            self.step(step)?;
        }
        match transaction.end {
            End::Commit => self.run_sql("commit"),
            End::Rollback => self.run_sql("rollback"),
            End::Prepare { commit, wait } => {
                self.prepared += 1;
                let name = format!("writer {} {}", self.number, self.prepared);
                self.run_sql(&format!("prepare transaction '{name}'"))?;
                std::thread::sleep(wait);
                self.run_sql(&format!("{} prepared '{name}'", if commit { "commit" } else { "rollback" }))
            }
        }
    }

    /// As the schema says that one does who will prepare: hold all beds, or ring, and try again. False where somebody sleeps
    /// each time.
    fn begin_quietly(&mut self, begin: &str) -> Result<bool, Trouble> {
        for _ in 0..20 {
            if self.ask("select rowcast.prepare_quietly()")? {
                return Ok(true);
            }
            self.run_sql("rollback")?;
            self.run_sql("notify rowcast")?;
            std::thread::sleep(Duration::from_millis(2));
            self.run_sql(begin)?;
        }
        Ok(false)
    }

    fn step(&mut self, step: &Step) -> Result<(), Trouble> {
        match step {
            Step::Run(sql) => self.run_sql(sql),
            Step::Require(sql) => self.ask(sql)?.then_some(()).ok_or(Trouble::Expected),
            Step::Pause(pause) => {
                std::thread::sleep(*pause);
                Ok(())
            }
            Step::Copy { into, rows } => {
                let columns = if *into == "heap" { "(a, b, c, d)" } else { "(id, v)" };
                let faulty = self.world.is_faulty;
                let client = self.client.as_mut().ok_or(Trouble::Lost)?;
                let copied = (|| {
                    let mut copy = client.copy_in(&format!("copy {into} {columns} from stdin"))?;
                    // What is wrong with the rows, or the connection, is told at the end.
                    _ = copy.write_all(rows.as_bytes());
                    copy.finish()
                })();
                copied.map(|_| ()).map_err(|error| judge(&error, faulty))
            }
        }
    }

    fn run_sql(&mut self, sql: &str) -> Result<(), Trouble> {
        let faulty = self.world.is_faulty;
        let client = self.client.as_mut().ok_or(Trouble::Lost)?;
        client.batch_execute(sql).map_err(|error| judge(&error, faulty))
    }

    fn ask(&mut self, sql: &str) -> Result<bool, Trouble> {
        let faulty = self.world.is_faulty;
        let client = self.client.as_mut().ok_or(Trouble::Lost)?;
        client.query_one(sql, &[]).map(|row| row.get(0)).map_err(|error| judge(&error, faulty))
    }

    /// Connects, however long that takes: while a fault is on there is nobody to connect to.
    fn connect(&mut self) {
        while !self.world.is_over() {
            if let Ok(mut client) = Client::connect(&self.world.database_url, NoTls) {
                let version = client.query_one("select current_setting('server_version_num')::int >= 150000", &[]);
                let settings = SETTINGS[self.number % SETTINGS.len()];
                if let (Ok(merge), Ok(())) = (version, client.batch_execute(settings)) {
                    self.merge = merge.get(0);
                    self.client = Some(client);
                    return;
                }
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Ends what was prepared before the connection was lost: at rest nothing is left that could still be committed.
    fn settle(&mut self) {
        while self.client.is_none() && !self.world.is_over() {
            self.connect();
            let mine = format!("writer {} %", self.number);
            let Some(client) = self.client.as_mut() else { return };
            let left = client.query("select gid from pg_prepared_xacts where gid like $1 and database = current_database()", &[&mine]);
            let settled = left.and_then(|left| {
                left.iter().try_for_each(|row| client.batch_execute(&format!("commit prepared '{}'", row.get::<_, String>(0))))
            });
            if settled.is_err() {
                self.client = None;
            }
        }
    }
}

/// What concurrency brings is expected. A lost connection is, while faults are made on purpose.
fn judge(error: &Error, faulty: bool) -> Trouble {
    const EXPECTED: [&str; 5] = ["40001", "40P01", "23505", "23503", "55P03"];
    let code = error.code().map(|code| code.code().to_owned());
    let lost = match &code {
        None => true,
        Some(code) => code.starts_with("08") || code.starts_with("57P0") || code == "53300",
    };
    match code {
        Some(code) if EXPECTED.contains(&code.as_str()) => Trouble::Expected,
        _ if lost && faulty => Trouble::Lost,
        _ => Trouble::Wrong(format!("a statement failed that should not: {error}: {:?}", error.as_db_error())),
    }
}

fn shown(transaction: &Transaction) -> String {
    let step = |step: &Step| match step {
        Step::Run(sql) | Step::Require(sql) => crate::support::rows::cut(sql),
        Step::Copy { into, .. } => format!("copy {into}"),
        Step::Pause(pause) => format!("pause {pause:?}"),
    };
    let steps: Vec<String> = transaction.steps.iter().map(step).collect();
    format!("{}; {}; {:?}", transaction.begin, steps.join("; "), transaction.end)
}
