//! Accepts connections, within the limit on connections.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::socket::{Listener, Stream};
use super::{App, connection};
use crate::stop::Stop;

/// After a failed accept, as when descriptors have run out: the listener neither spins nor ends.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The open connections, counted.
pub struct Connections {
    places: Arc<Semaphore>,
    limit: u32,
}

impl Connections {
    pub fn new(limit: usize) -> Connections {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX).min(Semaphore::MAX_PERMITS as u32);
        Connections { places: Arc::new(Semaphore::new(limit as usize)), limit }
    }

    /// How many connections are open, one that is about to be accepted among them.
    pub fn open(&self) -> usize {
        (self.limit as usize).saturating_sub(self.places.available_permits())
    }

    /// Ready when no connection is open any more.
    pub async fn all_ended(&self) {
        _ = self.places.acquire_many(self.limit).await;
    }
}

/// Accepts until told to stop. With all places taken it accepts nobody: clients wait in the kernel's queue.
pub async fn run(listener: Listener, app: Arc<App>, connections: Arc<Connections>, stop: Stop) {
    let serve = |stream: Stream, place: OwnedSemaphorePermit| {
        let (app, stop) = (app.clone(), stop.clone());
        tokio::spawn(async move {
            connection::serve(stream, app, stop).await;
            drop(place);
        });
    };
    let mut told = stop.clone();
    loop {
        let place = tokio::select! {
            place = connections.places.clone().acquire_owned() => place,
            () = told.given() => break,
        };
        let Ok(place) = place else { return };
        // Nothing is lost where an accept is given up: the connection stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = told.given() => break,
        };
        match accepted {
            Ok(stream) => serve(stream, place),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    for stream in listener.left_in_queue() {
        let Ok(place) = connections.places.clone().try_acquire_owned() else { return };
        serve(stream, place);
    }
}
