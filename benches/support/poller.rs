//! Readiness of many sockets on one thread: epoll, and no more.

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// Sockets that are waited for, each by a number.
pub struct Poller {
    epoll: OwnedFd,
    ready: Vec<epoll::Event>,
}

impl Poller {
    pub fn new() -> Poller {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll can be made");
        Poller { epoll, ready: Vec::with_capacity(1_024) }
    }

    /// Waits from now on for something to read from `source`; it ends when that is closed.
    pub fn add(&self, source: impl AsFd, number: usize) {
        epoll::add(&self.epoll, source, epoll::EventData::new_u64(number as u64), epoll::EventFlags::IN)
            .expect("a socket can be waited for");
    }

    /// The numbers of those that can be read; empty after `limit`.
    pub fn wait(&mut self, limit: Option<Duration>) -> Vec<usize> {
        let limit = limit.map(|limit| Timespec::try_from(limit).expect("a moderate time"));
        self.ready.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.ready), limit.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("sockets cannot be waited for: {error}"),
        }
        self.ready.iter().map(|event| event.data.u64() as usize).collect()
    }
}
