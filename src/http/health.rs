//! `/healthz`, `/readyz` and `/metrics`: alive, able to serve, and how much is going on.

use std::time::{Duration, Instant};

use hyper::header::{CACHE_CONTROL, HeaderValue};
use serde_json::{Value, json};

use super::{App, Response, full};
use crate::db::{Reach, install};
use crate::error::Result;

/// How long `/readyz` waits to be told the state of this moment. Then it tells what was known before.
const PATIENCE: Duration = Duration::from_secs(2);

/// The process answers.
pub fn healthz() -> Response {
    uncached(full(200, "application/json", r#"{"status":"ok"}"#))
}

/// Whether tables can be read and followed: the database answers requests, the tailer reads the log, whose schema is one that
/// it can read, and every exposed table is there and watched. Asked of both at this moment, but never for longer than
/// [`PATIENCE`], whatever hangs. `cursor` is what the tailer has seen, so that `rowcast status` can tell how far behind it is.
pub async fn readyz(app: &App) -> Response {
    let read = async {
        // While the tailer is away, that is known, and why.
        app.vitals.state().lost.is_none() && app.hub.read_anew(PATIENCE).await.is_ok()
    };
    let (is_fresh, reach) = tokio::join!(read, app.database.ask(PATIENCE));
    let health = Health::look(app, reach, is_fresh);
    uncached(full(if health.is_ready() { 200 } else { 503 }, "application/json", health.json(app).to_string()))
}

/// Prometheus' text form.
pub fn metrics(app: &App) -> Result<Response> {
    Ok(uncached(full(200, "text/plain; version=0.0.4; charset=utf-8", app.metrics.text()?)))
}

/// What keeps the server from serving, by where that is: a sentence each.
pub struct Health {
    /// The way of requests to the database.
    pub database: Option<String>,
    pub answered: Option<Instant>,
    /// The way of changes to the server.
    pub tailer: Option<String>,
    pub last_read: Option<Instant>,
    /// The version of the database's schema; None while the tailer has no session.
    pub schema: Option<i32>,
    /// Exposed tables that are not served.
    pub tables: Vec<String>,
}

impl Health {
    /// What is known without asking.
    pub fn known(app: &App) -> Health {
        Health::look(app, app.database.reach(), true)
    }

    /// `is_fresh`: the tailer has read the log since it was asked to, where it was.
    fn look(app: &App, reach: Reach, is_fresh: bool) -> Health {
        let tail = app.vitals.state();
        let ago = |since: Option<Instant>| since.map_or("never".to_owned(), |since| format!("{} s ago", since.elapsed().as_secs()));
        let tailer = match tail.lost {
            Some((since, why)) => {
                Some(format!("the tailer lost the database {} s ago and is trying to get it back: {why}", since.elapsed().as_secs()))
            }
            None if !is_fresh => Some(format!(
                "the tailer did not read the log within {} s, the last time was {}: the database or the network to it hangs, or has too much to do",
                PATIENCE.as_secs(),
                ago(tail.last_read)
            )),
            // Asleep it reads by the slow timer; beyond that and the time-out of its queries something is wrong.
            None if tail.last_read.is_some_and(|last| last.elapsed() > app.config.tail.slow_timer + LONGEST_READ) => {
                Some(format!("the tailer last read the log {}: the database or the network to it hangs", ago(tail.last_read)))
            }
            None => None,
        };
        Health {
            database: reach.problem,
            answered: reach.answered,
            tailer,
            last_read: tail.last_read,
            schema: tail.schema,
            tables: app.catalog.borrow().missing.clone(),
        }
    }

    pub fn is_ready(&self) -> bool {
        self.problems().next().is_none()
    }

    pub fn problems(&self) -> impl Iterator<Item = &String> {
        self.tables.iter().chain(&self.tailer).chain(&self.database)
    }

    fn json(&self, app: &App) -> Value {
        let age = |since: Option<Instant>| since.map(|since| since.elapsed().as_secs_f64());
        json!({
            "status": if self.is_ready() { "ready" } else { "not ready" },
            "problems": self.problems().collect::<Vec<_>>(),
            "checks": {
                "database": { "ok": self.database.is_none(), "problem": self.database, "answered_seconds_ago": age(self.answered) },
                "tailer": { "ok": self.tailer.is_none(), "problem": self.tailer, "read_seconds_ago": age(self.last_read) },
                "schema": { "ok": self.schema.is_some(), "version": self.schema, "needed": install::version() },
                "tables": { "ok": self.tables.is_empty(), "problems": self.tables },
            },
            "cursor": app.hub.tip().to_string(),
        })
    }
}

/// A read of the log that takes longer than this counts as hanging.
const LONGEST_READ: Duration = Duration::from_secs(10);

fn uncached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
