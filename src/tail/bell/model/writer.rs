//! A writer's transaction, cut into the parts that others can tell apart.

use super::Fault;
use super::world::{Model, Move, World, ring};

/// What a person would write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement {
    /// A statement that logs something and tries the beds.
    Write,
    Savepoint,
    RollbackTo,
    /// `rowcast.prepare_quietly()`.
    Quietly,
    /// `PREPARE TRANSACTION`. The commit that follows is a COMMIT PREPARED.
    Prepare,
}

/// A part of a transaction. The commit has its parts in PostgreSQL's order: NOTIFY goes into the queue, the transaction becomes
/// visible, its locks are released, the listeners are signalled. The first and the last are no parts of their own here: nobody
/// is told what is in the queue before its transaction is visible, and after that a listener may read it at any time, at
/// another's signal too. So a bell may arrive at any time from when its transaction is visible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Append,
    Try(u8),
    Savepoint,
    RollbackTo,
    Quietly(u8),
    Prepare,
    BecomeVisible,
    Unlock,
}

/// What a transaction has, at its top or since its savepoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Has {
    pub logged: bool,
    pub rings: bool,
    /// Beds held for a share, a bit each.
    pub shares: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Writer {
    /// The next part.
    pub next: u8,
    pub in_savepoint: bool,
    pub top: Has,
    pub inner: Has,
    /// Only for the faulty writer that remembers having tried.
    pub tried: bool,
}

impl Writer {
    pub fn has(&mut self) -> &mut Has {
        if self.in_savepoint { &mut self.inner } else { &mut self.top }
    }

    pub fn shares(&self) -> u8 {
        self.top.shares | self.inner.shares
    }

    pub fn rings(&self) -> bool {
        self.top.rings || self.inner.rings
    }

    pub fn logged(&self) -> bool {
        self.top.logged || self.inner.logged
    }
}

/// The parts of a transaction of these statements, by a trigger that knows so many beds.
pub fn parts(statements: &[Statement], beds: u8, fault: Fault) -> Vec<Part> {
    let mut parts = Vec::new();
    let tries = || (0..beds).map(Part::Try);
    for statement in statements {
        match statement {
            Statement::Write if fault == Fault::TriesBeforeTheAppend => {
                parts.extend(tries());
                parts.push(Part::Append);
            }
            Statement::Write => {
                parts.push(Part::Append);
                parts.extend(tries());
            }
            Statement::Savepoint => parts.push(Part::Savepoint),
            Statement::RollbackTo => parts.push(Part::RollbackTo),
            Statement::Quietly => parts.extend((0..beds).map(Part::Quietly)),
            Statement::Prepare => parts.push(Part::Prepare),
        }
    }
    if fault == Fault::LocksReleasedBeforeVisible {
        parts.extend([Part::Unlock, Part::BecomeVisible]);
    } else {
        parts.extend([Part::BecomeVisible, Part::Unlock]);
    }
    parts
}

impl Model {
    pub(super) fn writer_moves(&self, world: &World, number: usize, script: &[Part], out: &mut Vec<(Move, World)>) {
        let fault = self.setup.fault;
        let Some(&part) = script.get(usize::from(world.writers[number].next)) else { return };
        let (mut next, mut writer) = (*world, world.writers[number]);
        let started = writer != Writer::default();
        let past_tries = || {
            let rest = &script[usize::from(writer.next)..];
            writer.next + rest.iter().take_while(|part| matches!(part, Part::Try(_))).count() as u8
        };
        writer.next = match part {
            Part::Try(_) if fault == Fault::RememberedTry && writer.tried => past_tries(),
            Part::Try(bed) if Model::locked(world) & (1 << bed) != 0 => {
                let after = past_tries();
                writer.has().rings |= fault != Fault::RingAtTheFirstBedOnly || bed == 0;
                after
            }
            _ => writer.next + 1,
        };
        match part {
            Part::Append => writer.has().logged = true,
            Part::Try(bed) if Model::locked(world) & (1 << bed) == 0 => {
                writer.has().shares |= 1 << bed;
                writer.tried = fault == Fault::RememberedTry;
            }
            Part::Quietly(bed) if Model::locked(world) & (1 << bed) == 0 => writer.has().shares |= 1 << bed,
            // Rolls back, rings in a transaction of its own, and begins again.
            Part::Quietly(_) => {
                writer = Writer::default();
                ring(&mut next);
            }
            Part::Savepoint => writer.in_savepoint = true,
            // What it locked since is unlocked, and what it would have rung is not rung.
            Part::RollbackTo => writer.inner = Default::default(),
            Part::BecomeVisible => {
                next.visible |= u8::from(writer.logged()) << number;
                if writer.rings() {
                    ring(&mut next);
                }
            }
            Part::Unlock => (writer.top.shares, writer.inner.shares) = (0, 0),
            Part::Try(_) | Part::Prepare => {}
        }
        let end = script.len() as u8;
        if writer.next == end {
            writer = Writer { next: end, ..Writer::default() };
        }
        next.writers[number] = writer;
        out.push((Move::Write(number, part), next));
        if self.setup.rollbacks && started && !matches!(part, Part::BecomeVisible | Part::Unlock) {
            let mut next = *world;
            next.writers[number] = Writer { next: end, ..Writer::default() };
            out.push((Move::RollBack(number), next));
        }
    }
}
