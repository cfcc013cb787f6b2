//! Starting, configuring and refusing to start.

use crate::support::{database, example, launch, run, wait_for};

#[test]
fn what_is_wrong_at_the_start_is_told_in_a_sentence_with_what_to_do() {
    let empty = database().cluster.empty_database();
    for (arguments, reason) in [
        (vec!["serve"], "./reinitdb.sh"),
        (vec!["serve", "--database-url", "mysql://x"], "postgresql://"),
        (vec!["serve", "--database-url", "postgresql://app@/empty?host=/nowhere", "--port", "0"], "cannot be reached"),
        (vec!["serve", "--database-url", &empty.url(), "--port", "0"], "rowcast install"),
        (vec!["serve", "--config", "/nowhere.toml"], "/nowhere.toml"),
        (vec!["serve", "--database-url", &empty.url(), "--polls", "0"], "polls"),
        (vec!["serve", "--database-url", &empty.url(), "--keep-seconds", "5"], "slow_timer_seconds"),
        (vec!["serve", "--no-such-flag"], "--no-such-flag"),
    ] {
        let (done, text) = run(&arguments);
        assert!(!done && text.contains(reason), "{arguments:?}: {text}");
    }
}

#[test]
fn an_unknown_key_of_the_file_is_refused_by_name() {
    let directory = tempfile::tempdir_in("/tmp").unwrap();
    let file = directory.path().join("rowcast.toml");
    std::fs::write(&file, "prot = 8888\n").unwrap();
    let (done, text) = run(&["serve", "--config", file.to_str().unwrap()]);
    assert!(!done && text.contains("prot"), "{text}");
}

#[test]
fn the_port_in_use_is_told() {
    let (database, server) = example();
    let (done, text) = run(&["serve", "--database-url", &database.url(), "--port", &server.port.to_string()]);
    assert!(!done && text.contains("--port"), "{text}");
}

#[test]
fn an_exposed_table_that_is_not_watched_is_not_ready() {
    let database = database();
    database.psql("create table person (id int primary key)");
    let server = launch(&database.url(), "[expose]\nperson = \"r\"\n", &[]);
    wait_for("the server listens", || server.log().contains("serving").then_some(()));
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("rowcast watch 'person'"), "{ready:?}");
    assert!(server.log().contains("rowcast watch 'person'"));
    assert_eq!(server.get("/api/person").status, 404);
}
