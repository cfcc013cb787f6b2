//! A poll's answer: from the hub, or, for cursors that the ring no longer reaches back to, from the log.

use std::sync::Arc;

use tokio::time::Instant;

use super::App;
use crate::batch::BatchLimits;
use crate::cursor::Cursor;
use crate::db::log;
use crate::error::{Error, Result};
use crate::filter::Wanted;
use crate::hub::{Answer, Outcome, Poll, Subscription, cursors};

/// The SQLSTATE of a statement that took longer than it may.
const QUERY_CANCELED: &str = "57014";

/// One poll's answer, by the deadline.
pub async fn by(app: &App, poll: &Poll, deadline: Instant) -> Result<Arc<Answer>> {
    let (to, places) = match app.hub.wait(poll.clone(), deadline).await? {
        Outcome::Answered(answer) => return Ok(answer),
        Outcome::Behind { to, places } => (to, places),
    };
    let behind = || cursors(poll).filter(|(place, _)| places.contains(place)).map(|(_, cursor)| &cursor.snapshot);
    let snapshot = behind().skip(1).fold(behind().next().cloned().unwrap_or_else(|| to.snapshot.clone()), |met, next| met.meet(next));
    let from = Arc::new(Cursor { epoch: to.epoch, snapshot });
    let catalog = app.catalog.borrow().clone();
    let limits = BatchLimits { rows: app.config.tail.batch_rows, bytes: app.config.tail.batch_bytes };
    let end = to.clone();
    let (begin, read_to) = (from.clone(), end.clone());
    let read = match app.database.run(move |session| log::catch_up(session, begin, read_to, &catalog, limits)).await {
        // More than can be read in time: reading anew is quicker, and trying again would end the same way.
        Err(error) if error.code.as_deref() == Some(QUERY_CANCELED) => log::CaughtUp::nothing(from, end),
        read => read?,
    };
    let lost = |cursor: &Cursor| read.horizon.as_ref().is_none_or(|horizon| !cursor.snapshot.includes(horizon));
    let lost: Vec<usize> = cursors(poll).filter(|(place, cursor)| places.contains(place) && lost(cursor)).map(|(place, _)| place).collect();
    Ok(Arc::new(app.hub.answer_behind(poll, &to, &read.batch, &places, &lost)))
}

/// A subscription by the names and values that a request gave: an exposed table, and columns that it has.
pub async fn subscription(app: &App, id: &str, table: &str, filter: Wanted) -> Result<Subscription> {
    let table = app.table(table)?;
    if !table.is_followed() {
        return Err(Error::bad_request(format!(
            "{} is a view: it can be listed, and its changes are those of the tables that it reads",
            table.exposed_name
        )));
    }
    let filter = app.printed.filter(&app.database, &table, filter).await?;
    Ok(Subscription { id: id.into(), relation: table.relation, filter })
}
