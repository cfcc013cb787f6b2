//! The hub: where subscriptions wait, and where a batch wakes exactly those that it concerns.
//!
//! The tailer feeds it by [`Hub::publish`] and its few neighbours; polls wait in [`Hub::wait`]. It knows nothing of SQL
//! and nothing of HTTP. Its state is behind one mutex, never held across an await: lock, change, drop, wake.

mod answer;
mod browsers;
mod counts;
mod freshness;
mod letter;
mod parked;
mod ring;
mod subscription;
mod wait;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::change::{Batch, Relation};
use crate::cursor::Cursor;
use crate::error::{Error, Result};

pub use answer::{Answer, SubscriptionAnswer, Told};
pub use browsers::{BrowserId, Seat};
pub use counts::Counts;
pub use freshness::Ticket;
pub use letter::Line;
pub use subscription::Subscription;
pub use wait::{Outcome, Poll, Since, cursors};

use browsers::Browsers;
use freshness::Freshness;
use parked::{Answered, Parked};
use ring::Ring;

/// Bounds on what the hub keeps.
#[derive(Clone, Copy, Debug)]
pub struct HubLimits {
    /// Memory of the ring, in bytes.
    pub ring_bytes: usize,
    /// What one poll is told of changes at once, in bytes; subscriptions beyond that get a reset.
    pub answer_bytes: usize,
    /// Polls open at once; the next is refused.
    pub polls: usize,
}

/// Shared by the tailer and all requests.
pub struct Hub {
    state: Mutex<State>,
    freshness: Freshness,
    browsers: Arc<Browsers>,
    limits: HubLimits,
    open: AtomicUsize,
    /// Where polls wait, if the hub was made there.
    runtime: Option<Handle>,
    pub counts: Counts,
}

/// The most polls that the tailer answers itself. More are answered by the workers of the runtime where they wait, and
/// meanwhile the tailer reads on.
const BY_THE_TAILER: usize = 16;

/// Nor does it encode more than this.
const BYTES_BY_THE_TAILER: usize = 64 << 10;

/// How many polls a worker answers before others have their turn: half a millisecond's.
const IN_A_TURN: usize = 64;

struct State {
    ring: Ring,
    parked: Parked,
    /// Epochs whose cursors are as good as those of the tip's: earlier runs of the database that the present one goes on with.
    past: Vec<i64>,
    /// The cursors from which on tables have their present shape; none for one that kept it since the server started.
    shaped: HashMap<Relation, Arc<Cursor>>,
    /// The delay that parked and coming polls are told at shutdown; None while the server runs.
    closed: Option<Duration>,
}

impl Hub {
    pub fn new(limits: HubLimits) -> Hub {
        let nothing = Arc::new(Cursor { epoch: 0, snapshot: crate::cursor::Snapshot::new(0, Vec::new()) });
        Hub {
            state: Mutex::new(State {
                ring: Ring::new(nothing, limits.ring_bytes),
                parked: Parked::default(),
                past: Vec::new(),
                shaped: HashMap::new(),
                closed: None,
            }),
            freshness: Freshness::default(),
            browsers: Arc::default(),
            limits,
            open: AtomicUsize::new(0),
            runtime: Handle::try_current().ok(),
            counts: Counts::default(),
        }
    }

    /// Keeps a batch and answers every parked poll that it concerns.
    pub fn publish(&self, batch: Batch) {
        let batch = Arc::new(batch);
        let mut state = self.lock();
        let answered = state.parked.answers_to(&batch, self.limits.answer_bytes);
        let bytes = batch.bytes;
        state.ring.push(batch);
        drop(state);
        self.deliver(answered, bytes);
    }

    /// The tailer has the database, in an epoch that goes on with those in `past`. Where `goes_on`, the hub knows all up to
    /// `at`, and only its epoch is another. Else all starts over there, and everybody parked gets a reset.
    pub fn begin(&self, at: &Arc<Cursor>, past: &[i64], goes_on: bool) {
        let mut state = self.lock();
        state.past = past.to_vec();
        if goes_on {
            state.ring.renew(at.epoch);
            return;
        }
        let answered = state.restart(at);
        drop(state);
        self.deliver(answered, 0);
    }

    /// Starts over at a cursor: more was missed than the log can tell. Everybody parked gets a reset.
    pub fn restart(&self, tip: &Arc<Cursor>) {
        let mut state = self.lock();
        let answered = state.restart(tip);
        drop(state);
        self.deliver(answered, 0);
    }

