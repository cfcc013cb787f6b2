//! The mtimes handed out, each a token for a cursor.
//!
//! A page of PBP knows no cursor: it sends back the mtime that it was told. The server remembers which cursor that
//! stands for. An mtime alone could not: a transaction that commits late has an older one than what was told before.
//!
//! **Invariant: a number stands for one cursor only, for ever.** Not even when it has been forgotten, nor after a restart,
//! is it handed out for another: whoever still has it would lose what is between the two. So no number at or below
//! `floor` is handed out, and that is the time at which the server started, and later the highest that may have been forgotten.
//! Servers side by side know nothing of each other's numbers, so an mtime is handed out as it is only where it says all.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use super::recent::Recent;
use crate::change::Relation;
use crate::cursor::Cursor;
use crate::filter::Filter;

/// Microseconds since 1970. Until the year 2109 a float of milliseconds tells each from the next.
pub type Micros = i64;

/// What an entry listens to.
pub type Topic = Vec<(Relation, Filter)>;

/// Tokens that are remembered at least. A forgotten one is answered at once: the page reads anew.
const REMEMBERED: usize = 20_000;

/// A topic with more text in its filters than this is not remembered, in bytes: it is looked up from its token's cursor.
const LARGEST_TOPIC: usize = 1_000;

/// How far the database's clock may be ahead of this one. A row can have an mtime that is centuries ahead: such a number
/// is not handed out, for all later ones would have to be higher.
const AHEAD: Micros = 1_000_000;

pub struct Tokens(Mutex<State>);

struct State {
    cursors: Recent<Micros, Arc<Cursor>>,
    /// Up to where a topic is known to have had no news since the token's cursor: else a page on a quiet table, which has
    /// the same token for hours, would have ever more of the log read to find nothing.
    quiet: Recent<(Micros, Topic), Arc<Cursor>>,
    floor: Micros,
    highest: Micros,
    /// How often tokens had been forgotten when `floor` was set.
    forgotten: u64,
    /// The latest number that is no change's, for all who are told it at one cursor.
    untimed: Option<(Arc<Cursor>, Micros)>,
}

impl Default for Tokens {
    fn default() -> Tokens {
        Tokens::new(now(), REMEMBERED)
    }
}

impl Tokens {
    fn new(now: Micros, remembered: usize) -> Tokens {
        let (cursors, quiet) = (Recent::new(remembered), Recent::new(remembered));
        Tokens(Mutex::new(State { cursors, quiet, floor: now, highest: now, forgotten: 0, untimed: None }))
    }

    /// From where on an entry with this token has yet to be told its topic; None if the token is not known.
    pub fn cursor(&self, token: Micros, topic: &Topic) -> Option<Arc<Cursor>> {
        let mut state = self.lock();
        let handed_out = state.cursors.get(&token)?;
        Some(state.quiet.get(&(token, topic.clone())).unwrap_or(handed_out))
    }

    /// Notes that there was no news of a topic between the token's cursor and `cursor`.
    pub fn had_no_news(&self, token: Micros, topic: Topic, cursor: Arc<Cursor>) {
        let text = |(_, filter): &(Relation, Filter)| filter.columns().chain(filter.values()).map(str::len).sum::<usize>() + 4;
        if topic.iter().map(text).sum::<usize>() > LARGEST_TOPIC {
            return;
        }
        self.lock().quiet.insert((token, topic), cursor);
    }

    /// The number that an entry is told with its news, to stand for `cursor` from here on.
    ///
    /// It is `newest`, the newest mtime that concerns the entry, where that is `alone`: no other transaction is between it
    /// and `cursor` that another server may not have seen when it told the same mtime. Else it is a little more, by how
    /// much the cursor says. It is always above the number that the entry `had`, or a page that keeps the higher of two would be
    /// told the same for ever. Without a newest, as after a TRUNCATE, it is the present time.
    pub fn hand_out(&self, newest: Option<Micros>, alone: bool, had: Micros, cursor: &Arc<Cursor>) -> Micros {
        self.hand_out_at(now(), newest, alone, had, cursor)
    }

    fn hand_out_at(&self, now: Micros, newest: Option<Micros>, alone: bool, had: Micros, cursor: &Arc<Cursor>) -> Micros {
        let mut state = self.lock();
        state.raise_floor();
        let had = if had <= now + AHEAD { had } else { 0 };
        let newest = newest.filter(|&newest| newest > state.floor && newest <= now + AHEAD);
        let shared = state.untimed.as_ref().filter(|(at, number)| at == cursor && *number > had);
        let mut number = match (newest, shared) {
            (Some(newest), _) if alone && newest > had => newest,
            (Some(newest), _) => newest.max(had) + 1 + spread(cursor),
            (None, Some((_, number))) => *number,
            (None, None) => now.max(had + 1).max(state.floor + 1),
        };
        while state.cursors.peek(&number).is_some_and(|other| other != cursor) {
            number += 1;
        }
        if newest.is_none() {
            state.untimed = Some((cursor.clone(), number));
        }
        state.highest = state.highest.max(number);
        state.cursors.insert(number, cursor.clone());
        number
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl State {
    /// What was forgotten meanwhile was handed out before, so it is not above the highest.
    fn raise_floor(&mut self) {
        if self.forgotten != self.cursors.forgotten() {
            self.forgotten = self.cursors.forgotten();
            self.floor = self.highest;
        }
    }
}

/// Less than a millisecond, another for another cursor as far as may be.
fn spread(cursor: &Cursor) -> Micros {
    let mut hasher = DefaultHasher::new();
    cursor.hash(&mut hasher);
    (hasher.finish() % 998) as Micros
}

fn now() -> Micros {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros() as Micros)
}

#[cfg(test)]
mod tests;
