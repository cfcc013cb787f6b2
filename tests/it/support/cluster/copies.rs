//! Copies of clusters and of databases, as people make them: each is another history from then on.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use super::{Cluster, Database, SUPERUSER, as_owner, path, run, text};

impl Cluster {
    /// A copy of this cluster's files, which has to be stopped; it runs beside this one once both go on.
    pub fn copy_of_files(&self) -> Arc<Cluster> {
        let copy = Cluster::nowhere();
        run(as_owner("cp").args(["-a", path(&self.data()), path(&copy.data())]), "");
        copy.answer_at_home("");
        Arc::new(copy)
    }

    /// A standby that follows this cluster, and has all that was written so far.
    pub fn standby(&self) -> Arc<Cluster> {
        let standby = Cluster::nowhere();
        let mut backup = as_owner(path(&self.program("pg_basebackup")));
        backup.args(["-h", path(&self.directory), "-U", SUPERUSER, "-D", path(&standby.data()), "-R", "-X", "stream", "-c", "fast"]);
        run(backup.arg("--no-sync"), "");
        // That of an older version may not know all that a newer pg_basebackup writes.
        standby.answer_at_home(&format!("primary_conninfo = 'host={} user={SUPERUSER}'\n", self.directory.display()));
        Arc::new(standby)
    }

    /// Makes a standby the primary.
    pub fn promote(&self) {
        run(as_owner(path(&self.binaries.join("pg_ctl"))).args(["promote", "-w", "-s", "-D", path(&self.data())]), "");
    }

    /// The database of this cluster that was copied along with it.
    pub fn copied(self: &Arc<Cluster>, database: &Database) -> Database {
        Database { cluster: self.clone(), name: database.name.clone() }
    }

    fn answer_at_home(&self, more: &str) {
        let file = self.data().join("postgresql.auto.conf");
        let settings = fs::read_to_string(&file).expect("the copy's configuration can be read");
        let settings = format!("{settings}unix_socket_directories = '{}'\n{more}", self.directory.display());
        fs::write(&file, settings).expect("the copy's configuration can be written");
        self.go_on();
    }
}

impl Database {
    /// What pg_dump prints of it, with more of its flags.
    pub fn dump(&self, flags: &[&str]) -> String {
        let mut dump = Command::new(self.cluster.program("pg_dump"));
        text(&run(dump.args(["-d", &self.url()]).args(flags), "").stdout)
    }
}
