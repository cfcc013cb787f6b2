//! nginx with the configuration of `examples/nginx`, before servers of a test.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::cluster::is_root;
use super::http::Answer;
use super::keeper::{Keeper, keeper};
use super::wait::wait_until;

const CONFIGURATION: &str = include_str!("../../../examples/nginx/rowcast.conf");

/// A running nginx, ended when dropped.
pub struct Nginx {
    pub port: u16,
    status_port: u16,
    child: Child,
    keeper: Keeper,
    folder: tempfile::TempDir,
}

impl Nginx {
    /// Starts one before the servers at these ports, for so many clients.
    pub fn start(servers: &[u16], clients: usize) -> Nginx {
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder can be made");
        let (port, status_port) = (free_port(), free_port());
        let upstream: String = servers.iter().map(|port| format!("server 127.0.0.1:{port} fail_timeout=2s;\n")).collect();
        let cache = folder.path().join("cache");
        let site = [
            ("server 127.0.0.1:8888 fail_timeout=2s;", upstream.as_str()),
            ("listen 127.0.0.1:8080;", &format!("listen 127.0.0.1:{port} backlog=4096;")),
            ("/var/cache/nginx/rowcast", cache.to_str().expect("a path in UTF-8")),
        ]
        .iter()
        .fold(CONFIGURATION.to_owned(), |text, (from, to)| {
            assert!(text.contains(from), "the example's configuration has no \"{from}\" any more");
            text.replacen(from, to, 1)
        });
        let main = main_configuration(folder.path(), status_port, clients);
        std::fs::write(folder.path().join("rowcast.conf"), site).expect("a file can be written");
        std::fs::write(folder.path().join("nginx.conf"), main).expect("a file can be written");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file can be made");
        let child = Command::new(program())
            .args(["-e", "stderr", "-c"])
            .arg(folder.path().join("nginx.conf"))
            .arg("-p")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log)
            .spawn()
            .expect("nginx can be run: install nginx-light");
        // TERM, so that the master takes its workers along.
        let keeper = keeper("kill -TERM \"$1\"", &[&child.id().to_string()]);
        let mut nginx = Nginx { port, status_port, child, keeper, folder };
        wait_until("nginx listens", Duration::from_secs(20), || {
            if let Ok(Some(status)) = nginx.child.try_wait() {
                panic!("nginx ended ({status}):\n{}", nginx.log());
            }
            std::net::TcpStream::connect(("127.0.0.1", nginx.status_port)).ok()
        });
        nginx
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Requests that wait for their answer, this one left out.
    pub fn waiting_requests(&self) -> usize {
        let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
        let status = agent.get(format!("http://127.0.0.1:{}/", self.status_port)).call().expect("nginx tells its status");
        let status = Answer::read(status).body;
        let writing = status.split("Writing: ").nth(1).and_then(|rest| rest.split(' ').next()).expect("Writing");
        writing.parse::<usize>().expect("a number").saturating_sub(1)
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        _ = self.child.wait();
        self.keeper.dismiss();
        if std::thread::panicking() {
            eprintln!("nginx's log:\n{}", self.log());
        }
    }
}

fn main_configuration(folder: &Path, status_port: u16, clients: usize) -> String {
    let folder = folder.display();
    let temporary: String =
        ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"].map(|what| format!("{what}_temp_path {folder}/{what};\n")).concat();
    format!(
        "daemon off;\npid {folder}/pid;\nerror_log stderr;\nworker_processes 2;\nworker_rlimit_nofile {files};\n{user}\
         events {{ worker_connections {files}; }}\n\
         http {{\naccess_log off;\n{temporary}include {folder}/rowcast.conf;\n\
         server {{ listen 127.0.0.1:{status_port}; location / {{ stub_status; }} }}\n}}\n",
        files = 2 * clients + 500,
        // The folder is ours alone.
        user = if is_root() { "user root root;\n" } else { "" },
    )
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be had");
    listener.local_addr().expect("a port has an address").port()
}

/// Debian puts it where an ordinary user's PATH does not lead.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/nginx";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "nginx" }
}
