//! Takes the steps of the protocol (`bell.rs`) with the session, the hub and the clock.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Tailer;
use super::bell::Step;
use super::session::Session;
use crate::cursor::Cursor;
use crate::error::Result;

/// The pause between reads of an awake tailer: changes that come faster than this share a batch.
const AWAKE_PAUSE: Duration = Duration::from_millis(1);

/// Where much is written the pause grows, by 1 ms for so many changes in the last read. What a read costs beside its changes is
/// the same for one and for a hundred, and the writers' processors bear it. At half as many a ms it settles at the shortest.
const CHANGES_A_MS: u32 = 8;

/// However much is written.
const LONGEST_PAUSE: Duration = Duration::from_millis(8);

/// The pace of a tailer that finds no bed free.
const BEDLESS_PAUSE: Duration = Duration::from_millis(20);

/// Reads and sleeps. Steady writing keeps the tailer awake for ever, so it returns at `until`, when there is something else
/// to do; a sleep it does not cut short, for that ends by the slow timer.
pub async fn turn(tailer: &Tailer, session: &Session, cursor: &mut Arc<Cursor>, until: Instant) -> Result<()> {
    let mut step = Step::START;
    let outcome = take_steps(&mut step, tailer, session, cursor, until).await;
    // After an error: a session that only seems broken must not go on keeping the bed.
    if let Some(bed) = step.bed() {
        _ = session.leave_bed(bed).await;
    }
    outcome
}

async fn take_steps(step: &mut Step, tailer: &Tailer, session: &Session, cursor: &mut Arc<Cursor>, until: Instant) -> Result<()> {
    let mut waking = Instant::now();
    let mut changes = 0;
    while !(step.is_free() && Instant::now() >= until) {
        *step = match *step {
            Step::Discard(at) => {
                session.discard_bells();
                Step::after_discard(at)
            }
            Step::Read(at) => {
                changes = tailer.read(session, cursor).await?;
                Step::after_read(at, changes > 0)
            }
            Step::Pause { idle } => {
                tokio::time::sleep(pause_after(changes)).await;
                Step::after_pause(idle)
            }
            Step::TakeBed => {
                waking = Instant::now() + tailer.config.tail.slow_timer;
                Step::after_trying(session.take_bed().await?)
            }
            Step::Stand => {
                tokio::select! {
                    () = session.bell() => {}
                    () = tailer.hub.read_wanted() => {}
                    () = tokio::time::sleep(BEDLESS_PAUSE) => {}
                }
                Step::after_standing()
            }
            Step::Sleep(bed) => tokio::select! {
                () = session.bell() => Step::after_bell(bed),
                () = tailer.hub.read_wanted() => Step::after_want(bed),
                () = tokio::time::sleep_until(waking) => Step::after_oversleeping(bed),
            },
            Step::LeaveBed(bed) => {
                session.leave_bed(bed).await?;
                Step::after_leaving()
            }
        };
    }
    Ok(())
}

/// How long to let changes gather after a read that brought so many.
fn pause_after(changes: usize) -> Duration {
    let changes = u32::try_from(changes).unwrap_or(u32::MAX);
    (AWAKE_PAUSE * (changes / CHANGES_A_MS)).clamp(AWAKE_PAUSE, LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_with_what_is_written_up_to_a_bound() {
        assert_eq!([0, 1, 15].map(pause_after), [AWAKE_PAUSE; 3]);
        assert_eq!(pause_after(40), Duration::from_millis(5));
        assert_eq!([64, 1_000, usize::MAX].map(pause_after), [LONGEST_PAUSE; 3]);
    }
}
