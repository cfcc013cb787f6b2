//! Wires the parts, and owns the order of their end.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use crate::batch::BatchLimits;
use crate::catalog::Catalog;
use crate::config::Config;
use crate::db::filters::Printed;
use crate::db::{Database, log};
use crate::error::{Error, Result};
use crate::follow::Follow;
use crate::http::socket::{self, Address, HandedOver};
use crate::http::{App, listen::Tokens, listener, shared::SharedLists};
use crate::hub::{Hub, HubLimits};
use crate::metrics::{self, Metrics, Parts};
use crate::stop::{Stopper, stop};
use crate::tail::{self, Tailer, Vitals};

/// How long open requests may take to end once the server stops, beyond what any request may take.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// When a poll that is answered because the server stops should come back, at the earliest.
const COME_BACK: Duration = Duration::from_secs(1);

/// A server that serves.
pub struct Server {
    pub addresses: Vec<Address>,
    request_timeout: Duration,
    hub: Arc<Hub>,
    listeners: JoinSet<()>,
    pruner: tokio::task::JoinHandle<()>,
    tailer: tail::Handle,
    connections: Arc<listener::Connections>,
    /// Stops accepting, and has connections end after the request that they are at.
    stop_listening: Stopper,
    /// Stops the tailer and the pruner.
    stop_work: Stopper,
}

/// Starts every part: what is wrong is told now, not at the first request.
pub async fn start(config: Config, handed_over: Vec<HandedOver>) -> Result<Server> {
    let config = Arc::new(config);
    let sockets = socket::listen(&config, handed_over).await?;
    let addresses = sockets.iter().map(|socket| socket.address.clone()).collect();
    let request_timeout = config.limits.request_timeout;

    let (stop_listening, listening) = stop();
    let (stop_work, working) = stop();
    let hub = Arc::new(Hub::new(HubLimits {
        ring_bytes: config.tail.ring_bytes,
        answer_bytes: config.tail.batch_bytes,
        polls: config.limits.polls,
    }));
    let catalog = watch::Sender::new(Arc::new(Catalog::default()));
    let seen = catalog.subscribe();
    let vitals = Arc::<Vitals>::default();
    let tailer = Tailer { config: config.clone(), hub: hub.clone(), catalog, vitals: vitals.clone(), stop: working.clone() };
    let tailer = tail::start(tailer).await?;
    let database = connect(&config).await?;
    refuse_another_database(&config, &database, hub.tip().epoch).await?;
    let pruner = tokio::spawn(tail::prune::run(config.clone(), database.clone(), hub.clone(), vitals.clone(), working.clone()));

    let connections = Arc::new(listener::Connections::new(config.limits.connections));
    let parts = Parts { hub: hub.clone(), vitals: vitals.clone(), database: database.clone(), connections: connections.clone() };
    let metrics = Arc::new(Metrics::new(&config, parts)?);
    tokio::spawn(metrics::run(metrics.clone(), working));
    let limits = BatchLimits { rows: config.tail.batch_rows, bytes: config.tail.batch_bytes };
    let follow = Follow { database, hub: hub.clone(), catalog: seen, printed: Printed::default(), limits };
    let app = Arc::new(App { config, follow, metrics, vitals, lists: SharedLists::default(), tokens: Tokens::default() });
    let mut listeners = JoinSet::new();
    for socket in sockets {
        listeners.spawn(listener::run(socket, app.clone(), connections.clone(), listening.clone()));
    }
    Ok(Server { addresses, request_timeout, hub, listeners, pruner, tailer, connections, stop_listening, stop_work })
}

impl Server {
    /// Serves until `shutdown` is ready, then ends in order; an error if the tailer ended by itself.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let died = tokio::select! {
            () = shutdown => false,
            _ = &mut self.tailer.ended => true,
        };
        self.stop(died).await;
        if died {
            return Err(Error::internal("the tailer ended unexpectedly; the log above says why"));
        }
        Ok(())
    }

    async fn stop(mut self, died: bool) {
        // Nobody new; connections that are open end with their next answer, or when they have been quiet for a moment.
        self.stop_listening.stop();
        while self.listeners.join_next().await.is_some() {}
        // Whoever waits is answered: nothing but their cursor, and when to come back.
        self.hub.close(COME_BACK);
        if tokio::time::timeout(self.request_timeout + LAST_REQUESTS, self.connections.all_ended()).await.is_err() {
            tracing::warn!("some requests did not end in time and were cut");
        }
        // Nobody is left to tell: the tailer lets go of its bed by closing its session.
        self.stop_work.stop();
        if !died {
            _ = tokio::time::timeout(Duration::from_millis(300), &mut self.tailer.ended).await;
        }
        self.pruner.abort();
    }
}

/// Blocking work, for r2d2 connects by itself.
async fn connect(config: &Arc<Config>) -> Result<Database> {
    let (answer, connected) = oneshot::channel();
    let config = config.clone();
    tokio::task::spawn_blocking(move || _ = answer.send(Database::connect(&config.database, config.limits)));
    connected.await.map_err(|_| Error::internal("the pool of connections could not be made"))?
}

/// Requests and tailer may have addresses of their own, but their cursors must be of one history.
async fn refuse_another_database(config: &Config, database: &Database, epoch: i64) -> Result<()> {
    if database.run(log::epoch).await? == Some(epoch) {
        return Ok(());
    }
    Err(Error::bad_request(format!(
        "requests go to the {}, but the tailer follows another (the {}): both addresses must lead to one database of one server",
        config.database, config.tail_database
    )))
}
