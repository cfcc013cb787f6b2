//! Following tables: subscriptions by name, and a poll's answer from the hub, or, for cursors that the ring no longer
//! reaches back to, from the log. The HTTP side and `rowcast listen` share it.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::batch::BatchLimits;
use crate::catalog::{Catalog, Table};
use crate::cursor::Cursor;
use crate::db::filters::Printed;
use crate::db::{Database, log};
use crate::error::{Error, Result};
use crate::filter::Wanted;
use crate::hub::{Answer, Hub, Outcome, Poll, Subscription, cursors};

/// The SQLSTATE of a statement that took longer than it may.
const QUERY_CANCELED: &str = "57014";

/// What it takes to follow the exposed tables.
pub struct Follow {
    pub database: Database,
    pub hub: Arc<Hub>,
    pub catalog: watch::Receiver<Arc<Catalog>>,
    pub printed: Printed,
    /// What of the log is read at once; more is a reset.
    pub limits: BatchLimits,
}

impl Follow {
    /// An exposed table. A table that is not exposed is as unknown as one that does not exist.
    pub fn table(&self, name: &str) -> Result<Arc<Table>> {
        let table = self.catalog.borrow().table(name).cloned();
        table.ok_or_else(|| {
            Error::not_found(format!(
                "there is no table \"{name}\" here: tables are seen if the configuration exposes them and they are watched"
            ))
        })
    }

    /// A subscription by the names and values that somebody gave: an exposed table, and columns that it has.
    pub async fn subscription(&self, id: &str, table: &str, filter: Wanted) -> Result<Subscription> {
        let table = self.table(table)?;
        if !table.is_followed() {
            return Err(Error::bad_request(format!(
                "{} is a view: it can be listed, and its changes are those of the tables that it reads",
                table.exposed_name
            )));
        }
        let filter = self.printed.filter(&self.database, &table, filter).await?;
        Ok(Subscription { id: id.into(), relation: table.relation, filter })
    }

    /// One poll's answer, by the deadline.
    pub async fn answer(&self, poll: &Poll, deadline: Instant) -> Result<Arc<Answer>> {
        match self.hub.wait(poll, deadline).await? {
            Outcome::Answered(answer) => Ok(answer),
            // Rare, and large: a poll that parks does not keep room for it.
            Outcome::Behind { to, places } => Box::pin(self.catch_up(poll, to, places)).await,
        }
    }

    /// The answer to a poll of whose subscriptions those at `places` are behind the ring, up to the cursor `to`.
    async fn catch_up(&self, poll: &Poll, to: Arc<Cursor>, places: Vec<usize>) -> Result<Arc<Answer>> {
        let behind = || cursors(poll).filter(|(place, _)| places.contains(place)).map(|(_, cursor)| &cursor.snapshot);
        let snapshot = behind().skip(1).fold(behind().next().cloned().unwrap_or_else(|| to.snapshot.clone()), |met, next| met.meet(next));
        let from = Arc::new(Cursor { epoch: to.epoch, snapshot });
        let catalog = self.catalog.borrow().clone();
        let limits = self.limits;
        let end = to.clone();
        let (begin, read_to) = (from.clone(), end.clone());
        let read = match self.database.run(move |session| log::catch_up(session, begin, read_to, &catalog, limits)).await {
            // More than can be read in time: reading anew is quicker, and trying again would end the same way.
            Err(error) if error.code.as_deref() == Some(QUERY_CANCELED) => log::CaughtUp::nothing(from, end),
            read => read?,
        };
        let lost = |cursor: &Cursor| read.horizon.as_ref().is_none_or(|horizon| !cursor.snapshot.includes(horizon));
        let lost: Vec<usize> =
            cursors(poll).filter(|(place, cursor)| places.contains(place) && lost(cursor)).map(|(place, _)| place).collect();
        Ok(Arc::new(self.hub.answer_behind(poll, &to, &read.batch, &places, &lost)))
    }
}
