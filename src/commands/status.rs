//! `rowcast status`: what is watched and exposed, how large the log is, and how far behind the server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::output::{age, bytes, print, table};
use crate::config::{Access, Address, Config, Settings};
use crate::cursor::Cursor;
use crate::db::status::{Behind, Report, behind, exposed, read};
use crate::error::{Error, Result};

/// The longest that a server may take to answer: one that has lost its database says so after seconds.
const PATIENCE: Duration = Duration::from_secs(12);

#[derive(Serialize)]
struct Status {
    database: String,
    #[serde(flatten)]
    report: Report,
    exposed: Vec<Exposed>,
    retention_seconds: Option<u64>,
    /// How much the log may keep.
    log_limit_bytes: Option<u64>,
    server: Server,
}

#[derive(Serialize)]
struct Exposed {
    name: String,
    access: &'static str,
    /// Why it is not served; None where it is.
    not_served: Option<String>,
}

/// The server that this configuration starts, if one answers.
#[derive(Serialize)]
struct Server {
    address: Option<SocketAddr>,
    ready: bool,
    problems: Vec<String>,
    behind: Option<Behind>,
}

/// What `/readyz` answers.
#[derive(Deserialize)]
struct Ready {
    status: String,
    problems: Vec<String>,
    cursor: Option<String>,
}

pub fn run(database: &Address, settings: Settings, json: bool) -> Result<()> {
    let report = read(database)?;
    let expose = settings.expose.clone();
    let config = Config::new(settings);
    let server = match &config {
        Ok(config) => ask(database, &config.listen, report.epoch),
        Err(error) => Server::silent(format!("no server can be started: {error}")),
    };
    let status = Status {
        database: database.to_string(),
        exposed: list(database, &expose)?,
        retention_seconds: config.as_ref().ok().map(|config| config.tail.keep.as_secs()),
        log_limit_bytes: config.ok().map(|config| config.tail.log_bytes),
        report,
        server,
    };
    if json {
        let text = serde_json::to_string_pretty(&status).map_err(|error| Error::internal(format!("the status is no JSON: {error}")))?;
        return print(&format!("{text}\n"));
    }
    print(&status.to_string())
}

fn list(database: &Address, expose: &BTreeMap<String, Access>) -> Result<Vec<Exposed>> {
    let catalog = exposed(database, expose)?;
    let one = |(name, access): (&String, &Access)| Exposed {
        name: name.clone(),
        access: if *access == Access::Read { "r" } else { "rw" },
        not_served: match &catalog {
            None => Some("there is no schema rowcast of this version that the role may use".to_owned()),
            Some(catalog) if catalog.table(name).is_some() => None,
            Some(catalog) => {
                let why = catalog.missing.iter().find(|sentence| sentence.split([' ', ':']).any(|word| word == name));
                Some(why.cloned().unwrap_or_else(|| "it is not there".to_owned()))
            }
        },
    };
    Ok(expose.iter().map(one).collect())
}

impl Server {
    fn silent(problem: String) -> Server {
        Server { address: None, ready: false, problems: vec![problem], behind: None }
    }
}

/// Asks the server for its cursor, and the database how much that has not seen.
fn ask(database: &Address, listen: &[SocketAddr], epoch: Option<Option<i64>>) -> Server {
    let answered = listen.iter().map(|&address| reachable(address)).find_map(|address| Some((address, ready(address)?)));
    let Some((address, answer)) = answered else {
        let addresses: Vec<String> = listen.iter().map(ToString::to_string).collect();
        return Server::silent(format!("no server answers at {}", addresses.join(" or ")));
    };
    let mut server = Server { address: Some(address), ready: answer.status == "ready", problems: answer.problems, behind: None };
    let cursor = answer.cursor.and_then(|cursor| cursor.parse::<Cursor>().ok());
    match (cursor, epoch) {
        (Some(cursor), Some(epoch)) if Some(cursor.epoch) == epoch => match behind(database, &cursor) {
            Ok(Some(behind)) => server.behind = Some(behind),
            Ok(None) => {}
            Err(error) => server.problems.push(format!("how far behind it is could not be found out: {error}")),
        },
        (Some(_), Some(_)) => server.problems.push("it serves another database, or an epoch of this one that is over".to_owned()),
        _ => {}
    }
    server
}

