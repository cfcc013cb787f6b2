//! From libpq's parameters to an address.

use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use super::{Address, ChannelBinding, Host, Place, Silence, tls};
use crate::config::libpq::{Environment, Parameters, Passfile, Reach};

/// PostgreSQL's own.
pub const DEFAULT_PORT: u16 = 5432;

/// Debian's directory for PostgreSQL's sockets, and PostgreSQL's own default: what "no host" means.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

type Result<T> = std::result::Result<T, String>;

impl Address {
    /// Works out the address that a connection string asks for, with all that it leaves open.
    pub fn resolve(string: &str, origin: &str, environment: &Environment) -> Result<Address> {
        let parameters = Parameters::gather(string, origin, environment)?;
        let places = places(&parameters)?;
        let reached: Vec<Reach> = places.iter().map(|place| reach(&place.host)).collect();
        parameters.refuse_what_is_not_understood(&reached, environment)?;
        let user = parameters.get("user").or(environment.user.as_deref());
        let user = user.ok_or("no database role is given: name it in DATABASE_URL or PGUSER")?.to_owned();
        let named = |name: &str| parameters.get(name).map(str::to_owned);
        let passfile = named("passfile").map(Into::into).or_else(|| Some(environment.home.as_ref()?.join(".pgpass")));
        Ok(Address {
            tls: tls::resolve(&parameters, &places, environment)?,
            places,
            shuffled: one_of(&parameters, "load_balance_hosts", &[("disable", false), ("random", true)])?.unwrap_or(false),
            database: named("dbname").unwrap_or_else(|| user.clone()),
            user,
            application_name: named("application_name").or(named("fallback_application_name")).unwrap_or_else(|| "rowcast".to_owned()),
            options: named("options"),
            channel_binding: one_of(&parameters, "channel_binding", CHANNEL_BINDING)?.unwrap_or(ChannelBinding::Prefer),
            read_write: read_write(&parameters)?,
            connect_timeout: connect_timeout(&parameters)?,
            silence: silence(&parameters)?,
            password: named("password"),
            passfile: passfile.map(Passfile),
            parameters,
        })
    }
}

const CHANNEL_BINDING: &[(&str, ChannelBinding)] =
    &[("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];

/// The directory that a socket is looked for in where no host is given.
pub fn socket_directory() -> &'static Path {
    Path::new(SOCKET_DIRECTORIES.iter().find(|path| Path::new(path).is_dir()).unwrap_or(&SOCKET_DIRECTORIES[0]))
}

fn reach(host: &Host) -> Reach {
    match host {
        Host::Socket(_) => Reach::Socket,
        Host::Network { .. } => Reach::Network,
    }
}

/// Hosts, addresses and ports, one of each a place; a single port holds for all.
fn places(parameters: &Parameters) -> Result<Vec<Place>> {
    let list = |name| parameters.get(name).map(|list| list.split(',').map(str::trim).collect::<Vec<_>>()).unwrap_or_default();
    let (hosts, addresses, ports) = (list("host"), list("hostaddr"), list("port"));
    let number = hosts.len().max(addresses.len()).max(1);
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(format!("host names {} hosts, but hostaddr {}: give one address for each", hosts.len(), addresses.len()));
    }
    if ports.len() > 1 && ports.len() != number {
        return Err(format!("port names {} ports for {number} hosts: give one, or one for each", ports.len()));
    }
    let at = |list: &[&str], place: usize| list.get(place).copied().filter(|text| !text.is_empty()).map(str::to_owned);
    (0..number)
        .map(|place| {
            let port = if ports.len() == 1 { at(&ports, 0) } else { at(&ports, place) };
            Ok(Place { host: host(at(&hosts, place), at(&addresses, place))?, port: port_number(parameters, port)? })
        })
        .collect()
}

fn host(name: Option<String>, address: Option<String>) -> Result<Host> {
    let address = address.map(|text| text.parse::<IpAddr>().map_err(|_| "hostaddr is no address: a name belongs in host".to_owned()));
    match (name, address.transpose()?) {
        (None, None) => Ok(Host::Socket(socket_directory().to_owned())),
        (Some(path), None) if path.starts_with('/') => Ok(Host::Socket(path.into())),
        (Some(name), _) if name.starts_with('@') => Err("rowcast knows no abstract sockets (a host with @): name a directory".to_owned()),
        (name, address) => Ok(Host::Network { name, address }),
    }
}

fn port_number(parameters: &Parameters, port: Option<String>) -> Result<u16> {
    let Some(text) = port else { return Ok(DEFAULT_PORT) };
    // The text is not repeated: what stands for a port in a broken URL may be a piece of the password.
    let origin = parameters.given("port").map(|given| given.origin.as_str()).unwrap_or_default();
    text.parse()
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| format!("the port that {origin} gives is none: it is a number from 1 to 65535"))
}

/// rowcast listens and writes, so only a primary will do.
fn read_write(parameters: &Parameters) -> Result<bool> {
    let accepted = [("any", false), ("read-write", true), ("primary", true)];
    one_of(parameters, "target_session_attrs", &accepted)
        .map(|read_write| read_write.unwrap_or(false))
        .map_err(|why| format!("{why} (rowcast listens and writes, which a standby cannot)"))
}

/// As libpq has it, 0 and less are no limit, and 1 is 2.
fn connect_timeout(parameters: &Parameters) -> Result<Option<Duration>> {
    Ok(match number::<i64>(parameters, "connect_timeout")? {
        None => Some(Duration::from_secs(5)),
        Some(seconds) => u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(|seconds| Duration::from_secs(seconds.max(2))),
    })
}

fn silence(parameters: &Parameters) -> Result<Silence> {
    let seconds = |name, otherwise| Ok::<_, String>(Duration::from_secs(number(parameters, name)?.unwrap_or(otherwise)));
    Ok(Silence {
        keepalives: number::<i32>(parameters, "keepalives")? != Some(0),
        idle: seconds("keepalives_idle", 10)?,
        interval: seconds("keepalives_interval", 5)?,
        count: number(parameters, "keepalives_count")?.unwrap_or(3),
        user_timeout: Duration::from_millis(number(parameters, "tcp_user_timeout")?.unwrap_or(15_000)),
    })
}

fn number<T: FromStr>(parameters: &Parameters, name: &str) -> Result<Option<T>> {
    let Some(given) = parameters.given(name) else { return Ok(None) };
    let number = given.value.trim().parse();
    number.map(Some).map_err(|_| format!("{name} is \"{}\" (from {}), which is no such number", given.value, given.origin))
}

/// The meaning of a value that can only be one of a few.
pub fn one_of<T: Copy>(parameters: &Parameters, name: &str, values: &[(&str, T)]) -> Result<Option<T>> {
    let Some(given) = parameters.given(name) else { return Ok(None) };
    let found = values.iter().find(|(value, _)| *value == given.value);
    found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
        let known: Vec<&str> = values.iter().map(|(value, _)| *value).collect();
        format!("{name} is \"{}\" (from {}), but must be one of {}", given.value, given.origin, known.join(", "))
    })
}
