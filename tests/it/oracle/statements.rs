//! Random statements for each table. Each keeps what its table promises, whatever runs beside it.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;

use super::large;
use super::transactions::Step;

fn run(sql: String) -> Vec<Step> {
    vec![Step::Run(sql)]
}

/// Statements that belong together, for any one of the tables.
pub fn any(random: &mut StdRng, merge: bool) -> Vec<Step> {
    match random.random_range(0..20) {
        0..5 => transfer(random, merge),
        5..9 => between_piles(random),
        9..12 => family(random),
        12..15 => place(random, merge),
        15 | 16 => heap(random),
        17 => large::doc(random),
        _ => large::bulk(random),
    }
}

/// Statements that surely change rows.
pub fn sure(random: &mut StdRng) -> Vec<Step> {
    match random.random_range(0..4) {
        0 => {
            let (a, b, _) = two_of_a_branch(random);
            run(moved_by_upsert("account (id, branch, amount)", "account", &format!("({a}, {0}, -1), ({b}, {0}, 1)", a % 4)))
        }
        1 => piles(random.random_range(1..20), random.random_range(1..20), 1).to_vec(),
        2 => run("insert into place values ('sure', 'north', 1) on conflict (region, code) do update set v = place.v || '!'".to_owned()),
        _ => run(format!("insert into heap values (7, 'sure {}')", random.random_range(0..1_000))),
    }
}

/// Two accounts of one branch, and an amount.
fn two_of_a_branch(random: &mut StdRng) -> (i32, i32, i32) {
    let branch = random.random_range(0..4);
    let a = random.random_range(0..25);
    let b = (a + random.random_range(1..25)) % 25;
    (branch + 4 * a, branch + 4 * b, random.random_range(1..50))
}

fn moved_by_upsert(into: &str, table: &str, rows: &str) -> String {
    format!("insert into {into} values {rows} on conflict (id) do update set amount = {table}.amount + excluded.amount")
}

/// From one account to another of its branch.
fn transfer(random: &mut StdRng, merge: bool) -> Vec<Step> {
    let (a, b, n) = two_of_a_branch(random);
    let branch = a % 4;
    let both =
        Step::Require(format!("select count(*) = 2 from (select from account where id in ({a}, {b}) order by id for update) as found"));
    let rows = format!("({a}, {branch}, -{n}), ({b}, {branch}, {n})");
    let statements: Vec<String> = match random.random_range(0..20) {
        0..5 => vec![
            format!("update account set amount = amount - {n} where id = {a}"),
            format!("update account set amount = amount + {n} where id = {b}"),
        ],
        5..8 => vec![format!("update account set amount = amount + case id when {a} then -{n} else {n} end where id in ({a}, {b})")],
        8..11 => vec![format!(
            "with gone as (delete from account where id = {a} returning amount) update account set amount = account.amount + gone.amount \
             from gone where id = {b}"
        )],
        // They swap their ids; a row that comes and goes in one transaction is a reset, so not too often.
        11 => vec![
            format!("update account set id = -1 - {a} where id = {a}"),
            format!("update account set id = {a} where id = {b}"),
            format!("update account set id = {b} where id = -1 - {a}"),
        ],
        12..16 if merge => {
            return run(format!(
                "merge into account using (values {rows}) as v (id, branch, n) on account.id = v.id \
                 when matched then update set amount = amount + n when not matched then insert (id, branch, amount) values (v.id, v.branch, n)"
            ));
        }
        _ => return run(moved_by_upsert("account (id, branch, amount)", "account", &rows)),
    };
    std::iter::once(both).chain(statements.into_iter().map(Step::Run)).collect()
}

fn piles(left: i32, right: i32, n: i32) -> [Step; 2] {
    [
        Step::Run(moved_by_upsert("left_pile (id, amount)", "left_pile", &format!("({left}, -{n})"))),
        Step::Run(moved_by_upsert("right_pile (id, amount)", "right_pile", &format!("({right}, {n})"))),
    ]
}

/// From one table to the other in one transaction.
fn between_piles(random: &mut StdRng) -> Vec<Step> {
    let (left, right, n) = (random.random_range(1..20), random.random_range(1..20), random.random_range(1..60));
    if random.random_bool(0.3) {
        let (from, to, id) = if random.random_bool(0.5) { ("left_pile", "right_pile", left) } else { ("right_pile", "left_pile", right) };
        return run(format!(
            "with gone as (delete from {from} where id = {id} returning amount) \
             insert into {to} (id, amount) select {right}, amount from gone \
             on conflict (id) do update set amount = {to}.amount + excluded.amount"
        ));
    }
    let mut steps = piles(left, right, n).to_vec();
    if random.random_bool(0.3) {
        steps.insert(1, Step::Pause(std::time::Duration::from_millis(random.random_range(1..60))));
    }
    steps
}

