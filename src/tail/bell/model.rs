//! Every order of events that the protocol can meet, explored to the end.
//!
//! Servers take the steps of [`super::Step`], the same that the server takes; writers the parts of their transactions in
//! PostgreSQL's order. Sessions are lost and servers hang at any step. The slow timer is off: nothing but a bell ends a sleep.
//!
//! A model is worth what it can find: [`Fault`] has what has been thought of and was wrong, and each is found out.
//!
//! `cargo test --lib bell -- --nocapture` prints how many worlds there are, and the shortest counterexample of each fault;
//! `cargo test --release --lib bell -- --ignored --nocapture` explores larger ones, for minutes.

mod explore;
mod server;
mod world;
mod writer;

use super::{At, Bed, IDLE_READS, Step};
use explore::explore;
use world::{Model, Setup, World};
use writer::Statement::{self, Prepare, Quietly, RollbackTo, Savepoint, Write};

/// Forms of the protocol that were thought of, all but one of which lose changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// A server that sleeps as soon as it has a bed.
    NoReadInBed,
    /// The read and the discard change places: so what was rung before the sleep began is not looked at.
    DiscardAfterTheRead,
    /// LISTEN only right before the sleep.
    ListenAfterTheRead,
    /// A sleeper relies on the lock of another one.
    BedSharedBySleepers,
    SleepWithoutBed,
    WriterKnowsFewerBeds,
    /// A writer tries once in a transaction, and does not know that ROLLBACK TO gave the shares back.
    RememberedTry,
    RingAtTheFirstBedOnly,
    LocksReleasedBeforeVisible,
    /// Loses nothing, but a bell without a change leaves the bed taken: whoever is to prepare a transaction rings for ever.
    SleepOnAfterABell,
    /// No fault: rows and shares both belong to the transaction until it is visible, whichever came first.
    TriesBeforeTheAppend,
}

const ONE: &[Statement] = &[Write];
const TWO: &[Statement] = &[Write, Write];
/// Logged before the savepoint; the second statement's tries are given back, its rows and its bell too.
const ROLLED_BACK: &[Statement] = &[Write, Savepoint, Write, RollbackTo];
/// Nothing before the savepoint, something again after ROLLBACK TO.
const WRITTEN_AGAIN: &[Statement] = &[Savepoint, Write, RollbackTo, Write];
const PREPARED: &[Statement] = &[Quietly, Write, Prepare];

fn setup(servers: usize, beds: u8, writers: &[&[Statement]]) -> Setup {
    let writers = writers.iter().map(|statements| statements.to_vec()).collect();
    Setup { servers, beds, writers, crashes: 0, hangs: 0, rollbacks: false, wanted: false, all_idle_reads: false, fault: Fault::None }
}

/// Asleep with something unread, and no bell under way: that change is lost until the next one, or until the slow timer.
fn nothing_is_lost(model: &Model, world: &World) -> Result<(), String> {
    let lost = |server: &&world::Server| server.sleeps() && server.read != world.visible && !server.coming;
    match world.servers[..model.setup.servers].iter().find(lost) {
        Some(_) => Err("asleep with a change unread, and no bell under way".to_owned()),
        None => Ok(()),
    }
}

/// All that must hold in every world.
fn all_is_well(model: &Model, world: &World) -> Result<(), String> {
    nothing_is_lost(model, world)?;
    let servers = &world.servers[..model.setup.servers];
    if servers.iter().any(|server| matches!(server.step, Some(Step::Sleep(_))) && !(server.has_lock && server.listens)) {
        return Err("asleep without a bed or LISTEN".to_owned());
    }
    let held = servers.iter().filter(|server| server.has_lock).count() + world.ghosts.count_ones() as usize;
    if held != Model::locked(world).count_ones() as usize || Model::locked(world) & Model::shared(world) != 0 {
        return Err("a bed is held by two".to_owned());
    }
    if model.rings_prepared(world) {
        return Err("a transaction that asked to prepare quietly has rung".to_owned());
    }
    Ok(())
}

fn holds(setup: Setup) {
    let model = Model::new(setup);
    let found = explore(&model, all_is_well);
    println!("{:>9} worlds, {:>9} moves: {:?}", found.worlds, found.moves, model.setup);
    assert!(found.wrong.is_none(), "{:?}: {}", model.setup, found.wrong.unwrap_or_default());
}

#[test]
fn no_order_of_events_leaves_a_change_unread_while_all_sleep() {
    holds(Setup { crashes: 1, hangs: 1, rollbacks: true, ..setup(2, 2, &[ROLLED_BACK]) });
    for script in [TWO, ROLLED_BACK, WRITTEN_AGAIN] {
        holds(Setup { crashes: 1, ..setup(2, 1, &[script]) });
        holds(Setup { hangs: 1, ..setup(2, 2, &[script]) });
    }
    holds(Setup { wanted: true, ..setup(2, 1, &[ONE, ONE]) });
    holds(setup(3, 1, &[ROLLED_BACK]));
    holds(setup(3, 2, &[ONE]));
    holds(Setup { all_idle_reads: true, crashes: 1, ..setup(1, 1, &[ONE]) });
}

