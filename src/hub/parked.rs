//! Parked polls, grouped by equal subscriptions and indexed by what they wait for.
//!
//! Everything parked has seen the ring's tip, so polls with equal subscriptions are told the same: a group of ten thousand
//! costs one look-up and one answer. A filter is found by its columns' values, not by trying each: ten thousand polls on
//! a row each cost a change of one row one look-up too.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::answer::{Answer, Gathered, Told, in_poll_order, size};
use super::letter::{Line, Reader, Sender, letter};
use super::subscription::Subscription;
use crate::change::{Batch, Change, Image, Relation};
use crate::cursor::Cursor;
use crate::filter::Filter;
use serde_json::value::RawValue;

/// A group's number; a place in it is `(GroupId, usize)`, the second being the subscription's.
type GroupId = u64;
type Place = (GroupId, usize);
type Values = Vec<String>;

#[derive(Default)]
pub struct Parked {
    groups: HashMap<GroupId, Group>,
    by_subscriptions: HashMap<Arc<[Subscription]>, GroupId>,
    index: HashMap<Relation, Watchers>,
    next: u64,
}

struct Group {
    subscriptions: Arc<[Subscription]>,
    waiting: HashMap<u64, Sender>,
}

/// Who waits for a table.
#[derive(Default)]
struct Watchers {
    unfiltered: HashSet<Place>,
    /// By the columns that a filter compares, then by their printed values.
    filtered: HashMap<Vec<String>, HashMap<Values, HashSet<Place>>>,
}

/// A parked poll's place.
pub struct Spot {
    group: GroupId,
    number: u64,
}

/// Answers to be sent once the lock is dropped.
#[must_use]
#[derive(Default)]
pub struct Answered(Vec<(Group, Arc<Answer>)>);

impl Answered {
    /// How many polls are answered.
    pub fn len(&self) -> usize {
        self.0.iter().map(|(group, _)| group.waiting.len()).sum()
    }

    pub fn send(self) {
        for (waiting, answer) in self.each() {
            // Whoever left meanwhile comes back with the cursor that it had.
            waiting.send(answer);
        }
    }

    /// The same in parts of about equal size, as many as may be sent at once.
    pub fn in_parts(self, count: usize) -> impl Iterator<Item = Part> {
        let size = self.len().div_ceil(count.max(1)).max(1);
        let mut left = self.each();
        std::iter::from_fn(move || {
            let part: Vec<_> = left.by_ref().take(size).collect();
            (!part.is_empty()).then_some(Part(part))
        })
    }

    fn each(self) -> impl Iterator<Item = (Sender, Arc<Answer>)> {
        self.0.into_iter().flat_map(|(group, answer)| group.waiting.into_values().map(move |waiting| (waiting, answer.clone())))
    }
}

/// Some of [`Answered`].
pub struct Part(Vec<(Sender, Arc<Answer>)>);

impl Part {
    /// Sends so many at a time, and lets others have their turn.
    pub async fn send_in_turns(self, at_once: usize) {
        for (place, (waiting, answer)) in self.0.into_iter().enumerate() {
            if place % at_once == at_once - 1 {
                tokio::task::yield_now().await;
            }
            waiting.send(answer);
        }
    }
}

impl Parked {
    /// Parks a poll that has seen the ring's tip, and whose client can be told by `line`.
    pub fn park(&mut self, subscriptions: &Arc<[Subscription]>, line: Option<Arc<dyn Line>>) -> (Spot, Reader) {
        self.next += 1;
        let number = self.next;
        let group = match self.by_subscriptions.get(subscriptions) {
            Some(&group) => group,
            None => self.open_group(number, subscriptions),
        };
        let (sender, reader) = letter(line);
        if let Some(group) = self.groups.get_mut(&group) {
            group.waiting.insert(number, sender);
        }
        (Spot { group, number }, reader)
    }

    /// Takes a poll out again. False if it is out already: then its answer has been made, and will be sent.
    pub fn leave(&mut self, spot: &Spot) -> bool {
        let Some(group) = self.groups.get_mut(&spot.group) else { return false };
        let was_there = group.waiting.remove(&spot.number).is_some();
        if group.waiting.is_empty() {
            self.close_group(spot.group);
        }
        was_there
    }

