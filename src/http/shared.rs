//! Identical reads in flight share one query and one body, so that a reset of ten thousand clients is no stampede.
//!
//! **Invariant:** a request joins a read only before that has started. So whatever was committed before the request
//! came, its own earlier write among it, is in the snapshot that answers it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};

use hyper::body::Bytes;
use tokio::sync::watch;

use crate::change::Relation;
use crate::db::rows::Selection;
use crate::error::{Error, Result};

/// What of a list is the same for all who share it.
#[derive(Clone)]
pub struct ListBody {
    pub cursor: String,
    pub json: Bytes,
}

/// The lists that wait for their turn at the database.
pub type SharedLists = Shared<(Relation, Selection), ListBody>;

/// Reads that have not started yet, by what they will read.
pub struct Shared<K, V>(Arc<Gatherings<K, V>>);

type Gatherings<K, V> = Mutex<HashMap<K, Outcome<V>>>;

/// What the sharers of one read wait for; None until it is there.
type Outcome<V> = watch::Receiver<Option<Result<V>>>;

impl<K, V> Default for Shared<K, V> {
    fn default() -> Shared<K, V> {
        Shared(Arc::default())
    }
}

impl<K, V> Shared<K, V>
where
    K: Eq + Hash + Clone + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// The outcome of the read of `key` that has yet to start, or else of a new one: `begin` makes it, and calls
    /// [`Gathering::start`] right before it looks at the database. It runs on its own, whoever leaves meanwhile.
    pub async fn read<F>(&self, key: K, begin: impl FnOnce(Gathering<K, V>) -> F) -> Result<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let mut outcome = self.join_or_begin(key, begin);
        let ended_early = |_| Error::internal("a shared read ended early");
        let outcome = outcome.wait_for(Option::is_some).await.map_err(ended_early)?;
        outcome.as_ref().map_or_else(|| Err(Error::internal("a shared read brought nothing")), Clone::clone)
    }

    fn join_or_begin<F>(&self, key: K, begin: impl FnOnce(Gathering<K, V>) -> F) -> Outcome<V>
    where
        F: Future<Output = Result<V>> + Send + 'static,
    {
        let mut gatherings = lock(&self.0);
        if let Some(outcome) = gatherings.get(&key) {
            return outcome.clone();
        }
        let (sender, outcome) = watch::channel(None);
        gatherings.insert(key.clone(), outcome.clone());
        drop(gatherings);
        let sender = Arc::new(sender);
        let work = begin(Gathering { gatherings: self.0.clone(), key, sharers: sender.clone() });
        tokio::spawn(async move { sender.send_replace(Some(work.await)) });
        outcome
    }
}

/// A read that others can still join.
pub struct Gathering<K: Eq + Hash, V> {
    gatherings: Arc<Gatherings<K, V>>,
    key: K,
    sharers: Arc<watch::Sender<Option<Result<V>>>>,
}

impl<K: Eq + Hash, V> Gathering<K, V> {
    /// From here on nobody joins. False where nobody waits any more, and the read can be left out.
    pub fn start(self) -> bool {
        let sharers = self.sharers.clone();
        drop(self);
        sharers.receiver_count() > 0
    }
}

impl<K: Eq + Hash, V> Drop for Gathering<K, V> {
    /// A read that is given up without having started, as by an overloaded server, is joined no more either.
    fn drop(&mut self) {
        lock(&self.gatherings).remove(&self.key);
    }
}

fn lock<K, V>(gatherings: &Gatherings<K, V>) -> MutexGuard<'_, HashMap<K, Outcome<V>>> {
    gatherings.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests;
