//! Cursors: what a client has seen, as a PostgreSQL snapshot in an epoch. Pure.
//!
//! A snapshot `xmin:xmax:xip` (PostgreSQL manual, "Transaction ID and Snapshot Information Functions") sees every
//! transaction below `xmin`, none from `xmax` on, and between them all but those in `xip`. Cursors are compared by
//! inclusion, never by equality or `xmin`: a long-running writer keeps `xmin` back for hours.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The most transactions in progress that a cursor from outside may name. PostgreSQL cannot have more backends
/// (`MAX_BACKENDS`, 2^18 - 1), and a body is refused by its size long before this.
const MAX_IN_PROGRESS: u64 = 1 << 18;

/// The first byte of an encoded cursor: the form of what follows.
const FORM: u8 = 1;

/// A set of transactions seen: every id below `xmax` but those in `xip`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// The first transaction id that had not been given out: nothing from here on is seen.
    xmax: u64,
    /// Those below `xmax` that were in progress; ascending, without duplicates, and never `xmax - 1`.
    xip: Vec<u64>,
}

impl Snapshot {
    /// Makes a snapshot of any `xmax` and set of ids in progress.
    pub fn new(mut xmax: u64, mut xip: Vec<u64>) -> Snapshot {
        xip.sort_unstable();
        xip.dedup();
        xip.retain(|&xid| xid < xmax);
        // Two spellings of one set must be equal: what is in progress right below xmax is simply not seen.
        while xip.last().is_some_and(|&last| last + 1 == xmax) {
            xip.pop();
            xmax -= 1;
        }
        Snapshot { xmax, xip }
    }

    /// Whether this snapshot sees the transaction `xid`.
    pub fn sees(&self, xid: u64) -> bool {
        xid < self.xmax && self.xip.binary_search(&xid).is_err()
    }

    /// Whether this snapshot sees all that `other` sees.
    pub fn includes(&self, other: &Snapshot) -> bool {
        // What we do not see must be unseen by the other as well: our xip, and everything from our xmax on.
        let beyond = other.xmax.saturating_sub(self.xmax);
        let unseen_beyond = other.xip.len() - other.xip.partition_point(|&xid| xid < self.xmax);
        beyond == unseen_beyond as u64 && self.xip.iter().all(|&xid| !other.sees(xid))
    }

    /// What both have seen: the newest snapshot that both include.
    pub fn meet(&self, other: &Snapshot) -> Snapshot {
        let xip = self.xip.iter().chain(&other.xip).copied().collect();
        Snapshot::new(self.xmax.min(other.xmax), xip)
    }

    /// The first id that is not seen, with none seen after it.
    pub fn xmax(&self) -> u64 {
        self.xmax
    }

    /// The ids below `xmax` that are not seen, ascending.
    pub fn in_progress(&self) -> &[u64] {
        &self.xip
    }
}

impl FromStr for Snapshot {
    type Err = MalformedCursor;

    /// Parses PostgreSQL's text form, `xmin:xmax:xip,xip,…`.
    fn from_str(text: &str) -> Result<Snapshot, MalformedCursor> {
        let mut parts = text.split(':');
        let (Some(_xmin), Some(xmax), Some(xip), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(MalformedCursor);
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| MalformedCursor);
        let xip = xip.split(',').filter(|xid| !xid.is_empty()).map(number).collect::<Result<Vec<_>, _>>()?;
        Ok(Snapshot::new(number(xmax)?, xip))
    }
}

/// "I have seen all that this snapshot of this epoch sees." Opaque to clients.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cursor {
    pub epoch: i64,
    pub snapshot: Snapshot,
}

/// A cursor that no server of this kind has handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedCursor;

impl fmt::Display for MalformedCursor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("not a cursor: give the one of an earlier answer or of the Rowcast-Cursor header, unchanged")
    }
}

impl std::error::Error for MalformedCursor {}

impl fmt::Display for Cursor {
    /// base64url of: the form, the epoch, `xmax`, the number of ids in progress (so that a text cut short is found out), and
    /// the distances downwards from `xmax` to them, as LEB128 varints. 500 of them take about 700 characters.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let mut bytes = Vec::with_capacity(32 + self.snapshot.xip.len());
        bytes.push(FORM);
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        push_varint(&mut bytes, self.snapshot.xmax);
        push_varint(&mut bytes, self.snapshot.xip.len() as u64);
        let mut above = self.snapshot.xmax;
        for &xid in self.snapshot.xip.iter().rev() {
            push_varint(&mut bytes, above - xid);
            above = xid;
        }
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl Cursor {
    /// The same cursor in another spelling for each round: a poll without news that asks again must not be the same request
    /// to a cache, or it would get the same answer for as long as that is kept.
    pub fn in_round(&self, round: u64) -> String {
        format!("{self}.{round}")
    }
}

impl FromStr for Cursor {
    type Err = MalformedCursor;

