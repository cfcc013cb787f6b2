//! `rowcast check`: what is missing, wrong or insecure, each with the command that mends it.

use std::collections::BTreeSet;
use std::process::ExitCode;

use serde::Serialize;

use super::output::print;
use crate::config::{Access, Address, Config, Host, Place, Settings};
use crate::db::check::{By, Finding, Mend, Wanted, look};
use crate::db::watch::{LogLimits, Watcher};
use crate::error::{Error, Result};

/// A finding as JSON.
#[derive(Serialize)]
struct Printed {
    finding: String,
    mend: String,
    hint: bool,
}

/// Looks at the configuration and the database; fails if anything is to be mended. `settings` is an error where the
/// configuration's file cannot be read, and `fallback` is then what there is besides the file.
pub fn run(
    settings: Result<Settings>,
    fallback: Settings,
    database: impl FnOnce(&Settings) -> Result<Address>,
    json: bool,
    mend: bool,
) -> Result<ExitCode> {
    let mut findings = Vec::new();
    let settings = settings.unwrap_or_else(|error| {
        findings.push(wrong_configuration(&error));
        fallback
    });
    let mut wanted = Wanted { expose: settings.expose.clone(), allow_superuser: settings.allow_superuser, log: None };
    let mut watched = 0;
    match database(&settings) {
        Err(error) => {
            findings.push(wrong_configuration(&error));
            report(&findings, None, watched, json)
        }
        Ok(database) => {
            match Config::new(settings) {
                Ok(config) => {
                    wanted.log = Some((config.tail.keep, config.tail.log_bytes));
                    findings.extend(open_to_all(&config));
                }
                Err(error) => findings.push(wrong_configuration(&error)),
            }
            if mend {
                watch_again(&database, &look(&database, &wanted)?.0)?;
            }
            let (found, tables) = look(&database, &wanted)?;
            findings.extend(found);
            watched = tables;
            report(&findings, Some(&database), watched, json)
        }
    }
}

/// Watches the tables again for which that is what mends them. One that cannot be stays among the findings.
fn watch_again(database: &Address, findings: &[Finding]) -> Result<()> {
    let tables: BTreeSet<&str> = findings
        .iter()
        .filter_map(|finding| match &finding.mend {
            Mend::Rowcast(command) if command.len() == 2 && command[0] == "watch" => Some(command[1].as_str()),
            _ => None,
        })
        .collect();
    if tables.is_empty() {
        return Ok(());
    }
    let mut watcher = Watcher::connect(database)?;
    for table in tables {
        match watcher.watch(table, LogLimits::default()) {
            Ok(name) => tracing::info!("watched again: {name}"),
            Err(error) => tracing::error!("{table}: {error}"),
        }
    }
    Ok(())
}

fn wrong_configuration(error: &Error) -> Finding {
    Finding::new(error.to_string(), Mend::Hand("put that right in rowcast.toml, the environment or the flags".to_owned()))
}

/// Allowed, so meant: but whoever looks for what is insecure wants to be told.
fn open_to_all(config: &Config) -> Option<Finding> {
    let public = config.listen.iter().find(|address| !address.ip().is_loopback())?;
    let writable: Vec<&str> =
        config.expose.iter().filter(|(_, access)| **access == Access::ReadWrite).map(|(name, _)| name.as_str()).collect();
    (!writable.is_empty()).then(|| {
        Finding::hint(
            format!("anybody who reaches {public} may write to {}", writable.join(", ")),
            Mend::Hand("see that only those can reach it who may write, or expose as \"r\"".to_owned()),
        )
    })
}

fn report(findings: &[Finding], database: Option<&Address>, watched: i64, json: bool) -> Result<ExitCode> {
    let address = |by: &By| database.map_or_else(String::new, |database| address(database, by));
    let printed = |finding: &Finding| Printed { finding: finding.what.clone(), mend: command(&finding.mend, &address), hint: finding.hint };
    let printed: Vec<Printed> = findings.iter().map(printed).collect();
    let wrong = printed.iter().filter(|one| !one.hint).count();
    if json {
        let text = serde_json::to_string_pretty(&printed).map_err(|error| Error::internal(format!("the findings are no JSON: {error}")))?;
        print(&format!("{text}\n"))?;
    } else {
        let line = |one: &Printed| format!("{}{}\n    {}\n", if one.hint { "hint: " } else { "" }, one.finding, one.mend);
        let place = database.map_or_else(String::new, ToString::to_string);
        let end = match wrong {
            0 => format!("all is well: {watched} tables are watched in {place}\n"),
            _ => format!("{wrong} to mend: {place}\n"),
        };
        // What must be mended stands first.
        let (hints, others): (Vec<&Printed>, Vec<&Printed>) = printed.iter().partition(|one| one.hint);
        print(&others.into_iter().chain(hints).map(line).chain([end]).collect::<String>())?;
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line for the shell, or what a person is to do.
fn command(mend: &Mend, address: &dyn Fn(&By) -> String) -> String {
    let rowcast = |arguments: &[String]| format!("rowcast {}", arguments.iter().map(|one| shell_word(one)).collect::<Vec<_>>().join(" "));
    let psql = |sql: &str, by: &By| format!("psql {} -c {}", shell_quoted(&address(by)), shell_quoted(sql));
    let who = |by: &By| if matches!(by, By::Superuser) { "  # as a superuser" } else { "" };
    match mend {
        Mend::Rowcast(arguments) => rowcast(arguments),
        Mend::Sql(sql, by) => format!("{}{}", psql(sql, by), who(by)),
        Mend::SqlThenRowcast(sql, by, arguments) => {
            let comment = if matches!(by, By::Superuser) { "  # psql as a superuser" } else { "" };
            format!("{} && {}{comment}", psql(sql, by), rowcast(arguments))
        }
        Mend::Hand(what) => what.clone(),
    }
}

/// The database for psql, as the role that may. A superuser logs in by a name that we do not know.
fn address(database: &Address, by: &By) -> String {
    let each = |part: fn(&Place) -> String| database.places.iter().map(part).collect::<Vec<_>>().join(",");
    let addresses = each(|place| match place.host {
        Host::Network { address: Some(address), .. } => address.to_string(),
        _ => String::new(),
    });
    let given = |keyword: &str| database.given(keyword).map(|given| given.value.clone());
    let role = match by {
        By::Role(role) => Some(role.as_str()),
        By::Superuser => None,
    };
    let parts = [
        ("host", Some(each(|place| place.host.to_string()))),
        ("hostaddr", Some(addresses).filter(|addresses| addresses.contains(|letter| letter != ','))),
        ("port", Some(each(|place| place.port.to_string()))),
        ("dbname", Some(database.database.clone())),
        ("user", role.map(str::to_owned)),
        ("sslmode", given("sslmode")),
        ("sslrootcert", given("sslrootcert")),
    ];
    let part = |(name, value): (&str, Option<String>)| {
        value.filter(|value| !value.is_empty()).map(|value| format!("{name}={}", conninfo_value(&value)))
    };
    parts.into_iter().filter_map(part).collect::<Vec<_>>().join(" ")
}

fn conninfo_value(value: &str) -> String {
    if value.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-./,:".contains(letter)) {
        return value.to_owned();
    }
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Quoted only where the shell would take it for something else; `&&` is meant.
fn shell_word(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|letter| letter.is_alphanumeric() || "_-./".contains(letter));
    if plain || word == "&&" { word.to_owned() } else { shell_quoted(word) }
}

fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
