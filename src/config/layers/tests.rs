use std::fs;

use super::*;

/// The settings of a file's text and a command line. Variables are the integration tests' matter, for they belong to
/// the whole process.
fn settings(text: &str, arguments: &[&str]) -> Result<Settings> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rowcast.toml");
    fs::write(&path, text).unwrap();
    // Not the tester's own variables.
    let command = Cli::command().mut_args(|arg| if arg.get_env().is_some() { arg.env("ROWCAST_IS_NOT_SET") } else { arg });
    let file = file::read(&path, &command)?;
    layered(command, file, ["rowcast"].iter().chain(arguments).map(OsString::from))
}

fn origin(settings: &Settings, name: &str) -> String {
    settings.in_force().unwrap().into_iter().find(|one| one.name == name).unwrap().origin.unwrap().to_string()
}

#[test]
fn a_flag_is_over_the_file_and_that_over_the_default() {
    let given =
        settings("polls = 7\nbatch_rows = 1_000\npublic_hosts = ['A', 'b']\n[expose]\nt = 'r'\n", &["serve", "--polls", "8"]).unwrap();
    assert_eq!((given.polls, given.batch_rows, given.subscriptions), (8, 1_000, 100));
    assert_eq!(given.public_hosts, ["A", "b"]);
    assert_eq!(given.expose.get("t"), Some(&crate::config::Access::Read));
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line() {
    let why = settings("prot = 1\n\npolls = 0\nport = true\nlisten = { a = 1 }\n[expose]\nt = 'w'\ns.t = 'r'\n", &[]).unwrap_err().detail;
    let told = [
        "line 1: there is no setting `prot`; did you mean `port`?",
        "line 3: polls is 0: 0 is not in 1..=1000000",
        "line 4: port is true",
        "line 5: listen cannot be a table",
        "line 7: t is exposed as `w`",
        "line 8: a name with a point in it",
    ];
    for one in told {
        assert!(why.contains(one), "{one}: {why}");
    }
    assert!(settings("colour = 1", &[]).unwrap_err().detail.ends_with("there is no setting `colour`"));
    assert!(settings("config = 'x'", &[]).is_err(), "a file cannot name another");
    assert!(settings("polls = 1\npolls = 2\n", &[]).unwrap_err().detail.contains("line 2"));
    assert!(settings("polls = 1\nport = 80\n[expose]\nt = 'rw'\n", &[]).is_ok());
}

#[test]
fn the_stronger_of_port_and_listen_holds() {
    let listen = "listen = ['127.0.0.1:1']";
    assert!(settings(listen, &[]).unwrap().listen.is_some());
    let by_flag = settings(listen, &["--port", "5"]).unwrap();
    assert_eq!((by_flag.listen, by_flag.port), (None, 5));
    assert!(settings("port = 5", &["--listen", "127.0.0.1:1"]).unwrap().listen.is_some());
    let why = settings(&format!("port = 5\n{listen}"), &[]).unwrap_err().detail;
    assert!(why.contains("line 1") && why.contains("line 2"), "{why}");
    assert!(settings("", &["--port", "5", "--listen", "127.0.0.1:1"]).is_err());
}

#[test]
fn a_variable_that_is_nearly_one_of_ours_is_refused() {
    let check = |name: &str| check_variables(&Cli::command(), [OsString::from(name)].into_iter());
    let why = check("ROWCAST_PROT").unwrap_err().detail;
    assert!(why.contains("ROWCAST_PROT") && why.contains("ROWCAST_PORT"), "{why}");
    for known in ["ROWCAST_PORT", "ROWCAST_LOG", "ROWCAST_CONFIG", "ROWCAST_SERVICE_HOST", "OTHER_PROT", "PATH"] {
        assert!(check(known).is_ok(), "{known}");
    }
}

#[test]
fn the_origin_of_a_value_is_its_flag_or_line() {
    let given = settings("# first\npolls = 7\n", &["--batch-rows", "5"]).unwrap();
    assert!(origin(&given, "polls").ends_with("rowcast.toml, line 2"));
    assert_eq!(origin(&given, "batch_rows"), "--batch-rows");
    assert_eq!(origin(&given, "port"), "default");
}