    /// A round may be there; it means nothing.
    fn from_str(text: &str) -> Result<Cursor, MalformedCursor> {
        let is_round = |round: &str| !round.is_empty() && round.bytes().all(|byte| byte.is_ascii_digit());
        let text = text.split_once('.').filter(|(_, round)| is_round(round)).map_or(text, |(cursor, _)| cursor);
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| MalformedCursor)?;
        let (&[FORM], rest) = bytes.split_first_chunk::<1>().ok_or(MalformedCursor)? else {
            return Err(MalformedCursor);
        };
        let (epoch, mut rest) = rest.split_first_chunk::<8>().ok_or(MalformedCursor)?;
        let xmax = take_varint(&mut rest)?;
        let count = take_varint(&mut rest)?;
        if count > MAX_IN_PROGRESS {
            return Err(MalformedCursor);
        }
        let mut xip = Vec::new();
        let mut above = xmax;
        for _ in 0..count {
            let distance = take_varint(&mut rest)?;
            above = above.checked_sub(distance).filter(|_| distance > 0).ok_or(MalformedCursor)?;
            xip.push(above);
        }
        if !rest.is_empty() {
            return Err(MalformedCursor);
        }
        Ok(Cursor { epoch: i64::from_be_bytes(*epoch), snapshot: Snapshot::new(xmax, xip) })
    }
}

fn push_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take_varint(bytes: &mut &[u8]) -> Result<u64, MalformedCursor> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(MalformedCursor)?;
        *bytes = rest;
        let part = u64::from(byte & 0x7f);
        if (part << shift) >> shift != part {
            return Err(MalformedCursor);
        }
        value |= part << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    Err(MalformedCursor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_changes_the_spelling_and_not_the_cursor() {
        let cursor = Cursor { epoch: 7, snapshot: Snapshot::new(20, vec![15]) };
        assert_eq!(cursor.in_round(58_842).parse(), Ok(cursor.clone()));
        for wrong in [".", ".x", ".1.2", ".-1"] {
            assert_eq!(format!("{cursor}{wrong}").parse::<Cursor>(), Err(MalformedCursor), "{wrong}");
        }
    }

    fn snapshot(text: &str) -> Snapshot {
        text.parse().unwrap()
    }

    #[test]
    fn sees_what_had_ended_and_nothing_else() {
        let s = snapshot("10:20:10,15");
        assert!(s.sees(9) && s.sees(11) && s.sees(19));
        assert!(!s.sees(10) && !s.sees(15) && !s.sees(20) && !s.sees(u64::MAX));
    }

    /// Inclusion against its definition, over every pair of snapshots of a small world.
    #[test]
    fn inclusion_is_subset_of_what_is_seen() {
        let mut all = Vec::new();
        for xmax in 0..6u64 {
            for mask in 0..1u64 << xmax {
                all.push(Snapshot::new(xmax, (0..xmax).filter(|xid| mask >> xid & 1 == 1).collect()));
            }
        }
        for a in &all {
            for b in &all {
                let subset = (0..8).all(|xid| !b.sees(xid) || a.sees(xid));
                assert_eq!(a.includes(b), subset, "{a:?} includes {b:?}");
                let both = (0..8).all(|xid| a.meet(b).sees(xid) == (a.sees(xid) && b.sees(xid)));
                assert!(both, "{a:?} meets {b:?}");
                let same = (0..8).all(|xid| a.sees(xid) == b.sees(xid));
                assert_eq!(a == b, same, "{a:?} == {b:?}");
            }
        }
    }

    #[test]
    fn a_cursor_survives_its_text() {
        for text in ["1:1:", "3:3:", "10:20:10,15", "830:18446744073709551615:830,12345678901"] {
            let cursor = Cursor { epoch: -8_067_862_178_582_369_458, snapshot: snapshot(text) };
            assert_eq!(cursor.to_string().parse(), Ok(cursor), "{text}");
        }
    }

    #[test]
    fn five_hundred_transactions_in_progress_fit_in_two_kilobytes() {
        let xip: Vec<u64> = (0..500).map(|i| 4_000_000_000 + i * 150).collect();
        let cursor = Cursor { epoch: 1, snapshot: Snapshot::new(4_000_100_000, xip) };
        assert!(cursor.to_string().len() <= 2048, "{}", cursor.to_string().len());
    }

    #[test]
    fn what_is_no_cursor_is_refused() {
        let good = Cursor { epoch: 7, snapshot: snapshot("10:20:10,15") }.to_string();
        for bad in ["", "now", "AQ", &good[..good.len() - 1], "Ag", "////", &good.replace('A', " ")] {
            assert!(bad.parse::<Cursor>().is_err(), "{bad}");
        }
        assert!("5:9".parse::<Snapshot>().is_err());
    }
}
