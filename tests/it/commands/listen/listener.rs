//! A listener whose output a test reads.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::support::keeper::{Keeper, keeper};
use crate::support::{Database, program, wait_for};

/// How long a line may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A listener whose output is a pipe, or a terminal of its own.
pub struct Listener {
    pub child: Child,
    lines: Receiver<String>,
    log: tempfile::NamedTempFile,
    keeper: Keeper,
}

/// Starts one and waits until it follows.
pub fn listen(db: &Database, arguments: &[&str]) -> Listener {
    let mut command = program();
    command.args(["listen", "--database-url", &db.url()]).args(arguments);
    start(command).following()
}

pub fn start(mut command: Command) -> Listener {
    let log = tempfile::NamedTempFile::new().unwrap();
    let stderr = log.reopen().unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).current_dir("/").spawn().unwrap();
    let keeper = keeper("kill -KILL \"$1\"", &[&child.id().to_string()]);
    let (sender, lines) = channel();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || stdout.lines().map_while(Result::ok).all(|line| sender.send(line).is_ok()));
    Listener { child, lines, log, keeper }
}

impl Listener {
    pub fn following(self) -> Listener {
        wait_for("the listener follows", || self.log().contains("following").then_some(()));
        self
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log.path()).unwrap()
    }

    #[track_caller]
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("no line ({error}); the log:\n{}", self.log()))
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    pub fn signal(&self, name: &str) {
        assert!(Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status().unwrap().success());
    }

    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the listener ends", || self.child.try_wait().unwrap())
    }

    /// The cursor that was told at the end.
    pub fn last_cursor(&self) -> String {
        self.log().rsplit("--since ").next().unwrap().trim().to_owned()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            _ = self.child.kill();
            _ = self.child.wait();
        }
        self.keeper.dismiss();
    }
}
