//! Whether requests reach the database: what the last of them found, so that nobody need wait for a hanging database to
//! know that it hangs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Database;
use crate::error::{Error, Kind, Result};

/// The pruner asks for something this often, whoever else does.
const PACE: Duration = Duration::from_secs(5);

/// What is known of the way to the database.
#[derive(Debug)]
pub struct Reach {
    /// When the database last answered a request.
    pub answered: Option<Instant>,
    /// Why it is not reached.
    pub problem: Option<String>,
}

/// The outcomes of requests, as far as they tell whether the database is there.
#[derive(Default)]
pub(super) struct Reached {
    known: watch::Sender<Known>,
    /// A question of [`Database::ask`] is on its way.
    asking: AtomicBool,
}

#[derive(Clone, Default)]
struct Known {
    answered: Option<Instant>,
    failed: Option<(Instant, String)>,
}

impl Reached {
    pub fn note<T>(&self, outcome: &Result<T>) {
        match outcome {
            Err(error) if is_away(error) => {
                self.known.send_modify(|known| known.failed = Some((Instant::now(), error.to_string())));
            }
            _ => self.known.send_modify(|known| *known = Known { answered: Some(Instant::now()), failed: None }),
        }
    }
}

impl Database {
    /// What the last request found, without asking.
    pub fn reach(&self) -> Reach {
        self.judge(self.0.limits.request_timeout + PACE)
    }

    /// Asks the database something, once for everybody who asks at the same time, and waits for the answer for as long as
    /// `patience`. All connections may be at work for longer: then what counts is that it answered them lately.
    pub async fn ask(&self, patience: Duration) -> Reach {
        let begun = Instant::now();
        let reached = &self.0.reached;
        let mut known = reached.known.subscribe();
        if !reached.asking.swap(true, Ordering::SeqCst) {
            let database = self.clone();
            tokio::spawn(async move {
                _ = database.keep_house(|session| Ok(session.simple_query("select 1").map(drop)?)).await;
                database.0.reached.asking.store(false, Ordering::SeqCst);
            });
        }
        let newer = |known: &Known| {
            let failed = known.failed.as_ref().map(|(at, _)| *at);
            [known.answered, failed].into_iter().flatten().any(|at| at >= begun)
        };
        _ = tokio::time::timeout(patience, known.wait_for(newer)).await;
        self.judge(self.0.limits.request_timeout)
    }

    fn judge(&self, longest_silence: Duration) -> Reach {
        let Known { answered, failed } = self.0.reached.known.borrow().clone();
        let problem = match (failed, answered) {
            (Some((_, why)), _) => Some(why),
            (None, Some(answered)) if answered.elapsed() > longest_silence => {
                Some(format!("the database has not answered a request for {} s", answered.elapsed().as_secs()))
            }
            (None, _) => None,
        };
        Reach { answered, problem }
    }
}

/// Whether a failure says that the database is not there, rather than something of the request: no connection, or one that
/// it ended or refused (classes "connection exception" and "invalid authorization", operator intervention but for a
/// statement that was cancelled, and no room for another session).
fn is_away(error: &Error) -> bool {
    match error.code.as_deref() {
        None => error.kind == Kind::Unavailable,
        Some(code) => ["08", "28", "57P"].iter().any(|class| code.starts_with(class)) || code == "53300",
    }
}
