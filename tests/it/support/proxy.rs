//! A TCP proxy in front of a cluster's socket, which can stop forwarding without closing anything: a network gone silent.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

pub struct Proxy {
    pub port: u16,
    /// Connections accepted before this many are mute.
    mute_below: Arc<AtomicUsize>,
    accepted: Arc<AtomicUsize>,
    /// The cluster's ends, in the order of their connections.
    server_ends: Arc<Mutex<Vec<UnixStream>>>,
    /// The clients' ends, in the same order.
    client_ends: Arc<Mutex<Vec<TcpStream>>>,
}

impl Proxy {
    pub fn start(socket_directory: &Path) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (mute_below, accepted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (server_ends, client_ends) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (mute, count, socket) = (mute_below.clone(), accepted.clone(), socket_directory.join(".s.PGSQL.5432"));
        let (ends, clients) = (server_ends.clone(), client_ends.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = UnixStream::connect(&socket) else { continue };
                ends.lock().unwrap().push(server.try_clone().unwrap());
                clients.lock().unwrap().push(client.try_clone().unwrap());
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (client_end, server_end) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let muted = mute.clone();
                std::thread::spawn(move || forward(client, server, number, &muted));
                let muted = mute.clone();
                std::thread::spawn(move || forward_back(server_end, client_end, number, &muted));
            }
        });
        Proxy { port, mute_below, accepted, server_ends, client_ends }
    }

    /// Every connection that is open now goes silent; later ones are forwarded.
    pub fn fall_silent(&self) {
        self.mute_below.store(self.accepted.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Every connection goes silent, those that are yet to be made, too.
    pub fn swallow(&self) {
        self.mute_below.store(usize::MAX, Ordering::SeqCst);
    }

    /// Connections from now on are forwarded again, and those that went silent are found to be dead by both ends.
    pub fn speak_again(&self) {
        self.fall_silent();
        self.give_up_silent();
        for end in self.client_ends.lock().unwrap().iter().take(self.mute_below.load(Ordering::SeqCst)) {
            _ = end.shutdown(Shutdown::Both);
        }
    }

    /// The cluster finds out that the silent connections are dead, as by TCP's keepalive.
    pub fn give_up_silent(&self) {
        for end in self.server_ends.lock().unwrap().iter().take(self.mute_below.load(Ordering::SeqCst)) {
            _ = end.shutdown(Shutdown::Both);
        }
    }
}

/// A closed end is told to the other end, unless the network is silent.
fn forward(from: TcpStream, to: UnixStream, number: usize, mute_below: &AtomicUsize) {
    copy(&from, &to, number, mute_below);
    if number >= mute_below.load(Ordering::SeqCst) {
        _ = to.shutdown(Shutdown::Both);
    }
}

fn forward_back(from: UnixStream, to: TcpStream, number: usize, mute_below: &AtomicUsize) {
    copy(&from, &to, number, mute_below);
    if number >= mute_below.load(Ordering::SeqCst) {
        _ = to.shutdown(Shutdown::Both);
    }
}

/// Goes on reading when mute, so that the sender sees its bytes acknowledged.
fn copy(mut from: impl Read, mut to: impl Write, number: usize, mute_below: &AtomicUsize) {
    let mut bytes = [0; 8192];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        let mute = number < mute_below.load(Ordering::SeqCst);
        if !mute && to.write_all(&bytes[..count]).is_err() {
            return;
        }
    }
}
