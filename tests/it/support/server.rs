//! The built binary as a server on a free port of loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use ureq::http::Request;

use super::cluster::Database;
use super::http::Answer;
use super::keeper::{Keeper, keeper};
use super::wait::wait_until;

/// How long a server may take to start, and to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running server; ended by SIGTERM when dropped.
pub struct Server {
    pub port: u16,
    child: Child,
    agent: ureq::Agent,
    /// Holds the configuration and the log.
    folder: tempfile::TempDir,
    program: PathBuf,
    database_url: String,
    flags: Vec<String>,
    /// What is handed over to it, and outlives it.
    socket: Option<OwnedFd>,
    keeper: Keeper,
}

/// Starts a server on `db` with `settings` as its configuration file, and waits until it is ready.
pub fn server(db: &Database, settings: &str) -> Server {
    launch(&db.url(), settings, &[]).ready()
}

/// Starts a server on any database, and does not wait for it: for those that are not to start, or not yet. In `flags`
/// the server's port is written as `{port}`; with `--listen` they say all of where it listens.
pub fn launch(database_url: &str, settings: &str, flags: &[&str]) -> Server {
    launch_at(&built(), free_port(), None, database_url, settings, flags)
}

/// The same with another build of the program.
pub fn launch_program(program: &Path, database_url: &str, settings: &str, flags: &[&str]) -> Server {
    launch_at(program, free_port(), None, database_url, settings, flags)
}

/// Starts a server that gets its listening socket from us, as from systemd. `port` is the socket's, where it has one.
pub fn launch_with_socket(socket: OwnedFd, port: u16, database_url: &str, settings: &str) -> Server {
    launch_at(&built(), port, Some(socket), database_url, settings, &[])
}

fn launch_at(program: &Path, port: u16, socket: Option<OwnedFd>, database_url: &str, settings: &str, flags: &[&str]) -> Server {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let configuration = folder.path().join("rowcast.toml");
    fs::write(&configuration, settings).expect("the configuration can be written");
    let child = spawn(program, &folder, database_url, port, socket.as_ref(), flags);
    let keeper = keeper("kill -KILL \"$1\"", &[&child.id().to_string()]);
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(150)))
        .max_redirects(0)
        .allow_non_standard_methods(true)
        .proxy(None)
        .build()
        .new_agent();
    Server {
        port,
        child,
        agent,
        folder,
        program: program.to_owned(),
        database_url: database_url.to_owned(),
        flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
        socket,
        keeper,
    }
}

/// Runs the program to its end in an empty folder.
pub fn output(arguments: &[&str]) -> Output {
    output_with(arguments, &[])
}

fn output_with(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut program = program();
    program.args(arguments).envs(variables.iter().copied()).current_dir(folder.path()).stdin(Stdio::null());
    program.output().expect("the program can be run")
}

/// The same: whether it succeeded, and all that it said.
pub fn run(arguments: &[&str]) -> (bool, String) {
    run_with(arguments, &[])
}

/// The same with variables of the environment.
pub fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> (bool, String) {
    let output = output_with(arguments, variables);
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&said).into_owned())
}

fn spawn(program: &Path, folder: &tempfile::TempDir, database_url: &str, port: u16, socket: Option<&OwnedFd>, flags: &[&str]) -> Child {
    let log = fs::File::create(folder.path().join("log")).expect("the log can be made");
    let listening = if flags.contains(&"--listen") { &[][..] } else { &["--port", "{port}"] };
    let (mut command, input) = match socket {
        None => (unconfigured(Command::new(program)), Stdio::null()),
        Some(socket) => (with_socket(program), Stdio::from(socket.try_clone().expect("a descriptor can be shared"))),
    };
    command
        .arg("serve")
        .arg("--config")
        .arg(folder.path().join("rowcast.toml"))
        .args(listening.iter().chain(flags).map(|flag| flag.replace("{port}", &port.to_string())))
        .env("DATABASE_URL", database_url)
        .current_dir(folder.path())
        .stdin(input)
        .stdout(log.try_clone().expect("the log can be shared"))
        .stderr(log)
        .spawn()
        .expect("the server can be run")
}

/// The built program, which gets its standard input as descriptor 3, handed over as sd_listen_fds(3) says. The shell becomes
/// the server, so its number is the server's.
fn with_socket(program: &Path) -> Command {
    let mut command = unconfigured(Command::new("sh"));
    let hand_over = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$@\"";
    command.args(["-c", hand_over, "sh"]).arg(program);
    command
}

/// The built program, with nothing of the tester's environment that would configure it.
pub fn program() -> Command {
    unconfigured(Command::new(built()))
}

/// Where the program is that was built with the tests.
fn built() -> PathBuf {
    env!("CARGO_BIN_EXE_rowcast").into()
}

