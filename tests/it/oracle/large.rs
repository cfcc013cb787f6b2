//! Large rows, and statements of many rows on both sides of the limit.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};

use super::statements::truncate;
use super::transactions::Step;

/// The largest text of a row, in characters.
const LARGEST: f64 = 1_000_000.0;

/// A row with a text of 1 B to 1 MB: small ones as often as large ones.
pub fn doc(random: &mut StdRng) -> Vec<Step> {
    let id = random.random_range(1..10);
    let kind = ["a", "b"].choose(random).copied().unwrap_or("a");
    let sql = match random.random_range(0..10) {
        0..4 => {
            let (body, data) = (text(random), text(random));
            format!(
                "insert into doc values ({id}, '{kind}', 0, '{body}', json_build_object('t', left('{data}', 20000))) \
                 on conflict (id) do update set kind = excluded.kind, body = excluded.body"
            )
        }
        4 => format!("update doc set data = json_build_object('n', count, 'kind', kind) where id = {id}"),
        5 => format!("update doc set kind = '{kind}' where id between {id} and {id} + 2"),
        6 => format!("delete from doc where id = {id}"),
        _ => format!("update doc set count = count + 1 where id in ({id}, {id} + 3)"),
    };
    vec![Step::Run(sql)]
}

/// Characters that hardly compress; sizes are spread evenly over the orders of magnitude.
fn text(random: &mut StdRng) -> String {
    const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n\"";
    let length = LARGEST.powf(random.random_range(0.0..=1.0)) as usize;
    let mut bytes = vec![0; length.max(1)];
    random.fill_bytes(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// The table's limit is 30 rows of one transaction.
pub fn bulk(random: &mut StdRng) -> Vec<Step> {
    let first = random.random_range(0..400);
    let last = first + random.random_range(1..60);
    let range = format!("between {first} and {last}");
    match random.random_range(0..12) {
        0..4 => {
            vec![Step::Run(format!("insert into bulk select i, 'x' from generate_series({first}, {last}) i on conflict (id) do nothing"))]
        }
        4 | 5 => vec![Step::Run(format!("update bulk set v = v || 'y' where id {range} and length(v) < 40"))],
        6 | 7 => vec![Step::Run(format!("delete from bulk where id {range}"))],
        8 => truncate("bulk"),
        // Row by row, each a statement of its own.
        9 => vec![Step::Run(format!(
            "do $$ begin for i in {first}..{last} loop insert into bulk values (i, 'loop') on conflict (id) do update set v = 'again'; \
             end loop; end $$"
        ))],
        _ => {
            let rows: String = (first..=last).map(|id| format!("{id}\tcopied\n")).collect();
            vec![Step::Run(format!("delete from bulk where id {range}")), Step::Copy { into: "bulk", rows }]
        }
    }
}
