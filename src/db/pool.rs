//! The pool: r2d2 over sessions that print rows in one way whatever the database's defaults are.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use postgres::{Client, Config, NoTls};
use r2d2::ManageConnection;
use r2d2_postgres::PostgresConnectionManager;

use crate::error::{Error, Result};

/// A pooled connection, and what it remembers of its database.
pub struct Session {
    client: Client,
    /// The database's own default of transaction isolation, which writes run at.
    pub default_isolation: String,
    /// The epoch's random id and the epoch, so that the cluster's control file is not read for every list.
    pub epoch: Option<(String, i64)>,
}

impl Deref for Session {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl DerefMut for Session {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// The text of rows must be the same in lists, filters and the log, whose trigger pins the same settings. One worker
/// a statement, so that a list comes in its order. READ COMMITTED, for a SERIALIZABLE read of ours would make writers fail.
const SETTINGS: &str = "set timezone = 'UTC'; set datestyle = 'ISO, MDY'; set intervalstyle = 'postgres'; \
    set bytea_output = 'hex'; set extra_float_digits = 1; set max_parallel_workers_per_gather = 0; \
    set search_path = pg_catalog, pg_temp; set default_transaction_isolation = 'read committed'";

pub struct Manager {
    inner: PostgresConnectionManager<NoTls>,
    statement_timeout: Duration,
}

impl ManageConnection for Manager {
    type Connection = Session;
    type Error = postgres::Error;

    fn connect(&self) -> std::result::Result<Session, postgres::Error> {
        let mut client = self.inner.connect()?;
        let default_isolation = client.query_one("show default_transaction_isolation", &[])?.get(0);
        let milliseconds = self.statement_timeout.as_millis();
        client.batch_execute(&format!(
            "{SETTINGS}; set statement_timeout = {milliseconds}; set idle_in_transaction_session_timeout = {milliseconds}"
        ))?;
        Ok(Session { client, default_isolation, epoch: None })
    }

    fn is_valid(&self, session: &mut Session) -> std::result::Result<(), postgres::Error> {
        session.client.is_valid(Duration::from_secs(1))
    }

    fn has_broken(&self, session: &mut Session) -> bool {
        session.client.is_closed()
    }
}

/// One connection outside the pool, whose notices go to the log: for a command that runs and ends.
pub fn connect_once(config: &tokio_postgres::Config) -> std::result::Result<Client, postgres::Error> {
    let mut config = Config::from(config.clone());
    config.notice_callback(|notice| tracing::info!("{}", notice.message()));
    config.connect(NoTls)
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
pub fn connect(config: Config, connections: u32, statement_timeout: Duration) -> Result<Pool> {
    let manager = Manager { inner: PostgresConnectionManager::new(config, NoTls), statement_timeout };
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
    /// A session that answers. Those that died in the pool, as after a restart of the database, are thrown away.
    pub fn get(&self) -> Result<r2d2::PooledConnection<Manager>> {
        let Some(pool) = &self.0 else { return Err(Error::internal("the pool of connections has ended")) };
        let away = |error: r2d2::Error| Error::unavailable(format!("the database cannot be reached: {error}"), Duration::from_secs(2));
        for _ in 0..pool.max_size() {
            let mut session = pool.get().map_err(away)?;
            if session.client.is_valid(Duration::from_secs(1)).is_ok() {
                return Ok(session);
            }
        }
        pool.get().map_err(away)
    }
}

/// r2d2 tries to connect again by itself; each failure is told once, here.
#[derive(Debug)]
struct LogFailure;

impl r2d2::HandleError<postgres::Error> for LogFailure {
    fn handle_error(&self, error: postgres::Error) {
        tracing::warn!(%error, "the pool could not connect to the database");
    }
}
