//! A client: it lists, follows, and believes nothing that does not fit what it has.

use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::clients::{Plan, Way};
use super::held::{Held, Subscribed};
use super::promises;
use super::transport::{self, Answer, Asked, Listed, Said};
use super::world::World;
use crate::support::events::Events;
use crate::support::rows::{Taken, cut};

pub struct Client {
    world: Arc<World>,
    plan: Plan,
    held: Arc<Mutex<Held>>,
    random: StdRng,
    port: u16,
    term: u64,
    stream: Option<Events>,
    /// States to go back to.
    saved: Vec<Vec<Subscribed>>,
}

/// How many states a client keeps to go back to.
const SAVED: usize = 5;

impl Client {
    pub fn new(world: Arc<World>, plan: Plan, held: Arc<Mutex<Held>>) -> Client {
        let random = StdRng::seed_from_u64(plan.seed);
        let port = world.ports[plan.home.unwrap_or(0)];
        Client { world, plan, held, random, port, term: 1, stream: None, saved: Vec::new() }
    }

    /// Follows until the run is over.
    pub fn run(mut self) {
        while !self.world.is_over() {
            if let Err(sentence) = self.turn() {
                let held = self.held();
                let report = format!("client {}\n  {sentence}\n{}", self.plan.shown(), held.shown());
                drop(held);
                return self.world.fail(report);
            }
        }
    }

    fn turn(&mut self) -> Result<(), String> {
        self.dawdle();
        if self.plan.returns && !self.saved.is_empty() && self.random.random_bool(0.1) {
            self.go_back();
        }
        if self.plan.home.is_none() && !self.world.is_calm() && self.random.random_bool(0.5) {
            self.port = self.world.ports[self.random.random_range(0..self.world.ports.len())];
            self.stream = None;
        }
        let unlisted = self.held().subscribed.iter().position(|one| one.cursor.is_empty());
        if let Some(place) = unlisted {
            self.stream = None;
            return self.list(place);
        }
        match self.ask()? {
            Said::Answer(answer, text) => self.take(answer, &text),
            Said::Later(after) => {
                self.held().counts.later += 1;
                sleep(after);
                Ok(())
            }
            Said::Gone => {
                self.stream = None;
                self.be_gone();
                Ok(())
            }
        }
    }

    fn list(&mut self, place: usize) -> Result<(), String> {
        let (table, filter) = {
            let held = self.held();
            (held.subscribed[place].table, held.subscribed[place].filter.clone())
        };
        match transport::list(self.port, table.name, filter.as_ref())? {
            Listed::Rows { cursor, key, body } => {
                let mut held = self.held();
                held.counts.lists += 1;
                held.note(format!("listed {} at {cursor}", table.name));
                let one = &mut held.subscribed[place];
                one.rows.list(&key, &body)?;
                one.cursor = cursor;
                promises::broken(&held.subscribed).map_or(Ok(()), Err)
            }
            Listed::Later(after) => {
                self.held().counts.later += 1;
                sleep(after);
                Ok(())
            }
            Listed::Gone => {
                self.be_gone();
                Ok(())
            }
        }
    }

    fn ask(&mut self) -> Result<Said, String> {
        let subscribed = self.held().subscribed.clone();
        let asked: Vec<Asked> =
            subscribed.iter().map(|one| Asked { table: one.table.name, filter: one.filter.as_ref(), since: &one.cursor }).collect();
        let wait = if self.world.is_calm() { 5 } else { self.random.random_range(0..=5) };
        match self.plan.way {
            Way::Get => transport::get(self.port, &asked[0], wait),
            Way::Post => transport::post(self.port, &asked, wait, None),
            Way::Browser => {
                self.term += u64::from(self.random.random_bool(0.1));
                let browser = format!("{:032x}", self.plan.seed);
                transport::post(self.port, &asked, wait, Some((&browser, self.term)))
            }
            Way::Events => {
                if self.stream.is_none() {
                    self.stream = transport::open(self.port, &asked[0]);
                }
                self.stream.as_mut().map_or(Ok(Said::Gone), transport::next)
            }
        }
    }

    fn take(&mut self, answer: Answer, text: &str) -> Result<(), String> {
        let mut held = self.held();
        held.counts.answers += 1;
        held.note(format!("at {}: {}", self.port, cut(text)));
        let told = answer.answers.len();
        held.subscribed.iter_mut().for_each(|one| one.cursor.clone_from(&answer.cursor));
        for told in answer.answers {
            // A poll by GET names its one subscription after the table.
            let place = told.id.parse().unwrap_or(0);
            let Held { subscribed, counts, .. } = &mut *held;
            let one = subscribed.get_mut(place).ok_or_else(|| format!("an answer is for the subscription {}", told.id))?;
            counts.resets += usize::from(told.reset);
            counts.changes += told.changes.len();
            let taken = one.rows.take(told.changes).map_err(|wrong| format!("{}: {wrong}\n  in {}", one.table.name, beginning(text)))?;
            if told.reset || taken == Taken::ListAnew {
                one.cursor.clear();
            }
        }
        if let Some(sentence) = promises::broken(&held.subscribed) {
            return Err(format!("{sentence}\n  after {}", beginning(text)));
        }
        let listed = held.subscribed.iter().all(|one| !one.cursor.is_empty());
        let state = (self.plan.returns && listed && told > 0).then(|| held.subscribed.clone());
        drop(held);
        if let Some(state) = state.filter(|_| self.random.random_bool(0.3)) {
            if self.saved.len() == SAVED {
                let place = self.random.random_range(0..SAVED);
                self.saved.swap_remove(place);
            }
            self.saved.push(state);
        }
        if let Some(after) = answer.retry_after_ms {
            self.stream = None;
            sleep(Duration::from_millis(after.min(2_000)));
        }
        Ok(())
    }

    /// All tables to one state, or each to any: the tabs of a browser need not have the same cursor.
    fn go_back(&mut self) {
        let (together, apart) = (self.random.random_range(0..self.saved.len()), self.random.random_bool(0.5));
        self.stream = None;
        let mut held = self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        held.counts.returns += 1;
        held.note("went back to an older state".to_owned());
        for (place, one) in held.subscribed.iter_mut().enumerate() {
            let state = if apart { self.random.random_range(0..self.saved.len()) } else { together };
            *one = self.saved[state][place].clone();
        }
    }

    /// A slow client is away for up to twice as long as the log is kept; at a quiet point nobody dawdles.
    fn dawdle(&mut self) {
        if !self.plan.is_slow {
            return;
        }
        let longest = if self.random.random_bool(0.1) { 12_000 } else { 700 };
        for _ in 0..self.random.random_range(0..longest) / 20 {
            if self.world.is_calm() || self.world.is_over() {
                return;
            }
            sleep(Duration::from_millis(20));
        }
    }

    fn be_gone(&self) {
        self.held().counts.gone += 1;
        sleep(Duration::from_millis(30));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// As much of an answer as helps.
fn beginning(text: &str) -> String {
    text.chars().take(1_500).collect()
}
