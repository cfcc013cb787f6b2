//! Where the database is: what was configured, else libpq's variables, else the checkout's private cluster.

use std::env;
use std::path::Path;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::error::{Error, Result};

/// Where `reinitdb.sh` leaves the address of the private cluster's database.
const PRIVATE_CLUSTER: &str = ".postgres/database_url";

/// Debian's directory for PostgreSQL's sockets, and libpq's own default: what "no host" means.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// The connection that a `DATABASE_URL`, libpq's variables or the private cluster ask for, with bounds on its silence.
pub fn database_config(database_url: Option<&str>) -> Result<Config> {
    let mut config = match database_url.filter(|url| !url.trim().is_empty()) {
        Some(url) => parse("DATABASE_URL", url)?,
        None if libpq_variables() => Config::new(),
        None => private_cluster()?,
    };
    apply_libpq_variables(&mut config)?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        let directory = SOCKET_DIRECTORIES.iter().find(|path| Path::new(path).is_dir()).unwrap_or(&SOCKET_DIRECTORIES[0]);
        config.host_path(directory);
    }
    if config.get_user().is_none() {
        let user = env::var("USER").or_else(|_| env::var("LOGNAME"));
        config.user(user.map_err(|_| Error::bad_request("no database role is given: name it in DATABASE_URL or PGUSER"))?);
    }
    config.application_name("rowcast");
    config.connect_timeout(Duration::from_secs(5));
    // A silent network is found out in seconds; the system's own bounds are hours.
    config.keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(5));
    config.keepalives_retries(3);
    config.tcp_user_timeout(Duration::from_secs(15));
    Ok(config)
}

/// What starts the database again, where it is the checkout's private cluster.
pub fn how_to_start(database_url: Option<&str>) -> Option<&'static str> {
    let private = database_url.is_none_or(|url| url.trim().is_empty()) && !libpq_variables() && Path::new(PRIVATE_CLUSTER).exists();
    private.then_some("./reinitdb.sh --start starts the private cluster again, with its data as it is")
}

fn parse(origin: &str, url: &str) -> Result<Config> {
    url.trim().parse().map_err(|error: tokio_postgres::Error| {
        // The text may hold a password: it is not repeated.
        let cause = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        Error::bad_request(format!("{origin} is no address of a database ({cause}): write postgresql://role@host/database"))
    })
}

fn private_cluster() -> Result<Config> {
    match std::fs::read_to_string(PRIVATE_CLUSTER) {
        Ok(url) => parse(PRIVATE_CLUSTER, &url),
        Err(_) => Err(Error::bad_request(
            "no database is given: set DATABASE_URL, or run ./reinitdb.sh, which makes a private cluster in the checkout",
        )),
    }
}

fn libpq_variables() -> bool {
    ["PGHOST", "PGPORT", "PGUSER", "PGDATABASE"].iter().any(|name| env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// What the address leaves open is taken from libpq's variables, as psql does.
fn apply_libpq_variables(config: &mut Config) -> Result<()> {
    let variable = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    if config.get_hosts().is_empty()
        && let Some(host) = variable("PGHOST")
    {
        config.host(host);
    }
    if config.get_ports().is_empty()
        && let Some(port) = variable("PGPORT")
    {
        config.port(port.parse().map_err(|_| Error::bad_request(format!("PGPORT is \"{port}\", which is no port")))?);
    }
    if config.get_user().is_none()
        && let Some(user) = variable("PGUSER")
    {
        config.user(user);
    }
    if config.get_password().is_none()
        && let Some(password) = variable("PGPASSWORD")
    {
        config.password(password);
    }
    if config.get_dbname().is_none()
        && let Some(database) = variable("PGDATABASE")
    {
        config.dbname(database);
    }
    Ok(())
}

/// The database for a person to read, in errors and logs: without the password.
pub fn display(config: &Config) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        })
        .collect();
    let role = config.get_user().unwrap_or_default();
    format!("database {} on {} as role {role}", config.get_dbname().unwrap_or(role), hosts.join(","))
}
