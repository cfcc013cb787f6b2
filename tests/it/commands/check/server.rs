//! The database's server, the connection to it, and the log.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use super::Checked;
use crate::support::{Cluster, Stop, TESTTYPE, launch, wait_for};

#[test]
fn a_standby_is_told() {
    let cluster = Cluster::start();
    let checked = Checked::of(cluster.database(), TESTTYPE);
    checked.is_well();
    cluster.stop(Stop::Clean);
    let signal = cluster.directory().join("data/standby.signal");
    std::fs::write(&signal, "").unwrap();
    cluster.go_on();
    assert!(checked.only("the database is a standby").mend.contains("primary"));
    cluster.stop(Stop::Clean);
    std::fs::remove_file(&signal).unwrap();
    cluster.go_on();
    checked.is_well();
}

#[test]
fn sessions_that_fire_no_trigger_are_found() {
    let checked = Checked::of(Cluster::start().database(), TESTTYPE);
    let name = &checked.db.name;
    for (whom, called) in [
        (format!("database {name}"), format!("database {name}")),
        ("role app".to_owned(), "role app".to_owned()),
        (format!("role app in database {name}"), format!("role app in database {name}")),
    ] {
        checked.is_broken(
            &format!("alter {whom} set session_replication_role = replica"),
            &format!("session_replication_role is replica for {called}: "),
        );
    }
    // Other values, and other databases, do no harm.
    checked.db.psql_as_superuser("alter role app set session_replication_role = local");
    checked.db.psql_as_superuser("alter database postgres set session_replication_role = replica");
    checked.is_well();
}

#[test]
fn a_log_that_nobody_prunes_is_found_and_a_server_prunes_it() {
    let settings = format!("keep_seconds = 4\nslow_timer_seconds = 1\n{TESTTYPE}");
    let checked = Checked::new(&settings);
    checked.is_well();
    checked.db.psql("insert into testtype (name) values ('old'); update rowcast.change set time = time - interval '1 hour'");
    let finding = checked.only("no server prunes it");
    assert_eq!(finding.mend, "rowcast serve");
    let _server = launch(&checked.url, &settings, &[]).ready();
    wait_for("the server has pruned", || checked.wrong().is_empty().then_some(()));
}

/// A connection on which notifications never arrive, as behind a pool that hands out another one for each transaction.
#[test]
fn a_connection_that_does_not_hear_bells_is_told() {
    let mut checked = Checked::new(TESTTYPE);
    let socket = checked.db.cluster.directory().join(".s.PGSQL.5432");
    for deaf in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let socket = socket.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let server = UnixStream::connect(&socket).unwrap();
                let (mut to_server, mut from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    _ = std::io::copy(&mut from_client, &mut to_server);
                    _ = to_server.shutdown(Shutdown::Both);
                });
                std::thread::spawn(move || hand_on(server, client, deaf));
            }
        });
        checked.url = format!("postgresql://app@127.0.0.1:{port}/{}?sslmode=disable", checked.db.name);
        if deaf {
            assert!(checked.only("LISTEN does not deliver").mend.contains("pgbouncer"));
        } else {
            checked.is_well();
        }
    }
}

/// Hands on the server's messages (a letter, a length, the rest), without NotificationResponse if the client is deaf.
fn hand_on(mut server: UnixStream, mut client: TcpStream, deaf: bool) -> Option<()> {
    loop {
        let mut head = [0; 5];
        server.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length - 4];
        server.read_exact(&mut body).ok()?;
        if !(deaf && head[0] == b'A') {
            client.write_all(&head).ok()?;
            client.write_all(&body).ok()?;
        }
    }
}
