//! The cluster, the server, the tables, and one run at a time with nothing left over from the one before.

use std::time::{Duration, Instant};

use postgres::{Client, NoTls};

use crate::listener::Listener;
use crate::load::{self, Until, Workload};
use crate::meter::{self, Updates};
use crate::options::Options;
use crate::support::{self, Cluster, Database, Server, wait_for};
use crate::tables::{How, Kind, ROWS};

/// A cluster that keeps what it commits, unlike the tests' own. Vacuum and checkpoints come between the runs, not during
/// some of them; without full page writes it is as in the middle between two checkpoints.
const SETTINGS: &str = "
fsync = on
synchronous_commit = on
full_page_writes = off
shared_buffers = '256MB'
max_wal_size = '8GB'
checkpoint_timeout = '1h'
autovacuum = off
";

pub struct Stage {
    pub kinds: Vec<Kind>,
    pub version: String,
    db: Database,
    server: Server,
    postmaster: u32,
    scripts: tempfile::TempDir,
}

/// What one run came to.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Statements a second.
    pub rate: f64,
    /// CPU time of the backends, in microseconds a row.
    pub cpu: f64,
    /// CPU time of the server and of its sessions, in microseconds a row.
    pub server_cpu: f64,
    /// WAL bytes a row.
    pub wal: f64,
    /// Of updates.
    pub hot: Option<f64>,
    /// Pruning and vacuuming what was logged, in microseconds of time a row.
    pub pruning: f64,
}

impl Stage {
    /// Makes a cluster and the tables in it, and starts a server.
    pub fn set(options: &Options) -> Stage {
        let cluster = Cluster::start();
        cluster.configure(SETTINGS, "");
        let db = cluster.database();
        let mut kinds = Kind::all();
        kinds.extend(options.also.iter().enumerate().map(|(number, file)| Kind::of_file(file, number)));
        for kind in &kinds {
            kind.create(&db);
        }
        for (kind, file) in kinds.iter().skip(kinds.len() - options.also.len()).zip(&options.also) {
            let file = file.canonicalize().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            for table in kind.tables() {
                db.psql(&format!("\\set table {table}\n\\i '{}'\n", file.display()));
            }
        }
        // A server serves no table with other triggers than rowcast's; what those log it reads all the same.
        let served = kinds.iter().filter(|kind| kind.how == How::Watched && !kind.is_tried()).flat_map(Kind::tables);
        let exposed: String = served.map(|table| format!("{table} = \"r\"\n")).collect();
        let server = support::server(&db, &format!("[expose]\n{exposed}"));
        let version = db.psql("show server_version");
        let postmaster = meter::postmaster(&cluster.directory().join("data"));
        let scripts = tempfile::tempdir().expect("a temporary folder can be made");
        Stage { kinds, version, db, server, postmaster, scripts }
    }

    /// Does the work once on one kind of table.
    pub fn run(&self, workload: &Workload, kind: &Kind, seconds: u32) -> Run {
        let mut client = self.db.client();
        let table = workload.table(kind);
        self.clean(&mut client, workload, &table);
        let listener = (kind.how == How::Notify).then(|| Listener::start(&self.db));
        let sessions = self.sessions(&mut client);
        let server_cpu = || sessions.iter().map(|&pid| meter::cpu(pid)).sum::<Duration>() + meter::cpu(self.server.pid());
        let updates = Updates::of(&mut client, &table);
        let (server_before, wal) = (server_cpu(), meter::wal(&mut client));
        let (rows, rate, cpu) = if workload.is_bulk() {
            let backend: i32 = client.query_one("select pg_backend_pid()", &[]).expect("the session has a process").get(0);
            let before = meter::cpu(backend.unsigned_abs());
            let took = load::bulk(&mut client, workload, &table);
            (u64::from(ROWS), 1.0 / took, meter::cpu(backend.unsigned_abs()) - before)
        } else {
            self.single(&mut client, workload, &table, seconds)
        };
        // The server may still be reading what was logged; that is a part of the cost.
        self.wait_until_asleep(&mut client);
        let a_row = |time: Duration| time.as_secs_f64() * 1e6 / rows as f64;
        let run = Run {
            rate,
            cpu: a_row(cpu),
            server_cpu: a_row(server_cpu().saturating_sub(server_before)),
            wal: (meter::wal(&mut client) - wal) as f64 / rows as f64,
            hot: workload.is_update().then(|| {
                let number = i64::try_from(rows).unwrap_or(i64::MAX);
                Updates::hot_share(&mut client, &table, updates, number)
            }),
            pruning: a_row(self.prune(&mut client)),
        };
        drop(listener);
        run
    }

    /// Runs pgbench, and once before with a statement a connection: what connecting takes is not what writing takes.
    fn single(&self, client: &mut Client, workload: &Workload, table: &str, seconds: u32) -> (u64, f64, Duration) {
        let mut measured = |until| {
            let (others, before) = (meter::children(self.postmaster), meter::cpu_of_ended_children(self.postmaster));
            let (rows, rate) = load::pgbench(&self.db, self.scripts.path(), workload, table, until);
            wait_for("pgbench's backends have ended", || {
                // The server may have renewed a connection of its pool meanwhile.
                let served = self.sessions(client);
                meter::children(self.postmaster).iter().all(|pid| others.contains(pid) || served.contains(pid)).then_some(())
            });
            (rows, rate, meter::cpu_of_ended_children(self.postmaster) - before)
        };
        let (few, _, connecting) = measured(Until::Each(1));
        let (rows, rate, cpu) = measured(Until::Seconds(seconds));
        // WAL and updates of both are counted, so the rows are too; the CPU of the few is their connections'.
        (rows + few, rate, cpu.saturating_sub(connecting))
    }

    /// An empty table to insert into, a vacuumed one to update, all on disk, and the server asleep.
    fn clean(&self, client: &mut Client, workload: &Workload, table: &str) {
        if !workload.is_update() {
            client.batch_execute(&format!("truncate {table}")).expect("the table can be emptied");
        }
        client.batch_execute(&format!("vacuum {table}")).expect("the table can be vacuumed");
        self.wait_until_asleep(client);
        self.prune(client);
        let mut superuser = Client::connect(&self.db.superuser_url(), NoTls).expect("the superuser can connect");
        superuser.batch_execute("checkpoint").expect("a checkpoint can be taken");
    }

    /// What a server does when the log is as old as it may get, and autovacuum after it. Returns how long it took.
    fn prune(&self, client: &mut Client) -> Duration {
        let start = Instant::now();
        let row = client.query_one("select rowcast.advance_horizon('0 seconds')", &[]).expect("the horizon can be moved");
        if row.get(0) {
            while client.query_one("select rowcast.prune(5000)", &[]).expect("the log can be pruned").get::<_, i64>(0) > 0 {}
            client.batch_execute("vacuum rowcast.change").expect("the log can be vacuumed");
        }
        start.elapsed()
    }

    /// Asleep means that all has been read, and that a bed is held.
    fn wait_until_asleep(&self, client: &mut Client) {
        const BED: &str = "select exists (select from pg_locks where locktype = 'advisory' and mode = 'ExclusiveLock' and granted)";
        wait_for("the server has read everything", || {
            client.query_one(BED, &[]).expect("locks can be read").get::<_, bool>(0).then_some(())
        });
    }

    /// The server's sessions.
    fn sessions(&self, client: &mut Client) -> Vec<u32> {
        let rows = client.query("select pid from pg_stat_activity where application_name = 'rowcast'", &[]);
        rows.expect("the sessions can be read").iter().map(|row| row.get::<_, i32>(0).unsigned_abs()).collect()
    }
}
