//! What writers, clients and the run share.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::gate::Gate;

pub struct World {
    pub gate: Gate,
    pub database_url: String,
    /// The servers' ports, which outlive the servers.
    pub ports: Vec<u16>,
    /// Faults are made on purpose: connections may be lost.
    pub is_faulty: bool,
    calm: AtomicBool,
    over: AtomicBool,
    failures: Mutex<Vec<String>>,
    committed: AtomicUsize,
    not_committed: AtomicUsize,
}

impl World {
    pub fn new(database_url: String, ports: Vec<u16>, is_faulty: bool) -> World {
        World {
            gate: Gate::default(),
            database_url,
            ports,
            is_faulty,
            calm: AtomicBool::new(false),
            over: AtomicBool::new(false),
            failures: Mutex::default(),
            committed: AtomicUsize::new(0),
            not_committed: AtomicUsize::new(0),
        }
    }

    /// A quiet point: clients neither dawdle nor change servers, so that what they wait for must come by itself. A client
    /// that changes servers would wake one by the newer cursor that it brings along.
    pub fn is_calm(&self) -> bool {
        self.calm.load(Ordering::SeqCst)
    }

    pub fn set_calm(&self, calm: bool) {
        self.calm.store(calm, Ordering::SeqCst);
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.gate.end();
    }

    /// Says what is wrong; the run ends with it.
    pub fn fail(&self, report: String) {
        self.failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(report);
    }

    /// The first thing that went wrong.
    pub fn failure(&self) -> Option<String> {
        self.failures.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).first().cloned()
    }

    pub fn count_transaction(&self, committed: bool) {
        let count = if committed { &self.committed } else { &self.not_committed };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Transactions that ended as planned, and that others stood in the way of.
    pub fn transactions(&self) -> (usize, usize) {
        (self.committed.load(Ordering::Relaxed), self.not_committed.load(Ordering::Relaxed))
    }
}