#[test]
fn a_transaction_that_prepares_quietly_never_rings_and_is_never_lost() {
    holds(Setup { crashes: 1, hangs: 1, rollbacks: true, ..setup(2, 2, &[PREPARED]) });
    holds(setup(2, 2, &[PREPARED, ONE]));
    let model = Model::new(Setup { fault: Fault::SleepOnAfterABell, ..setup(1, 1, &[PREPARED]) });
    let wrong = explore(&model, all_is_well).wrong.expect("a sleeper that does not leave its bed keeps a writer from preparing");
    assert!(wrong.contains("never comes to rest"), "{wrong}");
    let model = Model::new(setup(1, 1, &[&[Write, Prepare]]));
    let wrong = explore(&model, all_is_well).wrong.expect("a writer that does not ask meets a sleeper");
    assert!(wrong.contains("has rung"), "{wrong}");
}

/// What a step can lead to, whatever comes of it.
fn outcomes(step: Step) -> Vec<Step> {
    match step {
        Step::Discard(at) => vec![Step::after_discard(at)],
        Step::Read(at) => [true, false].map(|changes| Step::after_read(at, changes)).into(),
        Step::Pause { idle } => vec![Step::after_pause(idle)],
        Step::TakeBed => [None, Some(1)].map(Step::after_trying).into(),
        Step::Stand => vec![Step::after_standing()],
        Step::Sleep(bed) => vec![Step::after_bell(bed), Step::after_want(bed), Step::after_oversleeping(bed)],
        Step::LeaveBed(_) => vec![Step::after_leaving()],
    }
}

/// Read, not by what the code says but by where its steps lead.
#[test]
fn a_read_follows_a_discard_a_sleep_follows_a_read_in_bed_and_a_read_is_never_far() {
    let mut steps = vec![Step::START];
    let mut at = 0;
    while at < steps.len() {
        let step = steps[at];
        for next in outcomes(step) {
            assert_eq!(matches!(next, Step::Read(_)), matches!(step, Step::Discard(_)), "{step:?} to {next:?}");
            if let Step::Sleep(bed) = next {
                assert_eq!(step, Step::Read(At::InBed(bed)));
            }
            assert!(step.bed().is_none() || next.bed() == step.bed() || matches!(step, Step::LeaveBed(_)), "{step:?} keeps its bed");
            if !steps.contains(&next) {
                steps.push(next);
            }
        }
        assert!(is_near_a_read(step, 4), "{step:?}");
        at += 1;
    }
}

fn is_near_a_read(step: Step, most: usize) -> bool {
    match step {
        Step::Read(_) | Step::Sleep(_) => true,
        _ => most > 0 && outcomes(step).into_iter().all(|next| is_near_a_read(next, most - 1)),
    }
}

#[test]
fn every_fault_is_found() {
    let cases: [(Fault, Setup); 9] = [
        (Fault::NoReadInBed, setup(1, 1, &[ONE])),
        (Fault::DiscardAfterTheRead, setup(1, 1, &[ONE])),
        (Fault::ListenAfterTheRead, setup(1, 1, &[ONE])),
        (Fault::BedSharedBySleepers, setup(2, 1, &[ONE, ONE])),
        (Fault::SleepWithoutBed, setup(1, 1, &[ONE])),
        (Fault::WriterKnowsFewerBeds, setup(2, 2, &[ONE])),
        (Fault::RememberedTry, setup(1, 1, &[WRITTEN_AGAIN])),
        (Fault::RingAtTheFirstBedOnly, setup(2, 2, &[ONE])),
        (Fault::LocksReleasedBeforeVisible, setup(1, 1, &[ONE])),
    ];
    for (fault, setup) in cases {
        let found = explore(&Model::new(Setup { fault, ..setup }), nothing_is_lost);
        let wrong = found.wrong.unwrap_or_else(|| panic!("{fault:?} was not found out in {} worlds", found.worlds));
        println!("{fault:?}, found in {} worlds: {wrong}", found.worlds);
        assert!(wrong.contains("unread"), "{fault:?}: {wrong}");
    }
}

#[test]
fn whether_a_writer_tries_or_appends_first_does_not_matter() {
    holds(Setup { fault: Fault::TriesBeforeTheAppend, hangs: 1, ..setup(2, 2, &[WRITTEN_AGAIN]) });
}

#[test]
#[ignore = "takes minutes: cargo test --release --lib bell -- --ignored --nocapture"]
fn no_order_of_events_does_in_larger_worlds_either() {
    for beds in [1, 2] {
        for script in [TWO, ROLLED_BACK, WRITTEN_AGAIN, PREPARED] {
            holds(Setup { crashes: 2, hangs: 2, rollbacks: true, wanted: true, ..setup(2, beds, &[script]) });
            holds(Setup { crashes: 1, hangs: 1, ..setup(3, beds, &[script]) });
        }
        holds(Setup { crashes: 1, hangs: 1, ..setup(2, beds, &[ONE, ONE]) });
        holds(setup(2, beds, &[ROLLED_BACK, WRITTEN_AGAIN]));
        holds(setup(3, beds, &[ONE, ONE]));
        holds(setup(2, beds, &[ONE, ONE, ONE]));
    }
}
