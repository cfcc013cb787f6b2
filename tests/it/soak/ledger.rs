//! What a client knows: the last number of each counter. A counter's row is only ever counted up by one, so that a change
//! that is lost, told twice or told out of order is seen at once.

use serde_json::Value;

/// The rows of the table that clients follow.
pub const COUNTERS: usize = 16;

#[derive(Clone)]
pub struct Ledger {
    /// The only counter that it follows; None for all.
    pub only: Option<usize>,
    /// Empty where the table must be listed.
    pub cursor: String,
    pub last: Vec<u64>,
}

impl Ledger {
    pub fn new(only: Option<usize>) -> Ledger {
        Ledger { only, cursor: String::new(), last: vec![0; COUNTERS] }
    }

    /// More of a query that asks for what is followed.
    pub fn filter(&self) -> String {
        self.only.map_or_else(String::new, |only| format!("&counter=eq.{only}"))
    }

    /// Takes a list in the place of what was known.
    pub fn list(&mut self, cursor: &str, rows: &Value) -> Result<(), String> {
        for row in rows.as_array().ok_or("a list is no list")? {
            let (counter, number) = counted(row)?;
            self.last[counter] = number;
        }
        cursor.clone_into(&mut self.cursor);
        Ok(())
    }

    /// Takes an answer. Returns how many changes it told; None for a reset.
    pub fn take(&mut self, answer: &Value) -> Result<Option<usize>, String> {
        let cursor = answer["cursor"].as_str().ok_or_else(|| format!("an answer without a cursor: {answer}"))?;
        let mut told = 0;
        for one in answer["answers"].as_array().ok_or_else(|| format!("no answer: {answer}"))? {
            if one["reset"] == true {
                self.cursor.clear();
                return Ok(None);
            }
            for change in one["changes"].as_array().into_iter().flatten() {
                let (counter, number) = counted(&change["new"])?;
                if self.only.is_some_and(|only| only != counter) {
                    return Err(format!("a change of counter {counter} was told to who follows {:?}", self.only));
                }
                if number != self.last[counter] + 1 {
                    let last = self.last[counter];
                    return Err(format!("counter {counter} was at {last}, and then {number} was told: from {} to {cursor}", self.cursor));
                }
                self.last[counter] = number;
                told += 1;
            }
        }
        cursor.clone_into(&mut self.cursor);
        Ok(Some(told))
    }

    /// Whether it has come to these numbers.
    pub fn is_at(&self, last: &[u64]) -> bool {
        match self.only {
            Some(only) => self.last[only] == last[only],
            None => self.last == last,
        }
    }
}

fn counted(row: &Value) -> Result<(usize, u64), String> {
    let (counter, number) = (row["counter"].as_u64(), row["number"].as_u64());
    let (Some(counter), Some(number)) = (counter.and_then(|counter| usize::try_from(counter).ok()), number) else {
        return Err(format!("no counter's row: {row}"));
    };
    if counter < COUNTERS { Ok((counter, number)) } else { Err(format!("there is no counter {counter}")) }
}

#[test]
fn what_is_lost_or_told_twice_is_found_out() {
    let told = |number: u64| serde_json::json!({"cursor": "c", "answers": [{"changes": [{"new": {"counter": 3, "number": number}}]}]});
    let mut ledger = Ledger::new(None);
    ledger.list("a", &serde_json::json!([{"counter": 3, "number": 7}])).unwrap();
    assert_eq!(ledger.take(&told(8)).unwrap(), Some(1));
    assert!(ledger.clone().take(&told(8)).is_err() && ledger.clone().take(&told(10)).is_err());
    assert!(Ledger::new(Some(4)).take(&told(1)).is_err());
}