fn unconfigured(mut command: Command) -> Command {
    for (name, _) in std::env::vars_os() {
        if ["PG", "ROWCAST_", "DATABASE_URL", "LISTEN_", "NOTIFY_SOCKET"]
            .iter()
            .any(|prefix| name.to_str().is_some_and(|name| name.starts_with(prefix)))
        {
            command.env_remove(name);
        }
    }
    command
}

impl Server {
    /// This server, once it is ready to serve.
    pub fn ready(mut self) -> Server {
        self.wait_until_ready();
        self
    }

    /// Ends it without warning, as if the machine had.
    pub fn kill9(&mut self) {
        self.child.kill().expect("the server can be killed");
        self.wait();
    }

    /// Starts it again after it ended, on the same port with the same configuration, and waits until it is ready.
    pub fn start_again(&mut self) {
        self.keeper.dismiss();
        let flags: Vec<&str> = self.flags.iter().map(String::as_str).collect();
        self.child = spawn(&self.program, &self.folder, &self.database_url, self.port, self.socket.as_ref(), &flags);
        self.keeper = keeper("kill -KILL \"$1\"", &[&self.child.id().to_string()]);
        self.wait_until_ready();
    }

    /// Polls and streams that the server holds open.
    pub fn open_polls(&self) -> usize {
        gauge(&self.get("/metrics").body, "rowcast_polls_open")
    }

    /// Waits until so many polls are open, and all of them parked: a poll that asks from "now" on has a "now" only then, and
    /// is not told what was committed before.
    pub fn wait_for_open_polls(&self, number: usize) {
        wait_until(&format!("{number} polls are open"), PATIENCE, || {
            let metrics = self.get("/metrics").body;
            ["rowcast_polls_open", "rowcast_polls_parked"].iter().all(|name| gauge(&metrics, name) == number).then_some(())
        });
    }

    fn wait_until_ready(&mut self) {
        wait_until("the server is ready", PATIENCE, || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the server ended ({status}):\n{}", self.log());
            }
            let answer = self.agent.get(self.url("/readyz")).call().ok()?;
            (answer.status() == 200).then_some(())
        });
    }

    /// The address of a path, by 127.0.0.1.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.send("DELETE", path, &[], "")
    }

    /// Sends JSON by `method`.
    pub fn send_json(&self, method: &str, path: &str, json: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/json")], json)
    }

    /// Sends a form's fields by `method`.
    pub fn send_form(&self, method: &str, path: &str, fields: &str) -> Answer {
        self.send(method, path, &[("content-type", "application/x-www-form-urlencoded")], fields)
    }

    /// Sends any request. A body is sent where it is not empty.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // A body of no bytes still is a body to some servers; none is none.
        let outcome = match body {
            "" => self.agent.run(request.body(()).expect("a request")),
            _ => self.agent.run(request.body(body).expect("a request")),
        };
        Answer::read(outcome.unwrap_or_else(|error| panic!("{method} {path}: {error}\n{}", self.log())))
    }

    /// A bare connection, for what no client library sends; reads give up after a while.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the server can be reached");
        stream.set_read_timeout(Some(PATIENCE)).expect("a read can be bounded");
        stream
    }

    /// Sends bytes as they are on a connection of their own, and reads until the server closes it. Ask for
    /// `Connection: close`, or the server will not.
    pub fn raw(&self, request: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(request.as_bytes()).expect("the request can be sent");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("the server closes the connection");
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Asks it to end, by SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Makes it hang, until [`Server::resume`].
    pub fn hang(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.expect("kill can be run").success(), "the server had ended already:\n{}", self.log());
    }

    /// Waits until it has ended; panics if it does not.
    pub fn wait(&mut self) -> ExitStatus {
        wait_until("the server ends", PATIENCE, || self.child.try_wait().expect("the server can be waited for"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            // It lets a connection that was used a moment ago be for a while: ours are not used again.
            self.agent = ureq::Agent::new_with_defaults();
            self.terminate();
            // It may have been left hanging.
            self.resume();
            let deadline = Instant::now() + PATIENCE;
            while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            // Too late to fail the test from here: what did not end is ended.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        self.keeper.dismiss();
        if std::thread::panicking() {
            eprintln!("the server's log:\n{}", self.log());
        }
    }
}

/// The value of a gauge without labels in the text of `/metrics`.
fn gauge(metrics: &str, name: &str) -> usize {
    let value = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{name} is no number in {metrics}"))
}

/// A port that is free on 127.0.0.1 and on ::1, where there is a ::1.
fn free_port() -> u16 {
    loop {
        let v4 = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let port = v4.local_addr().expect("a port has an address").port();
        let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, port));
        if v6.is_ok() || v6.is_err_and(|error| error.kind() != std::io::ErrorKind::AddrInUse) {
            return port;
        }
    }
}
