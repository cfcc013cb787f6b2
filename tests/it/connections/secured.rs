//! A cluster that is reached by TCP with TLS, as `db.test`, and roles that it lets in in different ways.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::support::{Cluster, Database, run_with};

/// Only with TLS, only without, by password over either, by certificate; `app` owns the database, and comes in by either.
const ACCESS: &str = "
hostssl   all tlsonly   samenet trust
hostnossl all plainonly samenet trust
host      all scram     samenet scram-sha-256
hostssl   all certified samenet cert
host      all app       samenet trust
host      all all       all     reject
";

/// The cluster, one database in it, and what its clients need.
pub struct Secured {
    pub database: Database,
    /// An address of loopback that no other cluster listens on.
    pub address: String,
    /// Certificates and keys, each a file; a home that is empty.
    folder: tempfile::TempDir,
}

/// The one that all tests share.
pub fn secured() -> &'static Secured {
    static SHARED: OnceLock<Secured> = OnceLock::new();
    SHARED.get_or_init(Secured::start)
}

impl Secured {
    fn start() -> Secured {
        let cluster = Cluster::start();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let authority = Authority::new("the right one");
        let (server, server_key) = authority.sign("x", &["db.test"]);
        let (certificate, key) = (cluster.write("server.crt", &server), cluster.write("server.key", &server_key));
        let clients = cluster.write("clients.crt", &authority.certificate);
        let process = std::process::id();
        let address = format!("127.{}.{}.{}", 64 + (process >> 16) % 128, (process >> 8) % 256, process % 254 + 1);
        let settings = format!(
            "listen_addresses = '{address}'\nssl = on\nssl_cert_file = '{}'\nssl_key_file = '{}'\nssl_ca_file = '{}'\n",
            certificate.display(),
            key.display(),
            clients.display()
        );
        cluster.configure(&settings, ACCESS);
        let database = cluster.database();
        database.psql_as_superuser(
            "create role tlsonly login in role app; create role plainonly login in role app; create role certified login in role app;
             set password_encryption = 'scram-sha-256'; create role scram login in role app password 'open:sesame'",
        );
        let secured = Secured { database, address, folder };
        secured.write("right.crt", &authority.certificate);
        secured.write("wrong.crt", &Authority::new("the wrong one").certificate);
        for (name, (certificate, key)) in
            [("certified", authority.sign("certified", &[])), ("stranger", Authority::new("the wrong one").sign("certified", &[]))]
        {
            secured.write(&format!("{name}.crt"), &certificate);
            secured.write(&format!("{name}.key"), &key);
        }
        secured
    }

    /// Where one of its clients' files is: `right.crt`, `wrong.crt`, `certified.crt` and `.key`, `stranger.crt` and `.key`.
    pub fn file(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a path in UTF-8").to_owned()
    }

    /// A connection string for a role, without `sslmode`; the server's name is the right one.
    pub fn string(&self, role: &str, more: &str) -> String {
        // A later keyword replaces an earlier one.
        format!("host=db.test hostaddr={} dbname={} user={role} {more}", self.address, self.database.name)
    }

    /// Writes a file that only its owner can read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let file = self.folder.path().join(name);
        fs::write(&file, text).expect("a file can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("a file's rights can be set");
        file
    }
}

/// Whoever signs certificates.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("a certificate can be made").pem();
        Authority { certificate, issuer: Issuer::new(params, key) }
    }

    /// A certificate and its key.
    fn sign(&self, name: &str, hosts: &[&str]) -> (String, String) {
        let hosts: Vec<String> = hosts.iter().map(|&host| host.to_owned()).collect();
        let mut params = CertificateParams::new(hosts).expect("names of hosts");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key can be made");
        (params.signed_by(&key, &self.issuer).expect("a certificate can be signed").pem(), key.serialize_pem())
    }
}

/// What a client may find of a person's own.
pub struct Home(tempfile::TempDir);

impl Home {
    pub fn new() -> Home {
        Home(tempfile::tempdir().expect("a temporary folder can be made"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file in it, with its rights.
    pub fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let file = self.path().join(name);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder can be made");
        fs::write(&file, text).expect("a file can be written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("a file's rights can be set");
        file
    }

    fn variables<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let mut variables = vec![("HOME", self.path().to_str().expect("a path in UTF-8"))];
        variables.extend(more);
        variables
    }

    /// Whether rowcast gets in: what it said if not.
    pub fn rowcast(&self, string: &str, variables: &[(&str, &str)]) -> Result<(), String> {
        // It connects, and then there is no such table.
        let mut arguments = vec!["watch", "no_such_table"];
        if !string.is_empty() {
            arguments.extend(["--database-url", string]);
        }
        let (_, said) = run_with(&arguments, &self.variables(variables));
        if said.contains("\"no_such_table\"") { Ok(()) } else { Err(said) }
    }

    /// Whether psql gets in, which is to say libpq.
    pub fn psql(&self, cluster: &Arc<Cluster>, string: &str, variables: &[(&str, &str)]) -> Result<(), String> {
        let mut psql = Command::new(cluster.program("psql"));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(|name| name.starts_with("PG"))) {
            psql.env_remove(name);
        }
        psql.args(["-X", "-w", "-A", "-t", "-c", "select 1"]).envs(self.variables(variables));
        if !string.is_empty() {
            psql.args(["-d", string]);
        }
        let output = psql.output().expect("psql can be run");
        if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
    }

    /// Both must get in.
    #[track_caller]
    pub fn both_get_in(&self, string: &str, variables: &[(&str, &str)]) {
        let psql = self.psql(&secured().database.cluster, string, variables);
        assert_eq!(psql, Ok(()), "psql: {string} {variables:?}");
        let rowcast = self.rowcast(string, variables);
        assert_eq!(rowcast, Ok(()), "rowcast: {string} {variables:?}");
    }

    /// Neither may get in, and rowcast must say why in these words.
    #[track_caller]
    pub fn both_are_refused(&self, string: &str, variables: &[(&str, &str)], words: &[&str]) {
        let psql = self.psql(&secured().database.cluster, string, variables);
        assert!(psql.is_err(), "psql got in: {string} {variables:?}");
        self.rowcast_is_refused(string, variables, words);
    }

    #[track_caller]
    pub fn rowcast_is_refused(&self, string: &str, variables: &[(&str, &str)], words: &[&str]) {
        let said = self.rowcast(string, variables).expect_err(string);
        for word in words {
            assert!(said.contains(word), "{string} {variables:?}: \"{word}\" is not in: {said}");
        }
    }
}
