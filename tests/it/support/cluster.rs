//! A private PostgreSQL cluster, and databases in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::keeper::{Keeper, keeper};

mod copies;

/// The role that owns every test database and that servers use. It is not called rowcast: `"$user"` in the search_path
/// would then be the schema of that name.
const ROLE: &str = "app";

/// The superuser of the cluster, which only this module and tests of faults use.
const SUPERUSER: &str = "boss";

/// A quick cluster that keeps a crash's promises: what is committed is in the operating system's hands.
const SETTINGS: &str = "
listen_addresses = ''
unix_socket_permissions = 0700
fsync = off
shared_buffers = '32MB'
max_connections = 150
max_prepared_transactions = 10
timezone = 'UTC'
";

/// How to stop a cluster.
#[derive(Clone, Copy, Debug)]
pub enum Stop {
    /// Sessions are ended, all is written: PostgreSQL's `fast`.
    Clean,
    /// As if the power failed; the next start recovers: PostgreSQL's `immediate`.
    Crash,
}

/// A cluster on a unix socket in a directory of its own. Gone, with its files, when the last handle is dropped.
pub struct Cluster {
    binaries: PathBuf,
    directory: PathBuf,
    databases: AtomicUsize,
    /// One load of the schema at a time: the role of the capture trigger belongs to the whole cluster.
    loading: Mutex<()>,
    keeper: Keeper,
}

impl Cluster {
    /// Makes and starts a cluster.
    pub fn start() -> Arc<Cluster> {
        let cluster = Cluster::nowhere();
        run(
            as_owner(path(&cluster.binaries.join("initdb")))
                .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"])
                .args(["-U", SUPERUSER, "-D", path(&cluster.data())]),
            "",
        );
        let settings = format!("{SETTINGS}unix_socket_directories = '{}'\n", cluster.directory.display());
        fs::write(cluster.data().join("postgresql.auto.conf"), settings).expect("the cluster's configuration can be written");
        cluster.go_on();
        cluster.psql_as(SUPERUSER, "postgres", &format!("create role {ROLE} login createdb createrole"));
        Arc::new(cluster)
    }

    /// A folder for a cluster, with nothing in it yet.
    fn nowhere() -> Cluster {
        let binaries = find_binaries();
        let made = run(as_owner("mktemp").args(["-d", "/tmp/rowcast-it-XXXXXX"]), "");
        let directory = PathBuf::from(text(&made.stdout).trim());
        let stop_command = stop_line(&binaries, &directory.join("data"), Stop::Crash);
        let keeper = keeper(&format!("{stop_command}; rm -rf \"$1\""), &[path(&directory)]);
        Cluster { binaries, directory, databases: AtomicUsize::new(0), loading: Mutex::new(()), keeper }
    }

    /// Starts the cluster again after [`Cluster::stop`], and waits until it answers.
    pub fn go_on(&self) {
        let log = self.directory.join("log");
        run(as_owner(path(&self.binaries.join("pg_ctl"))).args(["start", "-w", "-s", "-D", path(&self.data()), "-l", path(&log)]), "");
    }

    /// Stops the cluster and waits until it has.
    pub fn stop(&self, how: Stop) {
        run(Command::new("sh").arg("-c").arg(stop_line(&self.binaries, &self.data(), how)), "");
    }

    /// Writes a file that the cluster's own user alone can read, beside the data; returns where it is.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.directory.join(name);
        run(as_owner("sh").args(["-c", "umask 077; cat >\"$1\"", "sh", path(&file)]), text);
        file
    }

    /// Starts the cluster anew with more settings, and with `hba` before the lines of `pg_hba.conf`.
    pub fn configure(&self, settings: &str, hba: &str) {
        self.stop(Stop::Clean);
        let (settings_file, hba_file) = (self.data().join("postgresql.auto.conf"), self.data().join("pg_hba.conf"));
        let read = |file: &Path| fs::read_to_string(file).expect("the cluster's configuration can be read");
        let write = |file: &Path, text: String| fs::write(file, text).expect("the cluster's configuration can be written");
        write(&settings_file, read(&settings_file) + settings);
        write(&hba_file, hba.to_owned() + &read(&hba_file));
        self.go_on();
    }

    /// A fresh database in this cluster; see [`super::database`].
    pub fn database(self: &Arc<Cluster>) -> Database {
        let database = self.empty_database();
        database.load("sql");
        database.load("sql/example");
        database
    }

    /// A fresh database with nothing in it.
    pub fn empty_database(self: &Arc<Cluster>) -> Database {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        self.psql_as(SUPERUSER, "postgres", &format!("create database {name} owner {ROLE}"));
        Database { cluster: self.clone(), name }
    }

    /// Where one of PostgreSQL's programs is: that of the cluster's version, or, where only a server was named, Debian's.
    pub fn program(&self, name: &str) -> PathBuf {
        let own = self.binaries.join(name);
        if own.exists() { own } else { newest_of_debian().map_or(own, |binaries| binaries.join(name)) }
    }

    /// The socket's folder.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgresql://{role}@{}/{database}", path(&self.directory).replace('/', "%2F"))
    }

    fn psql_as(&self, role: &str, database: &str, sql: &str) -> String {
        let mut psql = Command::new(self.program("psql"));
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(role, database)]);
        text(&run(&mut psql, sql).stdout).trim_end().to_owned()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.keeper.run();
    }
}

