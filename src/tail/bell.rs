//! When the tailer reads, and when it sleeps: the protocol by itself, without a clock, a database or a runtime.
//!
//! A [`Step`] is what the tailer is to do next; what came of it leads to the next one. `turn.rs` drives it in the server, `model` through
//! every order of events that there is, and `tests/it/bell` on a real PostgreSQL: what was proved is what runs.
//!
//! | step | what came of it | next |
//! |---|---|---|
//! | `Discard(at)` | done | `Read(at)` |
//! | `Read(Awake)` | changes; none | `Pause`, its idle reads counted anew or one more |
//! | `Pause` | over | `Discard(Awake)`; after enough idle reads `TakeBed` |
//! | `TakeBed` | a bed; none was free | `Discard(InBed)`; `Stand` |
//! | `Stand` | a bell, a read wanted, or a while | `Discard(Standing)` |
//! | `Read(Standing)` | changes; none | `Discard(Awake)`; `TakeBed` |
//! | `Read(InBed)` | changes; none | `LeaveBed`; `Sleep` |
//! | `Sleep` | a bell; a read wanted; the slow timer | `Discard(Rung)`; `Discard(InBed)`; `LeaveBed` |
//! | `Read(Rung)` | changes or none | `LeaveBed` |
//! | `LeaveBed` | done | `Discard(Awake)` |
//!
//! Invariants, of which `model` shows that no order of events breaks them:
//! - Asleep implies a bed held, LISTEN before it, and the last snapshot after it.
//! - Bells are discarded right before a read and nowhere else, so asleep with something unread implies a bell that is
//!   queued or in flight.
//! - With the slow timer off and writers at rest, everything has been read.
//! - Nobody waits for a bed: beds are only ever tried.

#[cfg(test)]
mod model;

/// Reads without a change before the tailer goes to sleep.
pub const IDLE_READS: u32 = 12;

/// An advisory lock, by its number from 1 on. Held exclusively by one who sleeps in it, or is about to or has just done so.
pub type Bed = i32;

/// What the tailer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// Forget the bells that have arrived. The read that follows sees what they were rung for.
    Discard(At),
    /// Read, with a snapshot that is taken now.
    Read(At),
    /// Let changes gather that come fast, to share a batch.
    Pause {
        idle: u32,
    },
    /// Try the beds.
    TakeBed,
    /// No bed was free: others sleep in them, or a writer that stays in its transaction holds its shares. Wait for a while; a
    /// bell, or somebody who needs a read, may end it earlier, but nobody need ring.
    Stand,
    /// Wait for a bell that has arrived since the last discard, for somebody who needs a read, or for the slow timer.
    Sleep(Bed),
    LeaveBed(Bed),
}

/// Where the tailer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// At its own pace, after so many reads without a change.
    Awake { idle: u32 },
    /// Without a bed.
    Standing,
    /// Once more after the bed was taken, because a writer may have committed in silence before; and whenever a poll needs it.
    InBed(Bed),
    /// In bed, at a bell: what it was rung for is read before the bed is left, which spares it a round trip. The bed is left
    /// whatever there was to read, for whoever is to prepare a transaction rings to have the beds empty.
    Rung(Bed),
}

impl Step {
    /// The first step of a session that LISTENs.
    pub const START: Step = Step::Discard(At::Awake { idle: 0 });

    /// The bed that the tailer holds while this is its next step.
    pub fn bed(self) -> Option<Bed> {
        match self {
            Step::Discard(At::InBed(bed) | At::Rung(bed)) | Step::Read(At::InBed(bed) | At::Rung(bed)) => Some(bed),
            Step::Sleep(bed) | Step::LeaveBed(bed) => Some(bed),
            _ => None,
        }
    }

    /// Whether the tailer may do something else here, and then begin at the start.
    pub fn is_free(self) -> bool {
        matches!(self, Step::Discard(At::Awake { .. }) | Step::TakeBed)
    }

    pub fn after_discard(at: At) -> Step {
        Step::Read(at)
    }

    pub fn after_read(at: At, changes: bool) -> Step {
        match (at, changes) {
            (At::Awake { .. }, true) => Step::Pause { idle: 0 },
            (At::Awake { idle }, false) => Step::Pause { idle: idle + 1 },
            (At::Standing, true) => Step::START,
            (At::Standing, false) => Step::TakeBed,
            (At::InBed(bed), true) | (At::Rung(bed), _) => Step::LeaveBed(bed),
            (At::InBed(bed), false) => Step::Sleep(bed),
        }
    }

    pub fn after_pause(idle: u32) -> Step {
        if idle < IDLE_READS { Step::Discard(At::Awake { idle }) } else { Step::TakeBed }
    }

    pub fn after_trying(bed: Option<Bed>) -> Step {
        match bed {
            Some(bed) => Step::Discard(At::InBed(bed)),
            None => Step::Stand,
        }
    }

    pub fn after_standing() -> Step {
        Step::Discard(At::Standing)
    }

    pub fn after_bell(bed: Bed) -> Step {
        Step::Discard(At::Rung(bed))
    }

    /// A poll needs a read. Without a change the sleep goes on.
    pub fn after_want(bed: Bed) -> Step {
        Step::Discard(At::InBed(bed))
    }

    /// The slow timer.
    pub fn after_oversleeping(bed: Bed) -> Step {
        Step::LeaveBed(bed)
    }

    pub fn after_leaving() -> Step {
        Step::START
    }
}
