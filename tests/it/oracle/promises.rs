//! What holds in every committed state: a client that sees it broken has been shown half of a transaction.

use std::collections::{BTreeMap, BTreeSet};

use super::held::Subscribed;
use super::tables::{BRANCH_SUM, PILES_SUM};

/// Looks at all that a client has after an answer; the sentence says what is broken.
pub fn broken(subscribed: &[Subscribed]) -> Option<String> {
    // Between a reset and its list there is nothing to look at.
    let whole = |name: &str| subscribed.iter().find(|one| one.table.name == name && one.filter.is_none() && !one.cursor.is_empty());
    for accounts in subscribed.iter().filter(|one| one.table.name == "account" && !one.cursor.is_empty()) {
        if let Some(sentence) = branches(accounts) {
            return Some(sentence);
        }
    }
    // Two tables are of one state only at one cursor.
    let together = |one: &str, other: &str| whole(one).zip(whole(other)).filter(|(one, other)| one.cursor == other.cursor);
    if let Some((left, right)) = together("left_pile", "right_pile") {
        let sum = sum(left) + sum(right);
        if sum != PILES_SUM {
            return Some(format!("both piles have {sum} together, not {PILES_SUM}, at {}", left.cursor));
        }
    }
    if let Some((generation, heap)) = together("generation", "heap") {
        let (generation, rows) = (generation.rows.all(), heap.rows.all());
        let marks: Vec<&str> = rows.iter().filter(|row| row["a"] == "-1").map(|row| row["b"].trim_matches('"')).collect();
        let right = generation.first().map_or("", |row| row["n"].as_str());
        // None: a list shows the table empty before its cursor has seen the TRUNCATE.
        if !marks.is_empty() && marks != [right] {
            return Some(format!("the heap is of the generations {marks:?}, not {right}, at {}", heap.cursor));
        }
    }
    if let Some((parents, children)) = together("parent", "child") {
        let ids: BTreeSet<String> = parents.rows.all().iter().map(|row| row["id"].clone()).collect();
        if let Some(orphan) = children.rows.all().iter().find(|row| !ids.contains(&row["parent_id"])) {
            return Some(format!("the child {orphan:?} has no parent at {}", children.cursor));
        }
    }
    None
}

fn branches(accounts: &Subscribed) -> Option<String> {
    let mut sums: BTreeMap<String, i64> = BTreeMap::new();
    for row in accounts.rows.all() {
        *sums.entry(row["branch"].clone()).or_default() += row["amount"].parse::<i64>().unwrap_or(0);
    }
    let (branch, sum) = sums.into_iter().find(|(_, sum)| *sum != BRANCH_SUM)?;
    Some(format!("branch {branch} has {sum}, not {BRANCH_SUM}, at {}", accounts.cursor))
}

fn sum(one: &Subscribed) -> i64 {
    one.rows.all().iter().map(|row| row["amount"].parse::<i64>().unwrap_or(0)).sum()
}
