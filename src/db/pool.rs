//! The pool: r2d2 over sessions.

use std::time::Duration;

use postgres::Client;
use r2d2::ManageConnection;

use super::Session;
use super::connect::connect_blocking;
use crate::config::Address;
use crate::error::{Error, Result};

pub struct Manager {
    address: Address,
    statement_timeout: Duration,
}

impl ManageConnection for Manager {
    type Connection = Session;
    type Error = Error;

    fn connect(&self) -> Result<Session> {
        Session::new(connect_blocking(&self.address, false)?, self.statement_timeout)
    }

    fn is_valid(&self, session: &mut Session) -> Result<()> {
        Ok(Client::is_valid(session, Duration::from_secs(1))?)
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.is_closed()
    }
}

/// One connection outside the pool, whose notices go to the log: for a command that runs and ends.
pub fn connect_once(address: &Address) -> Result<Client> {
    connect_blocking(address, true)
}

/// Its clients must not be dropped on an asynchronous thread, and the last handle may be anybody's: so the pool ends on a
/// thread of its own.
pub struct Pool(Option<r2d2::Pool<Manager>>);

impl Drop for Pool {
    fn drop(&mut self) {
        let pool = self.0.take();
        std::thread::spawn(move || drop(pool));
    }
}

/// Connects once directly for the reason of a failure, which r2d2 would hide behind a time-out, then makes the pool.
pub fn connect(address: Address, connections: u32, statement_timeout: Duration) -> Result<Pool> {
    let manager = Manager { address, statement_timeout };
    drop(manager.connect()?);
    let pool = r2d2::Pool::builder()
        .max_size(connections)
        .min_idle(Some(1))
        // A stopped backend would hold the check for long: a session that turns out to be dead is replaced by whoever
        // finds it so (see `Pool::get`).
        .test_on_check_out(false)
        .connection_timeout(Duration::from_secs(5))
        .error_handler(Box::new(LogFailure))
        .build(manager)
        .map_err(|error| Error::internal(format!("the pool of connections could not be made: {error}")))?;
    Ok(Pool(Some(pool)))
}

impl Pool {
    /// How many connections are open, lent or not.
    pub fn open(&self) -> u32 {
        self.0.as_ref().map_or(0, |pool| pool.state().connections)
    }

    /// A session that answers. Those that died in the pool, as after a restart of the database, are thrown away.
    pub fn get(&self) -> Result<r2d2::PooledConnection<Manager>> {
        let Some(pool) = &self.0 else { return Err(Error::internal("the pool of connections has ended")) };
        let away = |error: r2d2::Error| Error::unavailable(format!("the database cannot be reached: {error}"), Duration::from_secs(2));
        for _ in 0..pool.max_size() {
            let mut session = pool.get().map_err(away)?;
            if Client::is_valid(&mut session, Duration::from_secs(1)).is_ok() {
                return Ok(session);
            }
        }
        pool.get().map_err(away)
    }
}

/// r2d2 tries to connect again by itself; each failure is told once, here.
#[derive(Debug)]
struct LogFailure;

impl r2d2::HandleError<Error> for LogFailure {
    fn handle_error(&self, error: Error) {
        tracing::warn!(%error, "the pool could not connect to the database");
    }
}