    /// How many polls are parked.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.groups.values().map(|group| group.waiting.len()).sum()
    }

    /// Takes out whom a batch concerns, each with its answer.
    pub fn answers_to(&mut self, batch: &Batch, limit_bytes: usize) -> Answered {
        let mut concerned: HashMap<GroupId, Gathered> = HashMap::new();
        for relation in batch.resets.keys() {
            for (group, place) in self.watchers(*relation) {
                concerned.entry(group).or_default().insert(place, Told::Reset);
            }
        }
        let mut sizes: HashMap<GroupId, usize> = HashMap::new();
        for change in &batch.changes {
            let Some(watchers) = self.index.get(&change.relation) else { continue };
            for (group, place) in watchers.concerned(change) {
                let Some(subscription) = self.groups.get(&group).and_then(|group| group.subscriptions.get(place)) else { continue };
                let Some(leaves) = subscription.concerned(change) else { continue };
                let told = concerned.entry(group).or_default().entry(place).or_insert_with(|| Told::Changes(Vec::new()));
                let bytes = sizes.entry(group).or_default();
                *bytes += size(change);
                match told {
                    Told::Changes(changes) if *bytes <= limit_bytes => changes.push((change.clone(), leaves)),
                    _ => *told = Told::Reset,
                }
            }
        }
        self.take(concerned, &batch.to)
    }

    /// Takes out everybody, with a reset of everything.
    pub fn reset_all(&mut self, tip: &Arc<Cursor>) -> Answered {
        let relations: Vec<Relation> = self.index.keys().copied().collect();
        self.reset_relations(&relations, tip)
    }

    /// Takes out whoever waits for one of these tables, with a reset of it.
    pub fn reset_relations(&mut self, relations: &[Relation], tip: &Arc<Cursor>) -> Answered {
        let mut concerned: HashMap<GroupId, Gathered> = HashMap::new();
        for relation in relations {
            for (group, place) in self.watchers(*relation) {
                concerned.entry(group).or_default().insert(place, Told::Reset);
            }
        }
        self.take(concerned, tip)
    }

    /// Takes out everybody, with no news and a delay.
    pub fn dismiss_all(&mut self, tip: &Arc<Cursor>, retry_after: Duration) -> Answered {
        self.index.clear();
        self.by_subscriptions.clear();
        let answer = Arc::new(Answer { retry_after: Some(retry_after), ..Answer::new(tip.clone(), Vec::new()) });
        Answered(self.groups.drain().map(|(_, group)| (group, answer.clone())).collect())
    }

    fn take(&mut self, concerned: HashMap<GroupId, Gathered>, cursor: &Arc<Cursor>) -> Answered {
        let take = |(id, gathered): (GroupId, Gathered)| {
            let group = self.close_group(id)?;
            let answer = Answer::new(cursor.clone(), in_poll_order(&group.subscriptions, gathered));
            Some((group, Arc::new(answer)))
        };
        Answered(concerned.into_iter().filter_map(take).collect())
    }

    fn watchers(&self, relation: Relation) -> Vec<Place> {
        self.index.get(&relation).map(|watchers| watchers.all().collect()).unwrap_or_default()
    }

    fn open_group(&mut self, id: GroupId, subscriptions: &Arc<[Subscription]>) -> GroupId {
        for (place, subscription) in subscriptions.iter().enumerate() {
            self.index.entry(subscription.relation).or_default().add(&subscription.filter, (id, place));
        }
        self.by_subscriptions.insert(subscriptions.clone(), id);
        self.groups.insert(id, Group { subscriptions: subscriptions.clone(), waiting: HashMap::new() });
        id
    }

    fn close_group(&mut self, id: GroupId) -> Option<Group> {
        let group = self.groups.remove(&id)?;
        self.by_subscriptions.remove(&group.subscriptions);
        for (place, subscription) in group.subscriptions.iter().enumerate() {
            let Some(watchers) = self.index.get_mut(&subscription.relation) else { continue };
            watchers.remove(&subscription.filter, &(id, place));
            if watchers.unfiltered.is_empty() && watchers.filtered.is_empty() {
                self.index.remove(&subscription.relation);
            }
        }
        Some(group)
    }
}

impl Watchers {
    fn add(&mut self, filter: &Filter, place: Place) {
        if filter.is_empty() {
            self.unfiltered.insert(place);
        } else {
            self.filtered.entry(columns(filter)).or_default().entry(values(filter)).or_default().insert(place);
        }
    }

    fn remove(&mut self, filter: &Filter, place: &Place) {
        if filter.is_empty() {
            self.unfiltered.remove(place);
            return;
        }
        let Some(by_values) = self.filtered.get_mut(&columns(filter)) else { return };
        if let Some(places) = by_values.get_mut(&values(filter)) {
            places.remove(place);
            if places.is_empty() {
                by_values.remove(&values(filter));
            }
        }
        if by_values.is_empty() {
            self.filtered.remove(&columns(filter));
        }
    }

    fn all(&self) -> impl Iterator<Item = Place> {
        let filtered = self.filtered.values().flat_map(HashMap::values).flatten();
        self.unfiltered.iter().chain(filtered).copied()
    }

    /// Whom a change may concern: everybody without a filter, and those whose filter has the values of one of its rows.
    fn concerned(&self, change: &Change) -> HashSet<Place> {
        let mut places = self.unfiltered.clone();
        if self.filtered.is_empty() {
            return places;
        }
        for image in [&change.old, &change.new].into_iter().flatten() {
            self.add_matching(image, &mut places);
        }
        places
    }

    fn add_matching(&self, image: &Image, places: &mut HashSet<Place>) {
        let row: HashMap<Cow<'_, str>, &RawValue> = image.columns();
        for (columns, by_values) in &self.filtered {
            let values: Option<Values> =
                columns.iter().map(|column| row.get(column.as_str()).map(|value| value.get().to_owned())).collect();
            match values {
                Some(values) => places.extend(by_values.get(&values).into_iter().flatten()),
                // A column that the image leaves out counts as matching.
                None => places.extend(by_values.values().flatten()),
            }
        }
    }
}

fn columns(filter: &Filter) -> Vec<String> {
    filter.columns().map(str::to_owned).collect()
}

fn values(filter: &Filter) -> Values {
    filter.values().map(str::to_owned).collect()
}
