//! The only place that knows r2d2 and postgres' synchronous client.
//!
//! All database work of requests goes through [`Database::run`]: plain synchronous code on a thread of its own, with a
//! pooled connection. A client of the `postgres` crate must not be used or dropped on an async thread, so neither
//! it nor the pool ever leaves this room.

pub mod catalog;
pub mod check;
pub mod connect;
mod counts;
mod explain;
pub mod filters;
pub mod install;
pub mod log;
mod patience;
mod pool;
mod reach;
pub mod rows;
mod session;
pub mod status;
mod tls;
pub mod uninstall;
pub mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::config::{Address, Limits};
use crate::error::{Error, Result};

pub use counts::Counts;
pub use reach::Reach;
pub use session::{Session, Transaction};

/// When an overloaded server asks to be tried again.
const OVERLOADED: Duration = Duration::from_secs(1);

/// The database as requests use it: a cheap handle to share.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    pool: pool::Pool,
    /// One permit a connection: requests wait here, in kilobytes, rather than in threads.
    turns: Semaphore,
    waiting: AtomicUsize,
    limits: Limits,
    counts: Counts,
    reached: reach::Reached,
}

impl Database {
    /// Connects once directly, so that a wrong address or role fails at once with its reason, then makes the pool.
    /// Blocks: to be called on a blocking thread.
    pub fn connect(address: &Address, limits: Limits) -> Result<Database> {
        // The database gives up before the request does, so that the request can tell why.
        let statement_timeout = limits.request_timeout.mul_f64(0.75);
        let pool = pool::connect(address.clone(), limits.pool_connections, statement_timeout)?;
        Ok(Database(Arc::new(Inner {
            pool,
            turns: Semaphore::new(limits.pool_connections as usize),
            waiting: AtomicUsize::new(0),
            limits,
            counts: Counts::default(),
            reached: reach::Reached::default(),
        })))
    }

    /// Runs a request's `work` on a thread of its own with a pooled connection. Waits for its turn, but not beyond the
    /// request's time-out, and not at all where too many wait already: then it is 503.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T> + Send + 'static,
    {
        let begun = tokio::time::Instant::now();
        let deadline = begun + self.0.limits.request_timeout;
        let turn = {
            let _waiting = self.enter_queue()?;
            tokio::time::timeout_at(deadline, self.clone().turn())
                .await
                .map_err(|_| Error::unavailable("the server is busy: no connection to the database became free in time", OVERLOADED))?
        };
        self.0.counts.turn.observe(begun.elapsed().as_secs_f64());
        self.work(turn, deadline, work).await
    }

    /// The same for what the server does of its own accord, one piece at a time. It takes its turn like any request, but no
    /// place of theirs, and waits for as long as it takes: given up where many requests wait, the log of a busy server would
    /// never be pruned.
    pub async fn keep_house<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T> + Send + 'static,
    {
        let turn = self.clone().turn().await;
        self.work(turn, tokio::time::Instant::now() + self.0.limits.request_timeout, work).await
    }

    /// A turn belongs to the work, not to this future: a client that leaves does not free a busy connection.
    async fn work<T, F>(&self, turn: Turn, deadline: tokio::time::Instant, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Session) -> Result<T> + Send + 'static,
    {
        let database = self.clone();
        let worker = tokio::task::spawn_blocking(move || {
            let begun = Instant::now();
            let outcome = database.0.pool.get().and_then(|mut session| work(&mut session));
            database.0.counts.work.observe(begun.elapsed().as_secs_f64());
            database.0.reached.note(&outcome);
            drop(turn);
            outcome
        });
        match tokio::time::timeout_at(deadline, worker).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(panic)) => Err(Error::internal(format!("a request's thread ended early: {panic}"))),
            Err(_) => {
                let late = Err(Error::unavailable("the database did not answer in time", OVERLOADED));
                self.0.reached.note(&late);
                late
            }
        }
    }

    async fn turn(self) -> Turn {
        match self.0.turns.acquire().await {
            Ok(permit) => permit.forget(),
            Err(_) => unreachable!("the semaphore is never closed"),
        }
        Turn(self)
    }

    fn enter_queue(&self) -> Result<Waiting<'_>> {
        let waiting = Waiting(&self.0.waiting);
        if self.0.waiting.fetch_add(1, Ordering::Relaxed) >= self.0.limits.waiting_requests {
            return Err(Error::unavailable("the server is busy: too many requests wait for the database already", OVERLOADED));
        }
        Ok(waiting)
    }

    pub fn counts(&self) -> &Counts {
        &self.0.counts
    }

    /// How many connections to the database are open.
    pub fn open(&self) -> u32 {
        self.0.pool.open()
    }

    /// How many requests wait for their turn.
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// How many connections are lent to requests right now.
    pub fn busy(&self) -> usize {
        (self.0.limits.pool_connections as usize).saturating_sub(self.0.turns.available_permits())
    }
}

/// A turn at the pool, given back when dropped.
struct Turn(Database);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.0.turns.add_permits(1);
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
