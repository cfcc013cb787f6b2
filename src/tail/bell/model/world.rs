//! Servers, writers and what PostgreSQL keeps between them; and every move that one of them can make.

use super::writer::{Part, Statement, Writer, parts};
use super::{Bed, Fault, Step};

/// The most servers and writers that a world has room for.
pub const SERVERS: usize = 3;
pub const WRITERS: usize = 3;

/// What is explored.
#[derive(Clone, Debug)]
pub struct Setup {
    pub servers: usize,
    pub beds: u8,
    pub writers: Vec<Vec<Statement>>,
    /// How many sessions may be lost, at any step; the server then begins a new one.
    pub crashes: u8,
    /// How many servers may hang, at any step, and go on at any later one or never.
    pub hangs: u8,
    /// Whether a writer may also roll back, before any part up to the commit.
    pub rollbacks: bool,
    /// Whether a poll may ask for a read at any time.
    pub wanted: bool,
    /// Every idle read counts. Otherwise one is taken for all: the others repeat it.
    pub all_idle_reads: bool,
    pub fault: Fault,
}

/// A server, with its session at the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Server {
    /// None without a session.
    pub step: Option<Step>,
    pub listens: bool,
    /// Whether its session has the lock of its bed, as it always should.
    pub has_lock: bool,
    /// A bell has arrived since the last discard.
    pub rung: bool,
    /// A bell is queued or in flight to it.
    pub coming: bool,
    pub hangs: bool,
    /// The transactions that it has read, a bit each.
    pub read: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct World {
    pub servers: [Server; SERVERS],
    pub writers: [Writer; WRITERS],
    /// Beds whose holder is gone, and whose session PostgreSQL has yet to find dead. A bit each.
    pub ghosts: u8,
    /// Committed transactions that logged something, a bit each.
    pub visible: u8,
    pub crashes: u8,
    pub hangs: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    Listen(usize),
    /// A step of the server's that can end in one way only.
    Take(usize, Step),
    GetBed(usize, Bed),
    GetNoBed(usize),
    Wake(usize),
    /// Woken by a poll that needs a read.
    Wanted(usize),
    Deliver(usize),
    Write(usize, Part),
    RollBack(usize),
    Crash(usize),
    Hang(usize),
    GoOn(usize),
    FindDead(Bed),
}

impl Move {
    /// Whether it happens by itself sooner or later. The others may happen or not.
    pub fn is_certain(self) -> bool {
        use Move::*;
        match self {
            Listen(_) | Take(..) | GetBed(..) | GetNoBed(_) | Wake(_) | Deliver(_) | Write(..) => true,
            Wanted(_) | RollBack(_) | Crash(_) | Hang(_) | GoOn(_) | FindDead(_) => false,
        }
    }
}

pub(super) fn bit(bed: Bed) -> u8 {
    1 << (bed - 1)
}

impl Server {
    pub(super) fn lock(&self) -> u8 {
        self.step.and_then(Step::bed).filter(|_| self.has_lock).map_or(0, bit)
    }

    /// Blocked until a bell arrives.
    pub fn sleeps(&self) -> bool {
        matches!(self.step, Some(Step::Sleep(_))) && self.listens && !self.rung
    }
}

/// All worlds that one setup leads to.
pub struct Model {
    pub setup: Setup,
    pub(super) scripts: Vec<Vec<Part>>,
}

impl Model {
    pub fn new(setup: Setup) -> Model {
        let known = if setup.fault == Fault::WriterKnowsFewerBeds { setup.beds - 1 } else { setup.beds };
        let scripts = setup.writers.iter().map(|statements| parts(statements, known, setup.fault)).collect();
        Model { setup, scripts }
    }

    pub fn is_done(&self, world: &World, writer: usize) -> bool {
        usize::from(world.writers[writer].next) == self.scripts[writer].len()
    }

    pub fn at_rest(&self, world: &World) -> bool {
        (0..self.scripts.len()).all(|writer| self.is_done(world, writer))
    }

    /// Whether a writer's transaction is prepared, though it rings: PostgreSQL would have refused.
    pub fn rings_prepared(&self, world: &World) -> bool {
        let prepared =
            |(script, writer): (&Vec<Part>, &Writer)| script.get(usize::from(writer.next)) == Some(&Part::Prepare) && writer.rings();
        self.scripts.iter().zip(&world.writers).any(prepared)
    }

    /// Beds that somebody has the exclusive lock of.
    pub fn locked(world: &World) -> u8 {
        world.servers.iter().fold(world.ghosts, |locked, server| locked | server.lock())
    }

    /// What others share, or have locked.
    pub fn shared(world: &World) -> u8 {
        world.writers.iter().fold(0, |shared, writer| shared | writer.shares())
    }

    /// Every move that is possible, with the world that it leads to.
    pub fn moves(&self, world: &World, out: &mut Vec<(Move, World)>) {
        for number in 0..self.setup.servers {
            self.server_moves(world, number, out);
        }
        for (number, script) in self.scripts.iter().enumerate() {
            self.writer_moves(world, number, script, out);
        }
        for bed in (1..=Bed::from(self.setup.beds)).filter(|&bed| world.ghosts & bit(bed) != 0) {
            let mut next = *world;
            next.ghosts &= !bit(bed);
            out.push((Move::FindDead(bed), next));
        }
    }
}

/// A visible transaction that ran NOTIFY: its bell is under way to everybody who listens.
pub(super) fn ring(world: &mut World) {
    for server in &mut world.servers {
        server.coming |= server.listens;
    }
}