fn ready(address: SocketAddr) -> Option<Ready> {
    let agent =
        ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).proxy(None).max_redirects(0).build();
    let answer = agent.new_agent().get(format!("http://{address}/readyz")).call().ok()?;
    serde_json::from_reader(answer.into_body().into_reader()).ok()
}

/// "All addresses" is no address to connect to.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        let report = &self.report;
        writeln!(f, "database   {} (PostgreSQL {})", self.database, report.server_version)?;
        writeln!(f, "schema     {}", report.schema)?;
        if let Some(log) = &report.log {
            let size = bytes(log.bytes);
            match &log.content {
                None => writeln!(f, "log        {size}; this role may not read it")?,
                Some(content) => {
                    let oldest = content.oldest_seconds.map_or("no change".to_owned(), |seconds| format!("the oldest {}", age(seconds)));
                    writeln!(f, "log        {} rows, {size} with its index; {oldest}", content.rows)?;
                    writeln!(f, "horizon    {}", content.horizon.as_deref().unwrap_or("none yet: no server has run"))?;
                }
            }
            if let (Some(seconds), Some(limit)) = (self.retention_seconds, self.log_limit_bytes) {
                writeln!(f, "retention  {seconds} s, and {} at most", bytes(i64::try_from(limit).unwrap_or(i64::MAX)))?;
            }
            if report.sessions == 0 {
                writeln!(f, "           no server runs, so nothing is pruned: the log grows with what is written")?;
            }
            writeln!(f, "servers    {} sessions; {} of {} beds taken by sleepers", report.sessions, report.sleeping, report.beds)?;
        }
        writeln!(f, "server     {}", self.server)?;
        let dash = || "-".to_owned();
        let watched = report.tables.iter().map(|one| {
            vec![
                one.name.clone(),
                if one.always { format!("{}, always", one.kind) } else { one.kind.to_owned() },
                if one.key.is_empty() { "none".to_owned() } else { one.key.join(", ") },
                one.bulk_rows.map_or_else(dash, |rows| rows.to_string()),
                one.log_rows.map_or_else(dash, |rows| rows.to_string()),
                one.last_change_seconds.map_or_else(dash, age),
            ]
        });
        section(f, "watched", &["table", "kind", "key", "bulk rows", "log rows", "last change"], watched.collect())?;
        let exposed = self.exposed.iter().map(|one| {
            vec![one.name.clone(), one.access.to_owned(), one.not_served.as_ref().map_or("yes".to_owned(), |why| format!("no: {why}"))]
        });
        section(f, "exposed", &["table", "access", "served"], exposed.collect())
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        if let Some(address) = self.address {
            write!(f, "http://{address} is {}", if self.ready { "ready" } else { "not ready" })?;
        }
        match &self.behind {
            Some(Behind { changes: 0, .. }) => write!(f, " and has seen every change")?,
            Some(Behind { changes, seconds }) => write!(f, ", and {changes} changes behind, the oldest of them {}", age(*seconds))?,
            None => {}
        }
        let separator = if self.address.is_some() { "; " } else { "" };
        if self.problems.is_empty() { Ok(()) } else { write!(f, "{separator}{}", self.problems.join("; ")) }
    }
}

fn section(f: &mut std::fmt::Formatter, title: &str, heading: &[&str], rows: Vec<Vec<String>>) -> std::fmt::Result {
    if rows.is_empty() {
        return writeln!(f, "\n{title}: nothing");
    }
    write!(f, "\n{title}:\n{}", table(heading, &rows))
}
