//! What a server refuses to start with.

use std::net::TcpStream;

use crate::support::{Database, Server, database, launch, server};

/// A server with these settings and flags on the database; what it said if it ended, as it should.
#[track_caller]
fn refused(db: &Database, settings: &str, flags: &[&str]) -> String {
    let mut server = launch(&db.url(), settings, flags);
    let status = server.wait();
    assert!(!status.success(), "{status}");
    server.log()
}

fn reachable(address: &str, server: &Server) -> bool {
    TcpStream::connect((address, server.port)).is_ok()
}

#[test]
fn only_loopback_is_bound_unless_told() {
    let db = database();
    let by_default = server(&db, "");
    assert!(reachable("127.0.0.1", &by_default));
    assert!(
        reachable("::1", &by_default)
            || TcpStream::connect(("::1", 1)).is_err_and(|error| error.kind() != std::io::ErrorKind::ConnectionRefused)
    );
    // Another address of this machine, which would be reached if all were bound.
    assert!(!reachable("127.0.0.2", &by_default));
    let told = launch(&db.url(), "public_hosts = [\"rowcast.test\"]", &["--listen", "0.0.0.0:{port}"]).ready();
    assert!(reachable("127.0.0.2", &told));
}

#[test]
fn a_public_address_needs_its_hosts() {
    let db = database();
    let listen = ["--listen", "0.0.0.0:{port}"];
    let said = refused(&db, "", &listen);
    assert!(said.contains("public_hosts"), "{said}");
    let server = launch(&db.url(), "public_hosts = [\"rowcast.test\"]\nexpose = { testtype = \"r\" }", &listen).ready();
    server.get("/api/testtype").expect_status(200);
    // A loopback address needs nothing.
    launch(&db.url(), "", &["--listen", "127.0.0.2:{port},127.0.0.1:{port}"]).ready();
}

#[test]
fn writable_tables_on_a_public_address_need_a_word_of_their_own() {
    let db = database();
    let listen = ["--listen", "0.0.0.0:{port}"];
    let settings = "public_hosts = [\"rowcast.test\"]\nexpose = { testtype = \"rw\" }\n";
    let said = refused(&db, settings, &listen);
    assert!(said.contains("allow_anonymous_writes") && said.contains("testtype"), "{said}");
    let server = launch(&db.url(), &format!("allow_anonymous_writes = true\n{settings}"), &listen).ready();
    server.send_json("POST", "/api/testtype", r#"{"name":"x"}"#).expect_status(201);
}

#[test]
fn a_superuser_is_refused_unless_told() {
    let db = database();
    let expose = "expose = { testtype = \"rw\" }";
    let mut refused = launch(&db.superuser_url(), expose, &[]);
    assert!(!refused.wait().success());
    assert!(refused.log().contains("allow_superuser"), "{}", refused.log());
    launch(&db.superuser_url(), &format!("allow_superuser = true\n{expose}"), &[]).ready();
    launch(&db.url(), expose, &[]).ready();
}

#[test]
fn a_setting_that_does_not_exist_is_refused_by_name() {
    let db = database();
    let said = refused(&db, "exposed = { testtype = \"rw\" }", &[]);
    assert!(said.contains("exposed"), "{said}");
    let said = refused(&db, "expose = { testtype = \"w\" }", &[]);
    assert!(said.contains("`w`"), "{said}");
}

#[test]
fn passwords_are_not_repeated() {
    let db = database();
    let url = db.url().replacen("app@", "app:hunter2@", 1);
    let server = launch(&url, "", &[]).ready();
    assert!(!server.log().contains("hunter2"));
    let mut wrong = launch(&format!("{url}?nonsense=1"), "", &[]);
    assert!(!wrong.wait().success());
    assert!(!wrong.log().is_empty() && !wrong.log().contains("hunter2"), "{}", wrong.log());
}
