//! What a session makes sure of before it serves: that notifications reach it, that its role is a fit one, and that its
//! epoch has begun.

use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Client;

use super::{Bell, QUERY_TIMEOUT, bounded, ring};
use crate::config::Address;
use crate::db::connect::connect;
use crate::db::{install, log};
use crate::error::{Error, Result};

/// How long a notification may take to the tailer's session when it starts.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(5);

/// The epoch of a session, which cannot outlive it.
pub struct Epoch {
    pub number: i64,
    /// Its random id.
    pub id: String,
    /// The epochs of earlier runs of PostgreSQL that this one goes on with.
    pub past: Vec<i64>,
    /// The version of the schema that it was found in.
    pub schema: i32,
}

/// Makes sure that a notification reaches this session while it rests. Behind a pooler in transaction mode none does, and
/// the beds would stay with whichever session of the server was at hand. It takes a second connection: what a session
/// notifies itself of comes with the answer to NOTIFY, pooler or not.
pub async fn prove_delivery(address: &Address, client: &Client, bell: &Bell) -> Result<()> {
    bounded(client.batch_execute("listen rowcast")).await?;
    let (other, messages) = connect(address, QUERY_TIMEOUT).await?;
    let driver = tokio::spawn(ring(messages, Arc::default()));
    let sent = bounded(other.batch_execute("notify rowcast")).await;
    driver.abort();
    sent?;
    if tokio::time::timeout(DELIVERY_TIMEOUT, bell.rings()).await.is_ok() {
        return Ok(());
    }
    _ = bounded(client.batch_execute("unlisten rowcast")).await;
    Err(Error::bad_request(format!(
        "the tailer does not get the notifications that it listens for at the {address}, as behind a pooler in transaction mode \
         (pgbouncer): give it an address that leads straight to PostgreSQL, as tail_database_url"
    )))
}

/// A superuser passes every check of rights and row security, so a server that was given one by mistake says so.
pub async fn refuse_superuser(client: &Client, allowed: bool) -> Result<()> {
    let row = bounded(client.query_one("select current_user::text, rolsuper from pg_roles where rolname = current_user", &[])).await?;
    let (role, superuser): (String, bool) = (row.get(0), row.get(1));
    if superuser && !allowed {
        return Err(Error::forbidden(format!(
            "the role {role} is a superuser of the database: give the server a role of its own, or set allow_superuser = true if that is meant"
        )));
    }
    Ok(())
}

/// The present epoch; begins a new one where the old one is over.
pub async fn settle_epoch(client: &Client) -> Result<Epoch> {
    let schema = match bounded(client.query_opt(install::VERSION, &[])).await?.map(|row| row.get::<_, i32>(0)) {
        None => return Err(Error::internal("the database has no schema rowcast: run rowcast install (or ./reinitdb.sh in a checkout)")),
        // A newer one is fine: the schema is upgraded first, and then the servers, one by one.
        Some(older) if older < install::version() => {
            return Err(Error::internal(format!(
                "the schema rowcast is of version {older}, and this server needs version {}: run rowcast install, which keeps the log",
                install::version()
            )));
        }
        Some(schema) => schema,
    };
    for _ in 0..2 {
        if let Some(row) = bounded(client.query_opt(log::EPOCH, &[])).await? {
            return Ok(Epoch { number: row.get("epoch"), id: row.get("epoch_id"), past: row.get("past"), schema });
        }
        bounded(client.execute(log::BEGIN_EPOCH, &[])).await?;
    }
    Err(Error::internal("a new epoch could not be begun: rowcast.begin_epoch() left none behind"))
}
