//! The commands, each through the real program.

mod check;
mod install;
mod listen;
mod status;
mod uninstall;
mod watch;

use std::io::Write;
use std::process::{Command, Output, Stdio};

use crate::support::{Database, program};

/// The schema as pg_dump prints it, with more of its flags.
fn schema(database: &Database, flags: &[&str]) -> String {
    let output = Command::new(database.cluster.program("pg_dump")).args(["-s", "-d", &database.url()]).args(flags).output().unwrap();
    assert!(output.status.success(), "pg_dump: {}", stderr(&output));
    // Newer versions of pg_dump print a random word that keeps a dump from being tampered with.
    stdout(&output).lines().filter(|line| !line.contains("restrict")).collect::<Vec<_>>().join("\n")
}

/// Pipes a script to psql as a person would.
fn psql(database: &Database, script: &str) -> Output {
    let psql = Command::new(database.cluster.program("psql"));
    feed(psql, &["-X", "-q", "-d", &database.url()], script)
}

/// Runs the program in a terminal of its own, on which `typed` is typed; all that the terminal shows.
fn in_terminal(arguments: &[&str], typed: &str) -> String {
    let command = format!("{:?} {}", program().get_program(), arguments.iter().map(|one| format!("'{one}' ")).collect::<String>());
    stdout(&feed(Command::new("script"), &["-qec", &command, "/dev/null"], typed))
}

fn feed(mut command: Command, arguments: &[&str], input: &str) -> Output {
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
