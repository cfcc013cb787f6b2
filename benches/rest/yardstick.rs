//! What there is to compare with: hyper from memory, and PostgreSQL by itself.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::support::Database;

/// Answers everything with one body, until standard input ends.
pub fn run(body: String) {
    std::thread::spawn(|| {
        _ = std::io::stdin().lines().count();
        std::process::exit(0);
    });
    let body = Bytes::from(body);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
    runtime.block_on(async move {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port can be had");
        println!("port {}", listener.local_addr().expect("a port has an address").port());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection can be accepted");
            stream.set_nodelay(true).expect("a socket can be set up");
            let body = body.clone();
            let service = service_fn(move |_| {
                let mut response = Response::new(Full::new(body.clone()));
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                async { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move { _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    });
}

/// How often a second PostgreSQL answers a query, prepared beforehand.
pub fn pgbench(db: &Database, query: &str, connections: u32, long: Duration) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let script = folder.path().join("script.sql");
    std::fs::write(&script, query).expect("a script can be written");
    let output = Command::new(db.cluster.program("pgbench"))
        .args(["--no-vacuum", "--protocol=prepared", "--client", &connections.to_string(), "--jobs=1"])
        .args(["--time", &long.as_secs().max(1).to_string(), "--file"])
        .arg(&script)
        .arg(db.url())
        .output()
        .expect("pgbench can be run");
    let said = String::from_utf8_lossy(&output.stdout);
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok());
    rate.unwrap_or_else(|| panic!("pgbench said: {said}{}", String::from_utf8_lossy(&output.stderr)))
}
