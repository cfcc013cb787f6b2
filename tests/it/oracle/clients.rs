//! Which clients there are: every way to follow, every habit, every table with and without `where`.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};

use super::tables::{TABLES, table};
use crate::support::rows::Filter;

/// How a client follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `GET /notify`: one subscription.
    Get,
    /// `POST /notify`: any number.
    Post,
    /// The same as a browser's: with a seat that a newer poll takes.
    Browser,
    /// Server-sent events: one subscription.
    Events,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub way: Way,
    pub subscriptions: Vec<(&'static str, Option<Filter>)>,
    /// The server it asks; None for one that asks another each time.
    pub home: Option<usize>,
    /// It dawdles, for longer than the log is kept.
    pub is_slow: bool,
    /// It goes back to a state that it had, and to that state's cursor.
    pub returns: bool,
    pub seed: u64,
}

/// Where the server with small limits is: see [`super::servers`].
pub const SMALL: usize = 1;

/// The clients of a run. Some are always there; `more` are of any kind.
pub fn plans(random: &mut StdRng, more: usize) -> Vec<Plan> {
    let all = |names: &[&'static str]| names.iter().map(|name| (*name, None)).collect::<Vec<_>>();
    let part = |name: &'static str, filter: usize| vec![(name, Some(table(name).filters[filter].clone()))];
    let everything: Vec<_> = TABLES.iter().map(|table| (table.name, None)).collect();
    let families = || all(&["parent", "child", "left_pile", "right_pile"]);
    let mut every_filter = all(&["account"]);
    every_filter.extend(TABLES.iter().flat_map(|table| table.filters.iter().map(|filter| (table.name, Some(filter.clone())))));
    let mut plans = vec![
        plan(Way::Get, all(&["account"])).home(0),
        plan(Way::Get, part("account", 0)),
        plan(Way::Get, part("place", 1)).home(0).slow(),
        plan(Way::Get, part("child", 0)).home(2),
        plan(Way::Get, all(&["heap"])).home(0).returns(),
        plan(Way::Get, all(&["bulk"])).home(0),
        plan(Way::Get, all(&["doc"])),
        plan(Way::Post, families()).home(0),
        plan(Way::Post, families()).returns(),
        plan(Way::Post, all(&["left_pile", "right_pile"])).home(SMALL),
        plan(Way::Post, every_filter).home(2).returns(),
        plan(Way::Post, everything.clone()).home(SMALL).slow(),
        plan(Way::Browser, everything).home(0),
        plan(Way::Browser, families()),
        plan(Way::Events, all(&["account"])).home(SMALL),
        plan(Way::Events, part("place", 0)),
        plan(Way::Events, all(&["place"])).home(2).returns(),
        plan(Way::Events, part("doc", 0)).home(0),
        plan(Way::Events, all(&["bulk"])).home(SMALL).slow(),
    ];
    plans.extend((0..more).map(|_| any(random)));
    plans.iter_mut().for_each(|plan| plan.seed = random.next_u64());
    plans
}

fn any(random: &mut StdRng) -> Plan {
    let way = *[Way::Get, Way::Post, Way::Browser, Way::Events].choose(random).unwrap_or(&Way::Get);
    let number = if matches!(way, Way::Get | Way::Events) { 1 } else { random.random_range(1..=6) };
    let mut one = || {
        let table = TABLES.choose(random).unwrap_or(&TABLES[0]);
        let filter = if random.random_bool(0.5) { table.filters.choose(random).cloned() } else { None };
        (table.name, filter)
    };
    let subscriptions = (0..number).map(|_| one()).collect();
    Plan {
        home: random.random_bool(0.5).then(|| random.random_range(0..3)),
        is_slow: random.random_bool(0.3),
        returns: random.random_bool(0.4),
        ..plan(way, subscriptions)
    }
}

fn plan(way: Way, subscriptions: Vec<(&'static str, Option<Filter>)>) -> Plan {
    Plan { way, subscriptions, home: None, is_slow: false, returns: false, seed: 0 }
}

impl Plan {
    fn home(self, home: usize) -> Plan {
        Plan { home: Some(home), ..self }
    }

    fn slow(self) -> Plan {
        Plan { is_slow: true, ..self }
    }

    fn returns(self) -> Plan {
        Plan { returns: true, ..self }
    }

    /// In a line, for a person.
    pub fn shown(&self) -> String {
        let one = |(name, filter): &(&str, Option<Filter>)| match filter {
            None => (*name).to_owned(),
            Some(filter) => format!("{name}[{}={}]", filter.column, filter.json),
        };
        let tables: Vec<String> = self.subscriptions.iter().map(one).collect();
        let home = self.home.map_or("hops".to_owned(), |home| format!("at {home}"));
        let habits = [(self.is_slow, ", slow"), (self.returns, ", returns")];
        let habits: String = habits.iter().filter(|(has, _)| *has).map(|(_, habit)| *habit).collect();
        format!("{:?} {home}{habits}: {}", self.way, tables.join(" "))
    }
}
