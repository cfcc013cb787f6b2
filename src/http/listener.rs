//! Accepts connections and serves requests on them, within the limit on connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{App, router};
use crate::stop::Stop;

/// A connection whose next request's head is not complete after this is closed; so is one that stays idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest head of a request, and the read buffer's bound.
const HEAD_BYTES: usize = 32 << 10;

/// The most headers of a request; more is 431.
const HEADERS: usize = 64;

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
pub async fn run(listener: TcpListener, app: Arc<App>, connections: Arc<Connections>, mut stop: Stop) {
    // Whether the last accept failed, so that it is told once and not ten times a second.
    let mut failing = false;
    loop {
        let place = tokio::select! {
            place = connections.places.clone().acquire_owned() => place,
            () = stop.given() => return,
        };
        let Ok(place) = place else { return };
        // Nothing is lost where an accept is given up: the connection stays in the kernel's queue.
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.given() => return,
        };
        match accepted {
            Ok((stream, _)) => {
                if std::mem::take(&mut failing) {
                    tracing::info!("connections are accepted again");
                }
                drop(tokio::spawn(serve(stream, app.clone(), place, stop.clone())));
            }
            Err(error) if is_of_one_client(&error) => {}
            Err(error) => {
                if !std::mem::replace(&mut failing, true) {
                    tracing::warn!(%error, "a connection could not be accepted: until one can, clients wait in the kernel's queue");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an accept failed for something that went wrong with that connection alone: the next may well succeed.
fn is_of_one_client(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted)
}

async fn serve(stream: TcpStream, app: Arc<App>, _place: OwnedSemaphorePermit, mut stop: Stop) {
    // Answers are small and late: none should wait for another packet.
    _ = stream.set_nodelay(true);
    let service = service_fn(move |request| router::handle(app.clone(), request));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        // A client that closes its half is gone: its poll must free its place.
        .half_close(false)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.given() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::trace!(%error, "a connection ended");
    }
}
