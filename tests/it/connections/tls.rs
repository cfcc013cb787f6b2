//! `sslmode` and what goes with it: what libpq accepts is accepted, what it refuses is refused. psql is asked the same.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::secured::{Home, secured};
use crate::support::follower::Follower;
use crate::support::proxy::Proxy;
use crate::support::{TESTTYPE, database, launch, wait_for};

#[test]
fn each_mode_uses_tls_when_libpq_does() {
    let (server, home) = (secured(), Home::new());
    // Whether a role gets in that may come with TLS only, and one that may come without only.
    for (mode, tlsonly, plainonly) in
        [("disable", false, true), ("allow", true, true), ("prefer", true, true), ("require", true, false), ("", true, true)]
    {
        for (role, gets_in) in [("tlsonly", tlsonly), ("plainonly", plainonly)] {
            let mode = if mode.is_empty() { String::new() } else { format!("sslmode={mode}") };
            let string = server.string(role, &mode);
            if gets_in {
                home.both_get_in(&string, &[]);
            } else {
                home.both_are_refused(&string, &[], &[role, &mode, if tlsonly { "with TLS" } else { "without TLS" }]);
            }
        }
    }
    // The same by variables.
    home.both_get_in(&server.string("tlsonly", ""), &[("PGSSLMODE", "require")]);
    home.both_are_refused(&server.string("plainonly", ""), &[("PGSSLMODE", "require")], &["sslmode=require"]);
}

#[test]
fn the_chain_and_the_name_are_checked_as_the_mode_says() {
    let (server, home) = (secured(), Home::new());
    let (right, wrong) = (format!("sslrootcert={}", server.file("right.crt")), format!("sslrootcert={}", server.file("wrong.crt")));
    let other_name = format!("host=other.test {right}");
    for mode in ["verify-ca", "verify-full"] {
        home.both_get_in(&server.string("tlsonly", &format!("sslmode={mode} {right}")), &[]);
        home.both_are_refused(&server.string("tlsonly", &format!("sslmode={mode} {wrong}")), &[], &["wrong.crt", mode, "signed by none"]);
        home.both_are_refused(&server.string("tlsonly", &format!("sslmode={mode}")), &[], &["root.crt", mode]);
        home.both_are_refused(&server.string("tlsonly", &format!("sslmode={mode} sslrootcert=/nowhere")), &[], &["/nowhere"]);
    }
    home.both_get_in(&server.string("tlsonly", &format!("sslmode=verify-ca {other_name}")), &[]);
    home.both_are_refused(&server.string("tlsonly", &format!("sslmode=verify-full {other_name}")), &[], &["other.test", "name"]);
    // `require` checks the chain as soon as there is something to check it by, and asks for nothing else.
    home.both_get_in(&server.string("tlsonly", &format!("sslmode=require {other_name}")), &[]);
    home.both_are_refused(&server.string("tlsonly", &format!("sslmode=require {wrong}")), &[], &["wrong.crt", "sslmode=require"]);
}

#[test]
fn the_root_certificates_of_the_persons_own_are_found() {
    let (server, home) = (secured(), Home::new());
    let certificate = |name: &str| fs::read_to_string(server.file(name)).unwrap();
    home.write(".postgresql/root.crt", &certificate("right.crt"), 0o644);
    home.both_get_in(&server.string("tlsonly", "sslmode=verify-full"), &[]);
    home.write(".postgresql/root.crt", &certificate("wrong.crt"), 0o644);
    home.both_are_refused(&server.string("tlsonly", "sslmode=verify-full"), &[], &[".postgresql/root.crt"]);
    home.both_are_refused(&server.string("tlsonly", "sslmode=require"), &[], &[".postgresql/root.crt"]);
    // What cannot be proven is no TLS to `prefer`, which goes on without.
    home.both_are_refused(&server.string("tlsonly", "sslmode=prefer"), &[], &["without TLS", "going on without TLS"]);
    home.both_get_in(&server.string("plainonly", "sslmode=prefer"), &[]);
    home.write(".postgresql/root.crt", "no certificate", 0o644);
    home.both_are_refused(&server.string("tlsonly", "sslmode=require"), &[], &["root.crt", "no certificate"]);
}

/// libpq has this from version 16 on, so psql is not asked.
#[test]
fn the_machines_own_trust_is_used_where_that_is_asked_for() {
    let (server, home) = (secured(), Home::new());
    let (right, wrong) = (server.file("right.crt"), server.file("wrong.crt"));
    let string = server.string("tlsonly", "sslrootcert=system");
    assert_eq!(home.rowcast(&string, &[("SSL_CERT_FILE", &right)]), Ok(()));
    home.rowcast_is_refused(&string, &[("SSL_CERT_FILE", &wrong)], &["verify-full", "those that this machine trusts"]);
    home.rowcast_is_refused(&format!("{string} host=other.test"), &[("SSL_CERT_FILE", &right)], &["other.test"]);
    home.rowcast_is_refused(&format!("{string} sslmode=require"), &[("SSL_CERT_FILE", &right)], &["verify-full"]);
}

