//! Where the database is: what was configured, else libpq's variables, else the checkout's private cluster.

mod resolve;
mod tls;

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::libpq::{Environment, Given, Parameters, Passfile, Wanted};
use crate::error::{Error, Result};

pub use tls::{ClientCertificate, Roots, SslMode, Tls, TlsVersion};

/// Where `reinitdb.sh` leaves the address of the private cluster's database.
const PRIVATE_CLUSTER: &str = ".postgres/database_url";

/// Variables of which one is enough to say that they, and not the private cluster, are meant.
const SAYING_WHERE: [&str; 6] = ["PGHOST", "PGHOSTADDR", "PGPORT", "PGUSER", "PGDATABASE", "PGSERVICE"];

/// How to reach the database: all that libpq's ways of saying it came to.
#[derive(Clone)]
pub struct Address {
    /// Tried in this order.
    pub places: Vec<Place>,
    /// In another order each time.
    pub shuffled: bool,
    pub user: String,
    pub database: String,
    pub application_name: String,
    pub options: Option<String>,
    pub tls: Tls,
    pub channel_binding: ChannelBinding,
    /// The session must be one that can write.
    pub read_write: bool,
    pub connect_timeout: Option<Duration>,
    pub silence: Silence,
    password: Option<String>,
    passfile: Option<Passfile>,
    parameters: Parameters,
}

/// One server that may be it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub host: Host,
    pub port: u16,
}

/// What leads to a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// The directory of its socket.
    Socket(PathBuf),
    /// Its name, or its address as text; with `address`, no name is looked up.
    Network { name: Option<String>, address: Option<IpAddr> },
}

/// Whether SCRAM is bound to the TLS connection that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelBinding {
    Disable,
    Prefer,
    Require,
}

/// When a network that has gone silent is given up: the system's own bounds are hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Silence {
    pub keepalives: bool,
    pub idle: Duration,
    pub interval: Duration,
    pub count: u32,
    pub user_timeout: Duration,
}

/// The way to the database that `database_url`, libpq's variables or the private cluster ask for.
pub fn database_config(database_url: Option<&str>) -> Result<Address> {
    find(database_url, &Environment::of_process(), Path::new(PRIVATE_CLUSTER)).map_err(Error::bad_request)
}

/// The tailer's way: its own where it was given one.
pub fn tail_database_config(tail_database_url: Option<&str>, database: &Address) -> Result<Address> {
    match tail_database_url.filter(|url| !url.trim().is_empty()) {
        Some(url) => Address::resolve(url, "tail_database_url", &Environment::of_process()).map_err(Error::bad_request),
        None => Ok(database.clone()),
    }
}

/// What starts the database again, where it is the checkout's private cluster.
pub fn how_to_start(database_url: Option<&str>) -> Option<&'static str> {
    let given = database_url.is_some_and(|url| !url.trim().is_empty()) || variables_say_where(&Environment::of_process());
    let private = !given && Path::new(PRIVATE_CLUSTER).exists();
    private.then_some("./reinitdb.sh --start starts the private cluster again, with its data as it is")
}

fn find(database_url: Option<&str>, environment: &Environment, private_cluster: &Path) -> std::result::Result<Address, String> {
    match database_url.filter(|url| !url.trim().is_empty()) {
        Some(url) => Address::resolve(url, "database_url", environment),
        None if variables_say_where(environment) => Address::resolve("", "the PG* variables", environment),
        None => match std::fs::read_to_string(private_cluster) {
            Ok(url) => Address::resolve(&url, PRIVATE_CLUSTER, environment),
            Err(_) => {
                Err("no database is given: set DATABASE_URL, or run ./reinitdb.sh, which makes a private cluster in the checkout"
                    .to_owned())
            }
        },
    }
}

fn variables_say_where(environment: &Environment) -> bool {
    SAYING_WHERE.iter().any(|name| environment.get(name).is_some())
}

impl Address {
    /// The password for a place: what was given, else what the password file has for it.
    pub fn password(&self, place: &Place) -> Option<String> {
        self.password.clone().or_else(|| self.passfile_password(place))
    }

    fn passfile_password(&self, place: &Place) -> Option<String> {
        let host = place.host.in_passfile();
        let wanted = Wanted { host: &host, port: place.port, database: &self.database, user: &self.user };
        self.passfile.as_ref()?.password(wanted)
    }

    /// Whether a password was given, or where it is from; for a person.
    pub fn password_origin(&self) -> String {
        if let Some(given) = self.parameters.given("password") {
            return format!("given by {}", given.origin);
        }
        match &self.passfile {
            Some(file) if self.places.iter().any(|place| self.passfile_password(place).is_some()) => format!("from {}", file.0.display()),
            Some(file) => format!("none ({} has none for this)", file.0.display()),
            None => "none".to_owned(),
        }
    }

    /// What was given for a keyword of libpq, and where.
    pub fn given(&self, keyword: &str) -> Option<&Given> {
        self.parameters.given(keyword)
    }
}

/// The database for a person to read, in errors and logs: without the password.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        write!(f, "database {} on {} as role {}", self.database, places.join(", "), self.user)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Host {
    /// As lines of the password file name it: the usual directory of sockets is localhost there.
    fn in_passfile(&self) -> String {
        match self {
            Host::Socket(directory) if directory == resolve::socket_directory() => "localhost".to_owned(),
            host => host.to_string(),
        }
    }
}

/// Its name where it has one, else its address; the directory of a socket.
impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Host::Socket(directory) => write!(f, "{}", directory.display()),
            Host::Network { name: Some(name), .. } => f.write_str(name),
            Host::Network { name: None, address: Some(address) } => write!(f, "{address}"),
            Host::Network { name: None, address: None } => Ok(()),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self.host)?;
        if self.port == resolve::DEFAULT_PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

#[cfg(test)]
mod tests;
