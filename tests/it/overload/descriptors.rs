//! Open files: fewer than clients.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use super::{PATIENCE, cpu, descriptors};
use crate::support::server::launch_program;
use crate::support::{Server, TESTTYPE, database, example, wait_until};

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// Whether a connection is answered within a moment.
fn is_answered(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(within)).unwrap();
    let mut buffer = [0; 1_024];
    matches!(stream.read(&mut buffer), Ok(read) if buffer[..read].starts_with(b"HTTP/1.1 200"))
}

fn ask(server: &Server) -> TcpStream {
    let mut stream = server.connect();
    stream.write_all(REQUEST).unwrap();
    stream
}

/// It says how many clients there is room for, has the others wait in the kernel's queue, and takes them when there is.
#[test]
fn a_low_limit_of_open_files_is_told_and_kept() {
    let db = database();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("limited");
    std::fs::write(&program, format!("#!/bin/sh\nulimit -n 100\nexec '{}' \"$@\"\n", env!("CARGO_BIN_EXE_rowcast"))).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let server = launch_program(&program, &db.url(), TESTTYPE, &[]).ready();
    assert!(server.log().contains("limit of open files is 100"), "{}", server.log());
    let mut clients: Vec<TcpStream> = (0..90).map(|_| ask(&server)).collect();
    for client in &mut clients[..10] {
        assert!(is_answered(client, PATIENCE));
    }
    let more = clients[10..].iter_mut().filter_map(|client| is_answered(client, Duration::from_millis(30)).then_some(())).count();
    assert!(more < 80, "all were answered");
    assert!(descriptors(&server) < 100, "the server itself has nothing left");
    // The database can still be reached by a client that is in.
    let mut inside = clients.swap_remove(0);
    inside.write_all(b"GET /api/testtype HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    assert!(is_answered(&mut inside, PATIENCE));
    let mut outside = clients.pop().unwrap();
    drop(clients);
    assert!(is_answered(&mut outside, PATIENCE), "it is served when others have left");
}

/// Where descriptors run out all the same, the server says so once, does not spin, and accepts again when there are some.
#[test]
fn an_accept_that_fails_neither_spins_nor_ends_the_server() {
    let (_db, server) = example();
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap());
    // The server raised its own to the same.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let set = |current| prlimit(pid, Resource::Nofile, Rlimit { current, maximum }).unwrap();
    // It is the numbers that are limited, and these are taken.
    set(Some(3));
    let mut client = ask(&server);
    wait_until("it is told", PATIENCE, || server.log().contains("could not be accepted").then_some(()));
    let used = cpu(&server);
    assert!(!is_answered(&mut client, Duration::from_secs(2)));
    let used = cpu(&server) - used;
    assert!(used < 100, "in two seconds it took {used} hundredths of a second");
    assert_eq!(server.log().matches("could not be accepted").count(), 1, "{}", server.log());
    set(maximum);
    assert!(is_answered(&mut client, PATIENCE));
    assert!(server.log().contains("accepted again"), "{}", server.log());
}
