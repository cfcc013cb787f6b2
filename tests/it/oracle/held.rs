//! What a client has, for itself and for whoever compares it with the database.

use std::collections::VecDeque;
use std::sync::Arc;

use super::clients::Plan;
use super::tables::{Table, table};
use crate::support::rows::{Filter, Row, Rows, shown};

/// A subscription, with the rows that it has led to.
#[derive(Clone)]
pub struct Subscribed {
    pub table: &'static Table,
    pub filter: Option<Filter>,
    pub rows: Rows,
    /// Empty where the table must be listed.
    pub cursor: String,
}

/// What a client has been through.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    pub lists: usize,
    pub answers: usize,
    pub changes: usize,
    pub resets: usize,
    pub returns: usize,
    /// Told to come back later.
    pub later: usize,
    pub gone: usize,
}

/// What others see of a client.
pub struct Held {
    pub subscribed: Vec<Subscribed>,
    pub counts: Counts,
    /// What happened last, the newest at the end.
    events: VecDeque<String>,
}

/// How many events are shown.
const SHOWN: usize = 12;

impl Held {
    pub fn new(plan: &Plan) -> Held {
        let subscribed = plan.subscriptions.iter().map(|(name, filter)| {
            let table = table(name);
            Subscribed { table, filter: filter.clone(), rows: Rows::new(filter.clone(), !table.is_truncated), cursor: String::new() }
        });
        Held { subscribed: subscribed.collect(), counts: Counts::default(), events: VecDeque::new() }
    }

    pub fn note(&mut self, event: String) {
        self.events.push_back(event);
        if self.events.len() > SHOWN {
            self.events.pop_front();
        }
    }

    /// Cursors and the last events, for a report.
    pub fn shown(&self) -> String {
        let one = |one: &Subscribed| format!("    {} at \"{}\", {} rows\n", one.table.name, one.cursor, one.rows.all().len());
        let subscribed: String = self.subscribed.iter().map(one).collect();
        let events: Vec<&str> = self.events.iter().map(String::as_str).collect();
        format!("{subscribed}  {:?}\n  the last events:\n    {}", self.counts, events.join("\n    "))
    }
}

/// The first rows that are here and not there, and the other way round.
pub fn difference(here: &[Arc<Row>], there: &[Arc<Row>]) -> String {
    let only = |one: &[Arc<Row>], other: &[Arc<Row>]| {
        let rows: Vec<String> = one.iter().filter(|row| !other.contains(row)).take(3).map(|row| shown(row)).collect();
        rows.join("\n      ")
    };
    format!(
        "{} rows, a SELECT finds {}\n    only here:\n      {}\n    only there:\n      {}",
        here.len(),
        there.len(),
        only(here, there),
        only(there, here)
    )
}