#[test]
fn a_server_without_tls_is_refused_where_tls_is_asked_for() {
    let (database, home) = (database(), Home::new());
    // By TCP to a cluster that has no TLS.
    let proxy = Proxy::start(database.cluster.directory());
    let string = |mode: &str| format!("host=127.0.0.1 port={} dbname={} user=app sslmode={mode}", proxy.port, database.name);
    for mode in ["disable", "allow", "prefer"] {
        home.both_get_in(&string(mode), &[]);
    }
    let said = home.rowcast(&string("prefer"), &[("ROWCAST_LOG", "warn")]);
    assert_eq!(said, Ok(()), "a server without TLS is nothing to warn of");
    let root = format!("sslrootcert={}", secured().file("right.crt"));
    for mode in ["require", "verify-ca", "verify-full"] {
        home.both_are_refused(&format!("{} {root}", string(mode)), &[], &[mode, "has no TLS"]);
    }
    // A socket never has TLS, whatever is asked for.
    let socket = format!("host={} dbname={} user=app sslmode=verify-full", database.cluster.directory().display(), database.name);
    home.both_get_in(&socket, &[]);
}

#[test]
fn a_client_shows_its_certificate() {
    let (server, home) = (secured(), Home::new());
    let shows = |name: &str| {
        format!("sslmode=require sslcert={} sslkey={}", server.file(&format!("{name}.crt")), server.file(&format!("{name}.key")))
    };
    home.both_get_in(&server.string("certified", &shows("certified")), &[]);
    home.both_are_refused(&server.string("certified", "sslmode=require"), &[], &["certificate"]);
    home.both_are_refused(&server.string("certified", &shows("stranger")), &[], &["stranger.crt"]);
    home.both_are_refused(&server.string("certified", &format!("{} sslkey=/nowhere", shows("certified"))), &[], &["/nowhere"]);
    // The certificate of another.
    home.both_are_refused(&server.string("certified", &format!("{} user=tlsonly", shows("stranger"))), &[], &[]);
    let other_key = format!("{} sslkey={}", shows("certified"), server.file("stranger.key"));
    home.both_are_refused(&server.string("certified", &other_key), &[], &["stranger.key"]);
}

#[test]
fn a_key_that_others_can_read_is_refused() {
    let (server, home) = (secured(), Home::new());
    let text = |name: &str| fs::read_to_string(server.file(name)).unwrap();
    home.write(".postgresql/postgresql.crt", &text("certified.crt"), 0o644);
    let key = home.write(".postgresql/postgresql.key", &text("certified.key"), 0o644);
    let string = server.string("certified", "sslmode=require");
    home.both_are_refused(&string, &[], &["chmod 600", "postgresql.key"]);
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    home.both_get_in(&string, &[]);
    home.write(".postgresql/postgresql.key", "no key", 0o600);
    home.both_are_refused(&string, &[], &["postgresql.key"]);
}

#[test]
fn scram_is_bound_to_tls_where_that_is_required() {
    let (server, home) = (secured(), Home::new());
    let string = |more: &str| server.string("scram", &format!("password=open:sesame {more}"));
    home.both_get_in(&string("sslmode=require channel_binding=require"), &[]);
    home.both_get_in(&string("sslmode=require channel_binding=disable"), &[]);
    home.both_get_in(&string("sslmode=disable"), &[]);
    home.both_are_refused(&string("sslmode=disable channel_binding=require"), &[], &["channel binding"]);
    home.both_are_refused(&string("sslmode=require password=wrong"), &[], &["scram"]);
    // Without a password nothing is bound.
    home.both_are_refused(&server.string("tlsonly", "sslmode=require channel_binding=require"), &[], &["channel binding"]);
    home.both_get_in(&server.string("tlsonly", "sslmode=require"), &[]);
}

#[test]
fn a_change_arrives_over_tls() {
    let server = secured();
    let string = server.string("tlsonly", &format!("sslmode=verify-full sslrootcert={}", server.file("right.crt")));
    let rowcast = launch(&string, TESTTYPE, &[]).ready();
    let follower = Follower::start(rowcast.port, "testtype", "", |_| None);
    wait_for("the first rows are there", || (follower.rows().len() == 2).then_some(()));
    server.database.psql("insert into testtype (name) values ('by TLS')");
    wait_for("the change is there", || (follower.rows().len() == 3).then_some(()));
    rowcast.send_json("POST", "/api/testtype", r#"{"name": "by TLS, too"}"#).expect_status(201);
    wait_for("the change is there", || (follower.rows().len() == 4).then_some(()));
    let sessions = "select count(*) > 1 and bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid)
        where application_name = 'rowcast' and usename = 'tlsonly'";
    assert_eq!(server.database.psql_as_superuser(sessions), "t", "all sessions of the server, the tailer's too, have TLS");
}