/// Parents and children, with what cascades.
fn family(random: &mut StdRng) -> Vec<Step> {
    let (parent, other) = (random.random_range(1..30), random.random_range(1..30));
    let first = random.random_range(1..200);
    let last = first + random.random_range(0..6);
    let children = format!("insert into child select i, 'c', {parent} from generate_series({first}, {last}) i on conflict (id) do nothing");
    match random.random_range(0..7) {
        0 => run(format!("delete from parent where id = {parent}")),
        1 => run(format!("update parent set id = {other} where id = {parent}")),
        2 => run(format!(
            "update child set parent_id = {other} where id between {first} and {last} and exists (select from parent where id = {other})"
        )),
        3 => run(format!("delete from child where id between {first} and {last}")),
        4 => run(format!("update child set note = note || '.' where parent_id = {parent} and length(note) < 20")),
        _ => vec![
            Step::Run(format!("insert into parent values ({parent}, 'new') on conflict (id) do update set name = excluded.name")),
            Step::Run(children),
        ],
    }
}

/// A composite key of text, which changes and swaps.
fn place(random: &mut StdRng, merge: bool) -> Vec<Step> {
    const REGIONS: [&str; 4] = ["north", "south", "it''s \"east\"", "wä\\st,\t1"];
    let region = REGIONS.choose(random).copied().unwrap_or_default();
    let other = REGIONS.choose(random).copied().unwrap_or_default();
    let (code, second) = (random.random_range(1..40), random.random_range(1..40));
    let here = format!("region = '{region}' and code = {code}");
    let note = ["null", "'x'", "''"].choose(random).copied().unwrap_or("null");
    match random.random_range(0..8) {
        0 => run(format!("update place set code = {second}, region = '{other}' where {here}")),
        1 => vec![
            Step::Run(format!("update place set code = -{code} where {here}")),
            Step::Run(format!("update place set code = {code} where region = '{region}' and code = {second}")),
            Step::Run(format!("update place set code = {second} where region = '{region}' and code = -{code}")),
        ],
        2 => vec![
            Step::Run(format!("delete from place where {here}")),
            Step::Run(format!(
                "insert into place select 'm', '{other}', i from generate_series({second}, {second} + 3) i on conflict (region, code) do nothing"
            )),
        ],
        3 => run(format!("update place set note = {note}, at = clock_timestamp() where code between {code} and {code} + 5")),
        4 => run(format!("update place set region = '{other}' where region = '{region}' and code % 7 = {code} % 7")),
        5 if merge => run(format!(
            "merge into place using (select from generate_series(1, 1)) as one on {here} \
             when matched then delete when not matched then insert (v, region, code, note) values ('merged', '{region}', {code}, {note})"
        )),
        _ => run(format!(
            "insert into place (v, region, code, note) values ('a', '{region}', {code}, {note}), ('b', '{other}', {code} + 1, {note}) \
             on conflict (region, code) do update set v = place.v || excluded.v, note = excluded.note where length(place.v) < 30"
        )),
    }
}

/// Whoever wants to write waits for one that waits to truncate: so it does not wait long.
pub fn truncate(table: &str) -> Vec<Step> {
    vec![Step::Run("set local lock_timeout = '50ms'".to_owned()), Step::Run(format!("truncate {table}"))]
}

/// Rows without a key, equal ones among them.
fn heap(random: &mut StdRng) -> Vec<Step> {
    let (a, n) = (random.random_range(0..12), random.random_range(1..20));
    match random.random_range(0..12) {
        0..4 => run(format!("insert into heap select {a}, 'twin', i / 7.0, i * interval '25 hours' from generate_series(1, {n}) i")),
        4 | 5 => {
            let rows: String = (0..n).map(|i| format!("{}\tcopied ä\\t{}\t{i}.50\t\\N\n", (a + i) % 12, i / 3)).collect();
            vec![Step::Copy { into: "heap", rows }]
        }
        6 | 7 => run(format!("update heap set b = b || '{n}' where a = {a} and length(b) < 20")),
        8 | 9 => run(format!("delete from heap where a in ({a}, ({a} + 1) % 12)")),
        10 => {
            let mut steps = truncate("heap");
            steps.push(Step::Run("update generation set n = n + 1".to_owned()));
            steps.push(Step::Run("insert into heap (a, b) select -1, n::text from generation".to_owned()));
            steps
        }
        _ => run(format!("delete from heap where ctid in (select ctid from heap where a = {a} order by ctid limit 2)")),
    }
}
