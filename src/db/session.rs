//! A session of the pool, and the transactions in which its work is done.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use postgres::{Client, SimpleQueryMessage};

use crate::error::Result;

/// The text of rows must be the same in lists, filters and the log, whose trigger pins the same settings. One worker
/// a statement, so that a list comes in its order.
///
/// They are set in each transaction and end with it: behind a pooler in transaction mode, such as pgbouncer, a transaction
/// is all that a session can count on, and what it left behind would meet another application.
const SETTINGS: &str = "set local timezone = 'UTC'; set local datestyle = 'ISO, MDY'; set local intervalstyle = 'postgres'; \
    set local bytea_output = 'hex'; set local extra_float_digits = 1; set local lc_monetary = 'C'; set local max_parallel_workers_per_gather = 0; \
    set local search_path = pg_catalog, pg_temp";

/// A pooled connection, and what it remembers of its database. For the same reason as the settings, its statements have
/// no names: use `query_typed` and its like, not `query`, which prepares one.
pub struct Session {
    client: Client,
    settings: String,
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

impl Session {
    /// A session of a fresh connection, whose statements end after `statement_timeout`.
    pub fn new(mut client: Client, statement_timeout: Duration) -> Result<Session> {
        let default_isolation = client.simple_query("show default_transaction_isolation")?;
        let default_isolation = default_isolation.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        let milliseconds = statement_timeout.as_millis();
        let settings = format!(
            "{SETTINGS}; set local statement_timeout = {milliseconds}; set local idle_in_transaction_session_timeout = {milliseconds}"
        );
        Ok(Session { client, settings, default_isolation: default_isolation.unwrap_or_else(|| "read committed".to_owned()), epoch: None })
    }
}

/// A transaction that is rolled back unless it was ended: a session must not go back to the pool with its snapshot.
pub struct Transaction<'a> {
    pub session: &'a mut Session,
    open: bool,
}

impl Transaction<'_> {
    /// Begins a transaction of these characteristics, sets our settings in it, and runs `first`, all in one go; returns
    /// what that brought.
    pub fn begin<'a>(
        session: &'a mut Session,
        characteristics: &str,
        first: &str,
    ) -> std::result::Result<(Transaction<'a>, Vec<SimpleQueryMessage>), postgres::Error> {
        let transaction = Transaction { session, open: true };
        let messages =
            transaction.session.client.simple_query(&format!("begin {characteristics}; {}; {first}", transaction.session.settings))?;
        Ok((transaction, messages))
    }

    /// Ends it, by `commit` or in another way.
    pub fn end(mut self, how: &str) -> Result<()> {
        self.session.batch_execute(how)?;
        self.open = false;
        Ok(())
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // Where this fails the session is dead, and the pool finds it so.
            _ = self.session.batch_execute("rollback");
        }
    }
}

/// Does `work` in a short transaction that only reads. READ COMMITTED, for a SERIALIZABLE read of ours would make writers
/// fail.
pub fn reading<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    within(session, "isolation level read committed, read only", work)
}

/// Does `work` in a short transaction of its own.
pub fn working<T>(session: &mut Session, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    within(session, "isolation level read committed", work)
}

fn within<T>(session: &mut Session, characteristics: &str, work: impl FnOnce(&mut Session) -> Result<T>) -> Result<T> {
    let (transaction, _) = Transaction::begin(session, characteristics, "")?;
    let outcome = work(transaction.session)?;
    transaction.end("commit")?;
    Ok(outcome)
}
