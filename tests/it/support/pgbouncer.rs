//! pgbouncer in front of a cluster's socket: a pooler as people run them.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Database;
use super::keeper::{Keeper, keeper};
use super::wait::wait_until;

/// A running pgbouncer, ended when dropped.
pub struct PgBouncer {
    pub port: u16,
    child: Child,
    keeper: Keeper,
    _folder: tempfile::TempDir,
}

impl PgBouncer {
    /// Starts one on a free port of loopback. `mode` is `transaction` or `session`. It has few sessions, and takes them in
    /// turn, so that a client meets all of them.
    pub fn start(database: &Database, mode: &str) -> PgBouncer {
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder can be made");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
        let port = listener.local_addr().expect("a port has an address").port();
        drop(listener);
        let (users, configuration) = (folder.path().join("users"), folder.path().join("pgbouncer.ini"));
        std::fs::write(&users, "\"app\" \"\"\n").expect("a file can be written");
        let settings = format!(
            "[databases]\n* = host={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = trust\n\
             auth_file = {}\npool_mode = {mode}\ndefault_pool_size = {}\nserver_round_robin = 1\nmax_client_conn = 200\n",
            database.cluster.directory().display(),
            users.display(),
            if mode == "transaction" { 3 } else { 40 },
        );
        std::fs::write(&configuration, settings).expect("a file can be written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let mut child = as_anybody_but_root(folder.path())
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("pgbouncer can be run: install it");
        let keeper = keeper("kill -TERM \"$1\"", &[&child.id().to_string()]);
        wait_until("pgbouncer listens", Duration::from_secs(20), || {
            if let Ok(Some(status)) = child.try_wait() {
                panic!("pgbouncer ended ({status}):\n{}", std::fs::read_to_string(folder.path().join("log")).unwrap_or_default());
            }
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        PgBouncer { port, child, keeper, _folder: folder }
    }

    /// The way to a database through it.
    pub fn url(&self, database: &Database) -> String {
        format!("postgresql://app@127.0.0.1:{}/{}", self.port, database.name)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
        self.keeper.dismiss();
    }
}

/// pgbouncer refuses to run as root, and root may enter the cluster's folder only as its owner.
fn as_anybody_but_root(folder: &std::path::Path) -> Command {
    use std::os::unix::fs::{PermissionsExt, chown};
    if !super::cluster::is_root() {
        return Command::new(program());
    }
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).expect("a folder's rights can be set");
    let owner = Command::new("id").args(["-u", "postgres"]).output().expect("id can be run");
    let owner = String::from_utf8_lossy(&owner.stdout).trim().parse().expect("the number of the user postgres");
    chown(folder, Some(owner), None).expect("a folder can be handed over");
    // Not through a shell or runuser, which would stay between us and the process that is to be ended.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", program()]).current_dir("/");
    command
}

/// Debian puts it where an ordinary user's PATH does not lead.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/pgbouncer";
    if std::path::Path::new(DEBIAN).exists() { DEBIAN } else { "pgbouncer" }
}