/// A database of one test, dropped with it.
pub struct Database {
    pub cluster: Arc<Cluster>,
    pub name: String,
}

impl Database {
    /// Its address, for the role that owns it.
    pub fn url(&self) -> String {
        self.cluster.url(ROLE, &self.name)
    }

    /// Runs SQL by the real psql as the owner; what it prints, unaligned and without headings. Panics if it fails.
    pub fn psql(&self, sql: &str) -> String {
        self.cluster.psql_as(ROLE, &self.name, sql)
    }

    /// Loads a folder of SQL files by psql, in name order and one transaction.
    pub fn load(&self, folder: &str) {
        let _one_at_a_time = self.cluster.loading.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        self.psql(&sql_files(folder));
    }

    /// A copy of it, as `create database … template` makes it. Nobody may be connected to it.
    pub fn copy(&self) -> Database {
        let name = format!("{}_copy", self.name);
        self.cluster.psql_as(SUPERUSER, "postgres", &format!("create database {name} template {} owner {ROLE}", self.name));
        Database { cluster: self.cluster.clone(), name }
    }

    /// The same as superuser.
    pub fn psql_as_superuser(&self, sql: &str) -> String {
        self.cluster.psql_as(SUPERUSER, &self.name, sql)
    }

    /// Its address, for the superuser.
    pub fn superuser_url(&self) -> String {
        self.cluster.url(SUPERUSER, &self.name)
    }

    /// A connection as the owner.
    pub fn client(&self) -> postgres::Client {
        postgres::Client::connect(&self.url(), postgres::NoTls).expect("the database can be reached")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let drop_it = format!("drop database if exists {} with (force)", self.name);
        // A test may leave its cluster stopped; its files go anyway.
        let client = postgres::Client::connect(&self.cluster.url(SUPERUSER, "postgres"), postgres::NoTls);
        let dropped = client.and_then(|mut client| client.batch_execute(&drop_it));
        if let Err(error) = dropped {
            eprintln!("{} was not dropped: {error}", self.name);
        }
    }
}

/// All files of a folder of the checkout in name order, as psql commands in one transaction.
fn sql_files(folder: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder's entry").path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
    files.sort();
    let includes: Vec<String> = files.iter().map(|file| format!("\\i '{}'\n", file.display())).collect();
    format!("begin;\n{}commit;\n", includes.concat())
}

/// PostgreSQL refuses to run as root, so then its programs run as the user of Debian's package.
fn as_owner(program: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--", program]);
    // A directory that this user may not enter would be complained about.
    command.current_dir("/");
    command
}

fn stop_line(binaries: &Path, data: &Path, how: Stop) -> String {
    let mode = match how {
        Stop::Clean => "fast",
        Stop::Crash => "immediate",
    };
    let owner = if is_root() { "cd / && runuser -u postgres --" } else { "" };
    format!("{owner} '{}' stop -w -s -m {mode} -D '{}'", binaries.join("pg_ctl").display(), data.display())
}

/// Whether the tests run as root.
pub(super) fn is_root() -> bool {
    static ID: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    *ID.get_or_init(|| text(&run(Command::new("id").arg("-u"), "").stdout).trim() == "0")
}

/// `ROWCAST_PG_BIN`, else the newest of Debian's, else where `initdb` is in the PATH.
fn find_binaries() -> PathBuf {
    if let Some(named) = std::env::var_os("ROWCAST_PG_BIN") {
        return named.into();
    }
    if let Some(newest) = newest_of_debian() {
        return newest;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .find(|folder| folder.join("initdb").exists())
        .expect("PostgreSQL's initdb is needed: install postgresql, or set ROWCAST_PG_BIN to the folder it is in")
}

fn newest_of_debian() -> Option<PathBuf> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path());
    let version = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
    let newest = debian.filter(|path| path.join("bin/initdb").exists()).max_by_key(version)?;
    Some(newest.join("bin"))
}

/// Runs a program to its end with `input`; panics with what it said if it fails.
fn run(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("PG"))) {
        command.env_remove(name);
    }
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} cannot be run: {error}"));
    let mut stdin = child.stdin.take().expect("standard input is a pipe");
    let written = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("a program can be waited for");
    assert!(
        output.status.success() && written.is_ok(),
        "{command:?} failed ({}):\n{}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}
