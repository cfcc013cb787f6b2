//! When the tailer reads, and when it sleeps.
//!
//! Invariants:
//! - Asleep implies a bed held, LISTEN before it, and the last snapshot after it (`sleeping` takes the bed, then reads).
//! - Bells are discarded right before a read and nowhere else, so asleep with something unread implies a bell that is
//!   queued or in flight.
//! - With the slow timer off and writers at rest, everything has been read.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Tailer;
use super::session::Session;
use crate::cursor::Cursor;
use crate::error::Result;

/// The pause between reads of an awake tailer: changes that come faster than this share a batch.
const AWAKE_PAUSE: Duration = Duration::from_millis(1);

/// Reads without a change before the tailer goes to sleep.
const IDLE_READS: u32 = 12;

/// The pace of a tailer that finds no bed free: other servers sleep in them, or a writer that stays in its transaction
/// holds its shares. Nobody need ring for it.
const BEDLESS_PAUSE: Duration = Duration::from_millis(20);

/// Awake until nothing has come for a while, then a try to sleep. Steady writing keeps the tailer awake for ever, so it
/// also returns at `until`, when there is something else to do.
pub async fn turn(tailer: &Tailer, session: &Session, cursor: &mut Arc<Cursor>, until: Instant) -> Result<()> {
    let mut idle = 0;
    while idle < IDLE_READS {
        if Instant::now() >= until {
            return Ok(());
        }
        session.discard_bells();
        idle = if tailer.read(session, cursor).await? { 0 } else { idle + 1 };
        tokio::time::sleep(AWAKE_PAUSE).await;
    }
    // A bed, or something to read: whichever comes first.
    while Instant::now() < until {
        if let Some(bed) = session.take_bed().await? {
            let slept = sleeping(tailer, session, cursor).await;
            // Also after an error: a session that only seems broken must not go on keeping the bed.
            session.leave_bed(bed).await?;
            return slept;
        }
        tokio::select! {
            () = session.bell() => {}
            () = tailer.hub.read_wanted() => {}
            () = tokio::time::sleep(BEDLESS_PAUSE) => {}
        }
        session.discard_bells();
        if tailer.read(session, cursor).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// In bed: reads once more, because a writer may have committed in silence before the bed was taken, then waits for a
/// bell or the slow timer. What a bell was rung for is read before the bed is left, which spares it a round trip; so is
/// what a poll needs that has a fresher cursor. Without a change the sleep goes on.
async fn sleeping(tailer: &Tailer, session: &Session, cursor: &mut Arc<Cursor>) -> Result<()> {
    let waking = Instant::now() + tailer.config.tail.slow_timer;
    loop {
        session.discard_bells();
        if tailer.read(session, cursor).await? {
            return Ok(());
        }
        tokio::select! {
            () = session.bell() => {}
            () = tailer.hub.read_wanted() => {}
            () = tokio::time::sleep_until(waking) => return Ok(()),
        }
    }
}
