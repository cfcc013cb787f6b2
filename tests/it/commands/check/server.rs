//! The database's server, the connection to it, and the log.

use super::Checked;
use crate::support::pgbouncer::PgBouncer;
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
fn rows_that_are_not_counted_are_found() {
    let checked = Checked::of(Cluster::start().database(), TESTTYPE);
    for whom in [format!("database {}", checked.db.name), "role app".to_owned(), format!("role app in database {}", checked.db.name)] {
        checked.is_broken(&format!("alter {whom} set track_counts = off"), "track_counts is off: ");
    }
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

#[test]
fn a_log_that_is_far_too_large_is_found_until_a_server_prunes_it() {
    let settings = format!("log_bytes = 1048576\n{TESTTYPE}");
    let checked = Checked::new(&settings);
    // Not a server's marks, but what one would have taken.
    checked.db.psql("select rowcast.begin_epoch(), rowcast.advance_horizon('1 hour')");
    checked.db.psql(
        "insert into rowcast.change (relation, op, new) select 1, 'I', to_json(string_agg(md5(i::text), ''))
         from generate_series(1, 2400000) i group by i % 24",
    );
    let finding = checked.only("far more than it may keep (1048576): no server prunes it");
    assert_eq!(finding.mend, "rowcast serve");
    let _server = launch(&checked.url, &settings, &[]).ready();
    wait_for("the log is pruned", || (checked.db.psql("select count(*) < 10 from rowcast.change") == "t").then_some(()));
    checked.is_well();
    // The file does not shrink by itself.
    assert!(checked.look().iter().any(|finding| finding.hint && finding.mend.contains("vacuum full")));
}

#[test]
fn a_pooler_that_swallows_bells_is_told_and_another_way_past_it_is_well() {
    let mut checked = Checked::new(TESTTYPE);
    let direct = checked.url.clone();
    let (by_session, by_transaction) = (PgBouncer::start(&checked.db, "session"), PgBouncer::start(&checked.db, "transaction"));
    checked.url = by_session.url(&checked.db);
    checked.is_well();
    checked.url = by_transaction.url(&checked.db);
    let mend = checked.only("LISTEN does not deliver").mend;
    assert!(mend.contains("tail_database_url"), "{mend}");
    checked.configure(&format!("tail_database_url = \"{direct}\"\n{TESTTYPE}"));
    checked.is_well();
}
