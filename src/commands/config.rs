//! `rowcast config`: what is in force, and where it was set.

use std::fmt::Write;

use crate::config::{Address, Host, InForce, Roots, Settings, SslMode, database_config, tail_database_config, without_secrets};
use crate::error::Result;

/// The settings whose values are addresses of a database.
const ADDRESSES: [&str; 2] = ["database_url", "tail_database_url"];

/// Prints a file that rowcast would take, each value with its origin as a comment, and below it what the address of the
/// database comes to. Never a password.
pub fn run(settings: &Settings) -> Result<()> {
    print!("{}", shown(settings)?);
    let database = database_config(settings.database_url.as_deref())?;
    let tail_database = tail_database_config(settings.tail_database_url.as_deref(), &database)?;
    println!();
    if settings.tail_database_url.is_some() {
        print!("{}\n{}", way("The requests reach the database", &database), way("The tailer reaches it", &tail_database));
    } else {
        print!("{}", way("Requests and tailer reach the database", &database));
    }
    Ok(())
}

fn shown(settings: &Settings) -> Result<String> {
    let mut lines = Vec::new();
    for InForce { name, value, help, origin } in settings.in_force()? {
        match (value, origin) {
            (Some(value), Some(origin)) if ADDRESSES.contains(&name.as_str()) => {
                lines.push(match value.as_str().map(without_secrets) {
                    Some(Some((shown, secrets))) => {
                        let omitted = if secrets { ", without its password" } else { "" };
                        (format!("{name} = {}", toml::Value::from(shown)), format!("{origin}{omitted}"))
                    }
                    _ => (format!("# {name} is not understood, and so not shown"), origin.to_string()),
                });
            }
            (Some(value), Some(origin)) => lines.push((format!("{name} = {value}"), origin.to_string())),
            _ if ["port", "listen"].contains(&name.as_str()) => {}
            // What is not given has its meaning all the same, and `--help` says which.
            _ => lines.push((format!("# {name} is not given"), default_of(&help).to_owned())),
        }
    }
    let heading = settings.origins.get("expose").map(|origin| ("[expose]".to_owned(), origin.to_string()));
    let exposed = toml::Table::try_from(&settings.expose).unwrap_or_default();
    let exposed: Vec<(String, String)> =
        exposed.into_iter().map(|one| (toml::Table::from_iter([one]).to_string().trim_end().to_owned(), String::new())).collect();
    let width = lines.iter().map(|(line, _)| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    let mut text = String::new();
    let nothing = ("# no table is exposed".to_owned(), "default".to_owned());
    for (line, origin) in lines.into_iter().chain([(String::new(), String::new()), heading.unwrap_or(nothing)]).chain(exposed) {
        let comment = if origin.is_empty() { String::new() } else { format!("  # {origin}") };
        _ = writeln!(text, "{}", format!("{line:width$}{comment}").trim_end());
    }
    Ok(text)
}

fn default_of(help: &str) -> &str {
    help.split_once("[default: ").and_then(|(_, default)| default.strip_suffix(']')).unwrap_or("default")
}

/// What the address comes to, as comments.
fn way(heading: &str, address: &Address) -> String {
    let origin = |keyword: &str| address.given(keyword).map_or_else(|| "default".to_owned(), |given| given.origin.clone());
    let mut lines = Vec::new();
    for place in &address.places {
        let keyword = if matches!(&place.host, Host::Network { name: None, .. }) { "hostaddr" } else { "host" };
        let (what, host) = match &place.host {
            Host::Socket(_) => ("socket in", place.host.to_string()),
            Host::Network { name: Some(name), address: Some(address) } => ("host", format!("{name} at {address}")),
            Host::Network { .. } => ("host", place.host.to_string()),
        };
        lines.push((what, host, origin(keyword)));
        lines.push(("port", place.port.to_string(), origin("port")));
    }
    lines.push(("database", address.database.clone(), origin("dbname")));
    lines.push(("role", address.user.clone(), origin("user")));
    lines.push(("password", address.password_origin(), String::new()));
    if let Some(service) = address.given("service") {
        lines.push(("service", service.value.clone(), service.origin.clone()));
    }
    if address.places.iter().all(|place| matches!(place.host, Host::Socket(_))) {
        lines.push(("sslmode", "none, for a socket never has TLS".to_owned(), String::new()));
    } else {
        lines.push(("sslmode", address.tls.mode.name().to_owned(), origin("sslmode")));
        if address.tls.mode != SslMode::Disable {
            lines.push(("root certificates", roots(address), origin("sslrootcert")));
            let own = address.tls.certificate.as_ref();
            let own = own.map_or_else(|| "none".to_owned(), |own| format!("{}, key {}", own.certificate.display(), own.key.display()));
            lines.push(("own certificate", own, origin("sslcert")));
        }
    }
    let width = lines.iter().map(|(_, value, _)| value.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
    let mut text = format!("# {heading} so:\n");
    for (what, value, origin) in lines {
        let origin = if origin.is_empty() { origin } else { format!("  ({origin})") };
        _ = writeln!(text, "{}", format!("#   {what:18}{value:width$}{origin}").trim_end());
    }
    text
}

fn roots(address: &Address) -> String {
    match &address.tls.roots {
        None => "none: any certificate will do".to_owned(),
        Some(Roots::System) => "those that this machine trusts".to_owned(),
        Some(Roots::File(file)) => file.display().to_string(),
    }
}
