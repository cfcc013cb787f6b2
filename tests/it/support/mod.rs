//! What the integration tests stand on: a PostgreSQL cluster, databases in it, servers, and clients.
//!
//! ```ignore
//! let db = support::database();                          // of its own, with the schema and the example table
//! db.psql("insert into testtype (name) values ('Ann')");  // the real psql, as the role that owns the database
//! let server = support::server(&db, r#"expose = { testtype = "rw" }"#);
//! let rows = server.get("/api/testtype").expect_status(200).json();
//! ```
//!
//! One cluster serves the whole binary. A test that stops or crashes its cluster makes one of its own:
//! `Cluster::start()`, then `cluster.database()`. Whatever was started ends with the test or, if that is killed,
//! by a keeper (see [`keeper`]); nothing is left behind in processes or files.

pub mod client;
mod cluster;
pub mod events;
pub mod follower;
mod http;
pub mod keeper;
pub mod nginx;
pub mod pgbouncer;
pub mod proxy;
pub mod raw;
pub mod replica;
pub mod rows;
pub mod server;
mod wait;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

pub use cluster::{Cluster, Database, Stop};
pub use http::Answer;
pub use server::{Server, launch, launch_with_socket, output, program, run, run_with, server};
pub use wait::wait_until;

/// The example's table, exposed to be read and written.
pub const TESTTYPE: &str = "[expose]\ntesttype = \"rw\"\n";

/// A fresh database in the cluster that all tests share: with rowcast's schema and the example's table `testtype`
/// (rows `hello` and `world`), owned by a role that is no superuser.
pub fn database() -> Database {
    static SHARED: OnceLock<Arc<Cluster>> = OnceLock::new();
    SHARED.get_or_init(Cluster::start).database()
}

/// A fresh database whose `testtype` is empty, and a server on it that exposes it.
pub fn example() -> (Database, Server) {
    let db = empty_example(database());
    let server = server(&db, TESTTYPE);
    (db, server)
}

/// The database with an empty `testtype`, and an empty log.
pub fn empty_example(db: Database) -> Database {
    db.psql("truncate testtype restart identity; delete from rowcast.change");
    db
}

/// Waits until `probe` has an answer, for at most 20 seconds.
pub fn wait_for<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_until(what, Duration::from_secs(20), probe)
}
