//! Each thing that can be wrong is found; the command that is printed mends it; then it is found no more.

mod rights;
mod schema;
mod server;
mod tables;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{stderr, stdout};
use crate::support::{Database, TESTTYPE, database, output, program};

/// A database, and a configuration for it.
struct Checked {
    db: Database,
    /// As the role that the server runs as.
    url: String,
    folder: tempfile::TempDir,
}

#[derive(Debug)]
struct Finding {
    what: String,
    mend: String,
    hint: bool,
}

impl Checked {
    fn new(settings: &str) -> Checked {
        Checked::of(database(), settings)
    }

    fn of(db: Database, settings: &str) -> Checked {
        let checked = Checked { url: db.url(), db, folder: tempfile::tempdir().unwrap() };
        checked.configure(settings);
        checked
    }

    fn configure(&self, settings: &str) {
        fs::write(self.folder.path().join("rowcast.toml"), settings).unwrap();
    }

    fn file(&self) -> String {
        self.folder.path().join("rowcast.toml").to_str().unwrap().to_owned()
    }

    /// All that is found. The exit code tells whether anything has to be mended.
    #[track_caller]
    fn look(&self) -> Vec<Finding> {
        let output = output(&["check", "--json", "--config", &self.file(), "--database-url", &self.url]);
        let printed: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
        let text = |one: &Value, name: &str| one[name].as_str().unwrap().to_owned();
        let finding = |one: &Value| Finding { what: text(one, "finding"), mend: text(one, "mend"), hint: one["hint"] == true };
        let findings: Vec<Finding> = printed.iter().map(finding).collect();
        assert_eq!(output.status.success(), findings.iter().all(|finding| finding.hint), "{findings:?}");
        findings
    }

    /// What has to be mended.
    #[track_caller]
    fn wrong(&self) -> Vec<Finding> {
        self.look().into_iter().filter(|finding| !finding.hint).collect()
    }

    #[track_caller]
    fn is_well(&self) {
        let wrong = self.wrong();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    /// The only thing that has to be mended, which says this.
    #[track_caller]
    fn only(&self, part: &str) -> Finding {
        let mut wrong = self.wrong();
        assert!(wrong.len() == 1 && wrong[0].what.contains(part), "expected {part}, found {wrong:#?}");
        wrong.remove(0)
    }

    /// Runs the printed command as a person's shell would.
    #[track_caller]
    fn mend(&self, finding: &Finding) {
        let binaries =
            [Path::new(program().get_program()).parent().unwrap().to_owned(), self.db.cluster.program("psql").parent().unwrap().to_owned()];
        let path = std::env::join_paths(binaries.into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap()))).unwrap();
        let done = Command::new("sh")
            .args(["-c", &finding.mend])
            .env("PATH", path)
            .env("DATABASE_URL", self.db.url())
            .env("ROWCAST_CONFIG", self.file())
            .env("PGUSER", "boss")
            .env("PSQLRC", "/dev/null")
            .output()
            .unwrap();
        assert!(done.status.success(), "{}: {}", finding.mend, stderr(&done));
    }

    /// Is well; then this is broken, which is found; then it is mended as printed, and all is well again.
    #[track_caller]
    fn breaks(&self, sql: &str, part: &str) {
        self.is_well();
        self.db.psql(sql);
        let finding = self.only(part);
        self.mend(&finding);
        self.is_well();
    }

    /// The same, broken by the superuser.
    #[track_caller]
    fn is_broken(&self, sql: &str, part: &str) {
        self.is_well();
        self.db.psql_as_superuser(sql);
        let finding = self.only(part);
        self.mend(&finding);
        self.is_well();
    }
}

#[test]
fn all_is_well_as_installed() {
    let checked = Checked::new(TESTTYPE);
    checked.is_well();
    let said = output(&["check", "--config", &checked.file(), "--database-url", &checked.url]);
    let text = stdout(&said);
    assert!(said.status.success() && text.contains("all is well: 1 tables are watched in database "), "{text}");
    assert!(text.contains("hint: max_prepared_transactions is 10"), "{text}");
}

#[test]
fn a_finding_is_a_line_and_the_line_that_mends_it() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("select rowcast.unwatch('testtype')");
    let said = output(&["check", "--config", &checked.file(), "--database-url", &checked.url]);
    let text = stdout(&said);
    assert_eq!(said.status.code(), Some(1));
    let expected = "the exposed table testtype is not watched: it is not served\n    rowcast watch public.testtype\n";
    assert!(text.starts_with(expected) && text.contains("\n1 to mend: database "), "{text}");
}
