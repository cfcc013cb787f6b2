//! Breadth first through every world that can be reached, so that the first counterexample is a shortest one.

use std::collections::HashMap;
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hasher};

use super::world::{Model, Move, World};
use super::{Fault, Step};

/// What was found.
pub struct Found {
    pub worlds: usize,
    pub moves: usize,
    /// What went wrong and the moves that led to it.
    pub wrong: Option<String>,
}

/// Explores until a world is wrong by `check`, or to the end; then looks whether everything comes to rest.
pub fn explore(model: &Model, check: impl Fn(&Model, &World) -> Result<(), String>) -> Found {
    let mut worlds = vec![World::default()];
    let mut numbers: HashMap<World, usize, BuildHasherDefault<Folded>> = HashMap::default();
    numbers.insert(World::default(), 0);
    // How each was reached first; and where certain moves come from, for the worlds that they must bring to rest.
    let mut origins: Vec<Option<(usize, Move)>> = vec![None];
    let mut backwards: Vec<Vec<usize>> = vec![Vec::new()];
    let mut to_settle = Vec::new();
    let (mut at, mut moves, mut out) = (0, 0, Vec::new());
    while at < worlds.len() {
        let world = worlds[at];
        out.clear();
        model.moves(&world, &mut out);
        let checked = check(model, &world).and_then(|()| nobody_waits(model, &world, &out));
        if let Err(wrong) = checked {
            return Found { worlds: worlds.len(), moves, wrong: Some(format!("{wrong}\n{}", path(model, &worlds, &origins, at))) };
        }
        // A server that hangs in bed for good, and one that is not found dead, may keep a writer from preparing quietly, and
        // only that one.
        let settles = model.at_rest(&world) || world.ghosts == 0 && !world.servers.iter().any(|server| server.hangs);
        if settles {
            to_settle.push(at);
        }
        moves += out.len();
        for (made, next) in out.drain(..) {
            let next = in_order(model, next);
            let number = *numbers.entry(next).or_insert_with(|| {
                worlds.push(next);
                origins.push(Some((at, made)));
                backwards.push(Vec::new());
                worlds.len() - 1
            });
            if settles && made.is_certain() {
                backwards[number].push(at);
            }
        }
        at += 1;
    }
    let wrong = never_settles(model, &worlds, &backwards, &to_settle)
        .map(|at| format!("it never comes to rest\n{}", path(model, &worlds, &origins, at)));
    Found { worlds: worlds.len(), moves, wrong }
}

/// Servers are all alike, so worlds that differ only in which is which are one. Not where a counterexample is to be read.
fn in_order(model: &Model, mut world: World) -> World {
    if model.setup.fault == Fault::None {
        world.servers[..model.setup.servers].sort_unstable();
    }
    world
}

/// Whatever the others do or leave undone, a writer can go on, and so can a server that is not asleep.
fn nobody_waits(model: &Model, world: &World, out: &[(Move, World)]) -> Result<(), String> {
    let certain = out.iter().filter(|(made, _)| made.is_certain());
    let mut going = [0_u8; 2];
    for (made, _) in certain {
        match made {
            Move::Write(number, _) => going[0] |= 1 << number,
            Move::Listen(number) | Move::Take(number, _) | Move::GetNoBed(number) | Move::Wake(number) => going[1] |= 1 << number,
            _ => {}
        }
    }
    for number in 0..model.setup.writers.len() {
        let done = going[0] & (1 << number) != 0 || model.is_done(world, number);
        if !done {
            return Err(format!("writer {number} waits"));
        }
    }
    for (number, server) in world.servers[..model.setup.servers].iter().enumerate() {
        if !server.hangs && !server.sleeps() && going[1] & (1 << number) == 0 {
            return Err(format!("server {number} waits, and is not asleep"));
        }
    }
    Ok(())
}

/// A world from which the certain moves do not lead to where the writers are at rest, and everybody who does not hang has
/// read everything and sleeps, or stands because all beds are taken.
fn never_settles(model: &Model, worlds: &[World], backwards: &[Vec<usize>], to_settle: &[usize]) -> Option<usize> {
    let settled = |world: &World| {
        if !model.at_rest(world) {
            return false;
        }
        let all_taken = Model::locked(world).count_ones() == u32::from(model.setup.beds);
        world.servers[..model.setup.servers].iter().filter(|server| !server.hangs).all(|server| {
            let stands = all_taken && matches!(server.step, Some(Step::TakeBed));
            server.read == world.visible && !server.coming && (server.sleeps() || stands)
        })
    };
    let mut settles = vec![false; worlds.len()];
    let mut stack: Vec<usize> = to_settle.iter().copied().filter(|&at| settled(&worlds[at])).collect();
    while let Some(at) = stack.pop() {
        if !std::mem::replace(&mut settles[at], true) {
            stack.extend(&backwards[at]);
        }
    }
    to_settle.iter().copied().find(|&at| !settles[at])
}

/// The moves from the beginning to a world, one a line, and that world.
fn path(model: &Model, worlds: &[World], origins: &[Option<(usize, Move)>], at: usize) -> String {
    let mut moves = Vec::new();
    let mut reached = at;
    while let Some((from, made)) = origins[reached] {
        moves.push(made);
        reached = from;
    }
    let mut text = String::new();
    for (number, made) in moves.iter().rev().enumerate() {
        _ = writeln!(text, "{:>4}. {made:?}", number + 1);
    }
    for (number, server) in worlds[at].servers[..model.setup.servers].iter().enumerate() {
        _ = writeln!(text, "      server {number}: {server:?}");
    }
    text
}

/// The standard library's hasher resists an attacker, which takes half the time in here.
#[derive(Default)]
struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }

    fn write_i32(&mut self, number: i32) {
        self.write_u64(number as u64);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}