    /// Tables have had another shape since before `at`, a cursor that nobody had until now: whoever waits for one of them
    /// gets a reset, and so does everybody who comes back with an older cursor. The ring, whose changes were made by the
    /// old description, is emptied.
    pub fn reshape(&self, relations: &[Relation], at: &Arc<Cursor>) {
        let mut state = self.lock();
        state.shaped.extend(relations.iter().map(|&relation| (relation, at.clone())));
        let answered = state.parked.reset_relations(relations, at);
        state.ring.restart(at.clone());
        drop(state);
        self.deliver(answered, 0);
    }

    /// Tells whoever is parked on a relation to read it anew. Nothing is kept of it for who comes later: it is for what is
    /// no table, has no history, and is read as it is at that moment.
    pub fn nudge(&self, relation: Relation) {
        let mut state = self.lock();
        let tip = state.ring.tip().clone();
        let answered = state.parked.reset_relations(&[relation], &tip);
        drop(state);
        self.send(answered, 0);
    }

    /// The tailer begins a read: what is asked for from here on is not in it.
    pub fn begin_read(&self) -> Ticket {
        self.freshness.begin()
    }

    /// The tailer has published that read.
    pub fn end_read(&self, ticket: Ticket) {
        self.freshness.end(ticket);
    }

    /// Ready when somebody needs a read that has not begun yet.
    pub async fn read_wanted(&self) {
        self.freshness.wanted().await;
    }

    /// Waits until the tailer has read what was there when this was called.
    pub async fn read_anew(&self, patience: Duration) -> Result<()> {
        self.freshness.read(patience).await
    }

    /// The tailer has no database for now.
    pub fn tail_lost(&self) {
        self.freshness.lost();
    }

    /// Whether the tailer has the database.
    pub fn tail_alive(&self) -> bool {
        self.freshness.alive()
    }

    /// Answers every parked poll, and every one to come, with nothing but the cursor and when to come back.
    pub fn close(&self, retry_after: Duration) {
        let mut state = self.lock();
        state.closed = Some(retry_after);
        let tip = state.ring.tip().clone();
        let answered = state.parked.dismiss_all(&tip, retry_after);
        drop(state);
        self.deliver(answered, 0);
        self.freshness.close();
    }

    /// The newest cursor.
    pub fn tip(&self) -> Arc<Cursor> {
        self.lock().ring.tip().clone()
    }

    /// The batches in memory that a cursor has seen, the newest first: as many as have `changes` changes together.
    pub fn batches_until(&self, cursor: &Cursor, changes: usize) -> Vec<Arc<Batch>> {
        self.lock().ring.until(cursor, changes)
    }

    /// Polls that are open now, parked or on their way to be answered.
    pub fn open_polls(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Counts a poll in; it is counted out when the guard is dropped.
    pub fn enter(self: &Arc<Self>) -> Result<Open> {
        let open = Open(self.clone());
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.limits.polls {
            return Err(Error::unavailable("the server holds as many polls as it is allowed to: try again later", Duration::from_secs(5)));
        }
        Ok(open)
    }

    /// Takes a browser's one seat, ending the poll that has it. Refused to a term that is lower than the highest seen.
    pub fn sit(&self, browser: BrowserId, term: u64) -> Result<Seat> {
        Browsers::sit(&self.browsers, browser, term)
    }

    /// Answers those that news concern, of about so many bytes.
    fn deliver(&self, answered: Answered, bytes: usize) {
        self.counts.from_batch.inc_by(answered.len() as u64);
        self.send(answered, bytes);
    }

    fn send(&self, answered: Answered, bytes: usize) {
        self.counts.parked.sub(answered.len() as i64);
        match &self.runtime {
            Some(runtime) if answered.len() > BY_THE_TAILER || bytes > BYTES_BY_THE_TAILER => {
                for part in answered.in_parts(runtime.metrics().num_workers()) {
                    runtime.spawn(part.send_in_turns(IN_A_TURN));
                }
            }
            _ => answered.send(),
        }
    }

    /// How much memory the ring takes, in bytes.
    pub fn ring_bytes(&self) -> usize {
        self.lock().ring.bytes()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    fn restart(&mut self, tip: &Arc<Cursor>) -> Answered {
        let answered = self.parked.reset_all(tip);
        self.ring.restart(tip.clone());
        self.shaped.clear();
        answered
    }
}

/// An open poll's place in the count.
pub struct Open(Arc<Hub>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
