//! The server's own session and protocol, one step at a time, on a real PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use rowcast::batch::BatchLimits;
use rowcast::catalog::Catalog;
use rowcast::config::database_config;
use rowcast::cursor::Cursor;
use rowcast::tail::bell::{At, Bed, IDLE_READS, Step};
use rowcast::tail::session::Session;
use tokio::runtime::Runtime;

use crate::support::Database;

/// How long a bell may be under way.
const BELL: Duration = Duration::from_secs(5);

/// No statement of these tests has anybody to wait for who would go on, so one that waits at all fails by this.
const NO_WAITING: &str = "lock_timeout=500ms";

/// A tailer that moves only when it is told to.
pub struct Tailer {
    runtime: Runtime,
    session: Session,
    cursor: Arc<Cursor>,
    step: Step,
    /// Rows read since [`Tailer::begin`].
    pub rows: usize,
}

impl Tailer {
    pub fn new(database: &Database) -> Tailer {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let address = database_config(Some(&format!("{}?options=-c%20{NO_WAITING}", database.url()))).unwrap();
        let (session, cursor) = runtime.block_on(async {
            let session = Session::connect(&address, false, false).await.unwrap();
            let cursor = Arc::new(session.tip().await.unwrap());
            (session, cursor)
        });
        Tailer { runtime, session, cursor, step: Step::START, rows: 0 }
    }

    /// Begins anew, out of bed, one idle read before it tries the beds; what is under way has arrived and is forgotten.
    pub fn begin(&mut self) {
        if let Some(bed) = self.step.bed() {
            self.runtime.block_on(self.session.leave_bed(bed)).unwrap();
        }
        // Bells of transactions that have ended come with the answer to a statement.
        self.cursor = Arc::new(self.runtime.block_on(self.session.tip()).unwrap());
        self.step = Step::Discard(At::Awake { idle: IDLE_READS - 1 });
        self.rows = 0;
    }

    /// Takes one step, or stays asleep where no bell has arrived. Steps that only pass time are no steps.
    pub fn step(&mut self) {
        let session = &self.session;
        let step = match self.step {
            Step::Discard(at) => {
                session.discard_bells();
                Step::after_discard(at)
            }
            Step::Read(at) => {
                let limits = BatchLimits { rows: 1_000, bytes: 1 << 20 };
                let read = self.runtime.block_on(session.read(self.cursor.clone(), &Catalog::default(), limits)).unwrap();
                self.cursor = read.batch.to.clone();
                self.rows += read.rows;
                Step::after_read(at, read.rows > 0)
            }
            Step::TakeBed => Step::after_trying(self.runtime.block_on(session.take_bed()).unwrap()),
            Step::Sleep(bed) if self.bell(Duration::ZERO) => Step::after_bell(bed),
            Step::LeaveBed(bed) => {
                self.runtime.block_on(session.leave_bed(bed)).unwrap();
                Step::after_leaving()
            }
            asleep => asleep,
        };
        self.step = match step {
            Step::Pause { idle } => Step::after_pause(idle),
            Step::Stand => Step::after_standing(),
            step => step,
        };
    }

    /// Reads, with the discard before it, if that is next; else takes one step.
    pub fn stride(&mut self) {
        self.step();
        if matches!(self.step, Step::Read(_)) {
            self.step();
        }
    }

    /// Goes on until it has read so many rows and sleeps, or stands before beds that others have. What is unread when it
    /// falls asleep must be told by a bell.
    pub fn settle(&mut self, rows: usize) -> Result<(), String> {
        for _ in 0..10 * IDLE_READS {
            let done = self.rows == rows;
            match self.step {
                Step::Sleep(_) if done => return Ok(()),
                Step::Sleep(_) if !self.bell(BELL) => return Err(format!("asleep, with {} of {rows} rows read", self.rows)),
                Step::TakeBed => {
                    self.step();
                    if done && self.bed().is_none() {
                        return Ok(());
                    }
                }
                _ => self.step(),
            }
        }
        Err(format!("no rest: {:?}, with {} of {rows} rows read", self.step, self.rows))
    }

    pub fn bed(&self) -> Option<Bed> {
        self.step.bed()
    }

    fn bell(&self, patience: Duration) -> bool {
        self.runtime.block_on(async { tokio::time::timeout(patience, self.session.bell()).await.is_ok() })
    }
}

/// A writer's session, on which no statement waits for a lock.
pub fn writer(database: &Database) -> postgres::Client {
    let mut client = database.client();
    client.batch_execute(&format!("set {}", NO_WAITING.replace('=', " = '").replace("ms", "ms'"))).unwrap();
    client
}
