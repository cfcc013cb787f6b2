//! `rowcast config`, and what is refused of the settings.

use std::fs;

use crate::support::{database, run_with};

/// Runs `rowcast config` with a file of this text; what it printed.
fn config(text: &str, more: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rowcast.toml");
    fs::write(&file, text).unwrap();
    let (done, said) = run_with(&[&["config", "--config", file.to_str().unwrap()], more].concat(), variables);
    (done, said.replace(file.to_str().unwrap(), "FILE"))
}

/// The line of a setting, without the blanks that align it.
fn line(said: &str, setting: &str) -> String {
    let line = said.lines().find(|line| line.trim_start_matches("# ").starts_with(setting)).unwrap_or_else(|| panic!("{setting}: {said}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_in_force_is_shown_with_its_origin() {
    let text = "polls = 77\nbatch_rows = 5\npublic_hosts = [\"a.test\"]\n\n[expose]\ntesttype = \"rw\"\n\"a.b\" = \"r\"\n";
    let variables = [("DATABASE_URL", "postgresql://app@db.test:5433/shop"), ("ROWCAST_BATCH_ROWS", "6"), ("ROWCAST_LIST_ROWS", "9")];
    let (done, said) = config(text, &["--list-rows", "10"], &variables);
    assert!(done, "{said}");
    for (setting, shown) in [
        ("polls", "polls = 77 # FILE, line 1"),
        ("batch_rows", "batch_rows = 6 # ROWCAST_BATCH_ROWS"),
        ("list_rows", "list_rows = 10 # --list-rows"),
        ("port", "port = 8888 # default"),
        ("allow_superuser", "allow_superuser = false # default"),
        ("public_hosts", "public_hosts = [\"a.test\"] # FILE, line 3"),
        ("database_url", "database_url = \"postgresql://app@db.test:5433/shop\" # DATABASE_URL"),
        ("tail_database_url", "# tail_database_url is not given # that of --database-url"),
        ("[expose]", "[expose] # FILE, line 5"),
        ("\"a.b\"", "\"a.b\" = \"r\""),
        ("  host", "# host db.test (database_url)"),
        ("  database ", "# database shop (database_url)"),
        ("  sslmode", "# sslmode prefer (default)"),
    ] {
        assert_eq!(line(&said, setting), shown, "{said}");
    }
    // A flag is over a variable, also where they spell the same setting differently.
    let (done, said) = config("", &["--port", "5"], &[("DATABASE_URL", "host=db user=app"), ("ROWCAST_LISTEN", "127.0.0.1:1")]);
    assert!(done && line(&said, "port") == "port = 5 # --port" && !said.contains("listen"), "{said}");
    // Every setting that `--help` knows.
    let (_, help) = run_with(&["--help"], &[]);
    let flags = help.lines().filter_map(|line| line.trim().strip_prefix("--")?.split([' ', '<']).next());
    for setting in flags.map(|flag| flag.replace('-', "_")) {
        // Of `port` and `listen` one is in force.
        assert!(setting == "config" || setting == "listen" || said.contains(&setting), "{setting}: {said}");
    }
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let database = database();
    let text = format!("database_url = \"{}\"\nlisten = [\"127.0.0.1:1\", \"[::1]:1\"]\n[expose]\ntesttype = \"rw\"\n", database.url());
    let (done, first) = config(&text, &["--polls", "5"], &[]);
    assert!(done, "{first}");
    let (done, second) = config(&first, &[], &[]);
    assert!(done, "{second}");
    let values = |said: &str| {
        said.lines().map(|line| line.split('#').next().unwrap().trim().to_owned()).filter(|line| !line.is_empty()).collect::<Vec<_>>()
    };
    assert_eq!(values(&first), values(&second));
    assert!(values(&first).contains(&"listen = [\"127.0.0.1:1\", \"[::1]:1\"]".to_owned()), "{first}");
    assert!(!values(&first).iter().any(|line| line.starts_with("port")), "{first}");
}

#[test]
fn no_password_is_ever_shown() {
    let folder = tempfile::tempdir().unwrap();
    let variables = |string: &'static str| [("DATABASE_URL", string), ("HOME", "/nowhere")];
    for string in [
        "postgresql://app:hunter2@db/shop",
        "postgresql://app@db/shop?password=hunter2",
        "host=db user=app password=hunter2",
        "host=db password='hunter2",
        "postgresql://app:hunter2@[db",
    ] {
        for tail in [&[][..], &["--tail-database-url", string]] {
            let (_, said) = config("", tail, &variables(string));
            assert!(said.contains("database_url") && !said.contains("hunter2"), "{said}");
        }
    }
    let (done, said) = config("", &[], &[("DATABASE_URL", "host=db"), ("PGPASSWORD", "hunter2"), ("PGUSER", "app")]);
    assert!(done && said.contains("given by PGPASSWORD") && !said.contains("hunter2"), "{said}");
    let file = folder.path().join("passwords");
    fs::write(&file, "*:*:*:*:hunter2\n").unwrap();
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (done, said) = config("", &[], &[("DATABASE_URL", "host=db user=app"), ("PGPASSFILE", file.to_str().unwrap())]);
    assert!(done && said.contains(file.to_str().unwrap()) && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_slip_is_refused_with_what_was_meant() {
    let given = [("DATABASE_URL", "host=db user=app")];
    for (text, words) in [
        ("\nprot = 80", vec!["line 2", "`prot`", "`port`", "FILE"]),
        ("[expos]\ntesttype = 'rw'", vec!["line 1", "`expos`", "`expose`"]),
        ("[expose]\ntesttype = 'rx'", vec!["line 2", "testtype", "`rx`", "\"rw\""]),
        ("polls = 0", vec!["line 1", "polls"]),
        ("polls = 'many'", vec!["line 1", "polls"]),
        ("polls = ", vec!["FILE", "line 1"]),
    ] {
        let (done, said) = config(text, &[], &given);
        assert!(!done && words.iter().all(|word| said.contains(word)), "{text}: {said}");
    }
    assert!(config("port = 80\npolls = 1\n[expose]\ntesttype = 'rw'", &[], &given).0);
}

#[test]
fn a_variable_that_nearly_is_ours_is_refused_and_a_stranger_is_told_of() {
    let with = |name| config("", &[], &[("DATABASE_URL", "host=db user=app"), (name, "8888")]);
    let (done, said) = with("ROWCAST_PROT");
    assert!(!done && said.contains("ROWCAST_PROT") && said.contains("ROWCAST_PORT"), "{said}");
    let (done, said) = with("ROWCAST_SERVICE_HOST");
    assert!(done && said.contains("ROWCAST_SERVICE_HOST"), "{said}");
    let (done, said) = with("ROWCAST_PORT");
    assert!(done && said.contains("port = 8888") && !said.contains("WARN"), "{said}");
}
