//! What a server can do: its next step, and what may befall it.

use super::world::{Model, Move, Server, World, bit};
use super::{At, Bed, Fault, IDLE_READS, Step};

impl Model {
    pub(super) fn server_moves(&self, world: &World, number: usize, out: &mut Vec<(Move, World)>) {
        let fault = self.setup.fault;
        let server = world.servers[number];
        let mut to = |made: Move, change: &dyn Fn(&mut World, &mut Server)| {
            let (mut next, mut server) = (*world, server);
            change(&mut next, &mut server);
            server.step = server.step.map(|step| self.skip(step));
            next.servers[number] = server;
            out.push((made, next));
        };
        if server.step.is_some() && world.crashes < self.setup.crashes {
            // Its process may go on and connect anew, from the cursor that it had. The old session's bed is free only when
            // PostgreSQL finds out.
            to(Move::Crash(number), &|next, server| {
                next.crashes += 1;
                next.ghosts |= server.lock();
                *server = Server { read: server.read, ..Server::default() };
            });
        }
        if server.hangs {
            to(Move::GoOn(number), &|_, server| server.hangs = false);
            return;
        }
        if server.step.is_some() && world.hangs < self.setup.hangs {
            to(Move::Hang(number), &|next, server| {
                next.hangs += 1;
                server.hangs = true;
            });
        }
        if server.coming {
            to(Move::Deliver(number), &|_, server| (server.coming, server.rung) = (false, true));
        }
        match server.step {
            None => to(Move::Listen(number), &|_, server| {
                server.step = Some(Step::START);
                server.listens = fault != Fault::ListenAfterTheRead;
            }),
            Some(step @ Step::Discard(at)) if fault == Fault::DiscardAfterTheRead => to(Move::Take(number, step), &|next, server| {
                server.read = next.visible;
                server.step = Some(Step::after_discard(at));
            }),
            Some(step @ Step::Read(at)) if fault == Fault::DiscardAfterTheRead => to(Move::Take(number, step), &|_, server| {
                server.rung = false;
                server.step = Some(Step::after_read(at, false));
            }),
            Some(step @ Step::Discard(at)) => to(Move::Take(number, step), &|_, server| {
                server.rung = false;
                server.step = Some(Step::after_discard(at));
            }),
            Some(step @ Step::Read(at)) => to(Move::Take(number, step), &|next, server| {
                let changes = server.read != next.visible;
                server.read = next.visible;
                server.step = Some(Step::after_read(at, changes));
            }),
            Some(Step::TakeBed) => {
                // Any free one, or none: the beds are tried one after the other, and each may have been taken or left since.
                let taken_by_others = if fault == Fault::BedSharedBySleepers { 0 } else { Model::locked(world) };
                for bed in 1..=Bed::from(self.setup.beds) {
                    if (taken_by_others | Model::shared(world)) & bit(bed) == 0 {
                        to(Move::GetBed(number, bed), &|next, server| {
                            server.has_lock = Model::locked(next) & bit(bed) == 0;
                            server.step = Some(match fault {
                                Fault::NoReadInBed => Step::Sleep(bed),
                                _ => Step::after_trying(Some(bed)),
                            });
                        });
                    }
                }
                to(Move::GetNoBed(number), &|_, server| {
                    server.step = Some(match fault {
                        Fault::SleepWithoutBed => Step::Sleep(1),
                        _ => Step::after_trying(None),
                    });
                });
            }
            Some(Step::Sleep(_)) if !server.listens => to(Move::Listen(number), &|_, server| server.listens = true),
            Some(Step::Sleep(bed)) => {
                if server.rung {
                    to(Move::Wake(number), &|_, server| {
                        server.step = Some(match fault {
                            Fault::SleepOnAfterABell => Step::after_want(bed),
                            _ => Step::after_bell(bed),
                        })
                    });
                } else if self.setup.wanted {
                    to(Move::Wanted(number), &|_, server| server.step = Some(Step::after_want(bed)));
                }
            }
            Some(step @ Step::LeaveBed(_)) => to(Move::Take(number, step), &|_, server| {
                server.has_lock = false;
                server.step = Some(Step::after_leaving());
            }),
            Some(Step::Pause { .. } | Step::Stand) => unreachable!("skipped"),
        }
    }

    /// Steps that only pass time are no moves: whatever else may happen meanwhile may happen before the next one.
    fn skip(&self, step: Step) -> Step {
        let step = match step {
            Step::Pause { idle } => Step::after_pause(idle),
            Step::Stand => Step::after_standing(),
            other => other,
        };
        match step {
            Step::Discard(At::Awake { .. }) if !self.setup.all_idle_reads => Step::Discard(At::Awake { idle: IDLE_READS - 1 }),
            other => other,
        }
    }
}
