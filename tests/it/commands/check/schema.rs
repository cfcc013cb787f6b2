//! The schema itself, and the configuration.

use super::Checked;
use crate::support::{TESTTYPE, database};

#[test]
fn a_missing_and_an_older_schema_are_installed() {
    let checked = Checked::of(database().cluster.empty_database(), "");
    let finding = checked.only("no schema rowcast");
    assert_eq!(finding.mend, "rowcast install");
    checked.mend(&finding);
    checked.is_well();

    let checked = Checked::of(database().cluster.empty_database(), "");
    checked.db.psql(&format!("begin;\n{}\ncommit;", include_str!("../../fixtures/schema_0.1.0.sql")));
    checked.db.psql("create table person (id int primary key); select rowcast.watch('person')");
    let finding = checked.only("is of version 1, older");
    checked.mend(&finding);
    checked.is_well();
}

#[test]
fn an_altered_function_is_installed_again() {
    let checked = Checked::new(TESTTYPE);
    checked.breaks(
        "create or replace function rowcast.touch() returns trigger language plpgsql as 'begin return new; end'",
        "other than this program's: touch",
    );
}

#[test]
fn a_newer_schema_and_somebody_elses_are_told() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("create or replace function rowcast.version() returns integer language sql immutable as 'select 99'");
    assert!(checked.only("version 99, newer").mend.contains("newer program"));

    let checked = Checked::of(database().cluster.empty_database(), "");
    checked.db.psql("create schema rowcast; create table rowcast.mine (id int)");
    checked.only("table rowcast.mine");
}

#[test]
fn what_is_wrong_in_the_configuration_is_a_finding_beside_the_others() {
    let checked = Checked::new("prot = 1\n");
    assert!(checked.only("prot").mend.contains("rowcast.toml"));
    checked.configure("keep_seconds = 2\n[expose]\ntesttype = \"rw\"\n");
    checked.only("keep_seconds is 2");
    checked.configure("listen = [\"0.0.0.0:1\"]\npublic_hosts = [\"a.test\"]\n[expose]\ntesttype = \"rw\"\nnowhere = \"r\"\n");
    let wrong = checked.wrong();
    assert!(wrong.len() == 2 && wrong[0].what.contains("would let anybody who reaches it write testtype"), "{wrong:?}");
    checked.configure(TESTTYPE);
    checked.is_well();
}

#[test]
fn writing_for_everybody_is_told_where_it_is_allowed() {
    let checked =
        Checked::new("listen = [\"0.0.0.0:1\"]\npublic_hosts = [\"a.test\"]\nallow_anonymous_writes = true\n[expose]\ntesttype = \"rw\"\n");
    let hint = "anybody who reaches 0.0.0.0:1 may write to testtype";
    assert!(checked.look().iter().any(|finding| finding.hint && finding.what == hint));
    checked.configure(TESTTYPE);
    assert!(checked.look().iter().all(|finding| finding.what != hint));
}

#[test]
fn a_database_that_is_away_is_told() {
    let mut checked = Checked::new(TESTTYPE);
    checked.url = "postgresql://app@/x?host=/nowhere".to_owned();
    checked.only("cannot be reached");
    checked.url = "mysql://x".to_owned();
    assert!(checked.wrong().iter().all(|finding| finding.what.contains("postgresql://")));
}
