//! Puts the schema rowcast into a database: the files under `sql/`, embedded, in name order and one transaction.

use std::collections::BTreeSet;

use postgres::Client;
use rust_embed::Embed;

use super::patience::patiently;
use super::pool;
use crate::config::Address;
use crate::error::{Error, Kind, Result};

#[derive(Embed)]
#[folder = "sql/"]
#[include = "*.sql"]
#[exclude = "example/*"]
struct Schema;

/// What a database has of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No schema of that name.
    Nothing,
    /// A schema of that name that somebody else made: it holds this, and no table of ours.
    Foreign(String),
    /// That of an older version.
    Older(i32),
    /// That of this version, but these functions are other than this program's.
    Altered(Vec<String>),
    /// The very one that this program installs.
    Same,
    /// That of a newer version.
    Newer(i32),
}

/// The bound that the statements of an installation wait for a lock, because writers wait behind them.
const LOCK_TIMEOUT: &str = "set local lock_timeout = '200ms'";

/// The version of the schema in a database, without any right on it; no row where there is none.
pub const VERSION: &str = "
    select coalesce((select substring(p.prosrc from '[0-9]+')::integer from pg_proc p where p.pronamespace = n.oid and p.proname = 'version'), 1)
    from pg_namespace n where n.nspname = 'rowcast' and exists (select from pg_class c where c.relnamespace = n.oid and c.relname = 'watched')";

/// The files' names and texts, in the order in which they are loaded.
pub fn files() -> Vec<(String, String)> {
    let mut names: Vec<_> = Schema::iter().collect();
    names.sort();
    let text = |name: &str| Schema::get(name).map(|file| String::from_utf8_lossy(&file.data).into_owned()).unwrap_or_default();
    names.into_iter().map(|name| (name.to_string(), text(&name))).collect()
}

/// The version of the schema that this program installs.
pub fn version() -> i32 {
    let all: String = files().into_iter().map(|(_, text)| text).collect();
    let number = all.split("version constant integer := ").nth(1).and_then(|rest| rest.split(';').next());
    number.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// All files as one script for psql, which loads it whole or not at all.
pub fn script() -> String {
    let texts: String = files().into_iter().map(|(name, text)| format!("\n-- {name}\n\n{text}")).collect();
    format!(
        "-- The schema rowcast, version {}.\n\\set ON_ERROR_STOP on\nbegin;\n-- Writers wait behind whoever waits for a lock: rather fail, and try again.\n{LOCK_TIMEOUT};\n{texts}\ncommit;\n",
        version()
    )
}

/// What there is of the schema now.
pub fn state(config: &Address) -> Result<State> {
    state_of(&mut connect(config)?)
}

/// Installs the schema, or upgrades an older one in place; returns what there was before.
pub fn install(config: &Address) -> Result<State> {
    let mut client = connect(config)?;
    let before = state_of(&mut client)?;
    check_installable(&before)?;
    let files = files();
    patiently("the schema rowcast", || {
        let mut transaction = client.transaction()?;
        transaction.batch_execute(LOCK_TIMEOUT)?;
        for (name, text) in &files {
            transaction.batch_execute(text).map_err(|error| explain(error.into(), name, config))?;
        }
        Ok(transaction.commit()?)
    })?;
    Ok(before)
}

/// An error where this program must not install over what is there.
pub fn check_installable(state: &State) -> Result<()> {
    match state {
        State::Newer(newer) => Err(Error::new(
            Kind::Conflict,
            format!(
                "the schema rowcast here is of version {newer}; this program installs version {}: use the newer program that it came with",
                version()
            ),
        )),
        State::Foreign(what) => Err(Error::new(
            Kind::Conflict,
            format!("the database has a schema rowcast of somebody else's, which holds {what}: rename or drop that schema first"),
        )),
        _ => Ok(()),
    }
}

/// A connection to a database whose schema is this program's; an error that says what to do otherwise.
pub fn connect_installed(config: &Address) -> Result<Client> {
    let mut client = connect(config)?;
    match state_of(&mut client)? {
        State::Same | State::Altered(_) => Ok(client),
        State::Nothing | State::Foreign(_) => Err(Error::not_found("the database has no schema rowcast: run rowcast install")),
        State::Older(_) => Err(Error::new(Kind::Conflict, "the schema rowcast is of an older version: run rowcast install")),
        newer @ State::Newer(_) => Err(check_installable(&newer).err().unwrap_or_else(|| Error::internal("a newer schema"))),
    }
}

pub(super) fn connect(address: &Address) -> Result<Client> {
    pool::connect_once(address)
}

/// Reads the system's catalog alone, so that it works for a role without any right on the schema.
pub(super) fn state_of(client: &mut Client) -> Result<State> {
    let schema = client.query_opt("select oid from pg_namespace where nspname = 'rowcast'", &[])?;
    let Some(schema) = schema.map(|row| row.get::<_, u32>(0)) else { return Ok(State::Nothing) };
    let Some(present) = client.query_opt(VERSION, &[])?.map(|row| row.get::<_, i32>(0)) else {
        let other = "select pg_describe_object(classid, objid, 0) from pg_depend
            where refclassid = 'pg_namespace'::regclass and refobjid = $1 order by 1 limit 1";
        // An empty schema was made for us.
        return Ok(client.query_opt(other, &[&schema])?.map_or(State::Nothing, |row| State::Foreign(row.get(0))));
    };
    Ok(match present {
        older if older < version() => State::Older(older),
        newer if newer > version() => State::Newer(newer),
        _ => {
            let functions = client.query("select proname::text, prosrc from pg_proc where pronamespace = $1", &[&schema])?;
            let functions: Vec<(String, String)> = functions.iter().map(|row| (row.get(0), row.get(1))).collect();
            let altered = altered(&functions);
            if altered.is_empty() { State::Same } else { State::Altered(altered) }
        }
    })
}

/// The functions of ours that are missing or have another body than in the files.
fn altered(present: &[(String, String)]) -> Vec<String> {
    let mut altered = BTreeSet::new();
    for (_, text) in files() {
        for function in text.split("\ncreate or replace function rowcast.").skip(1) {
            let name = function.split('(').next().unwrap_or_default();
            let body = function.split("$$").nth(1).unwrap_or_default();
            let mut found = present.iter().filter(|(other, _)| other == name).peekable();
            if found.peek().is_none() || found.any(|(_, other)| other != body) {
                altered.insert(name.to_owned());
            }
        }
    }
    altered.into_iter().collect()
}

/// Tables, views and functions of the files, by name.
pub(super) fn objects() -> (Vec<String>, Vec<String>, Vec<String>) {
    let all: String = files().into_iter().map(|(_, text)| text).collect();
    let named = |starts: &[&str]| -> Vec<String> {
        let after = |start: &&str| all.split(start).skip(1).map(name_at_start).collect::<Vec<_>>();
        let mut names: Vec<String> = starts.iter().flat_map(after).collect();
        names.sort();
        names.dedup();
        names
    };
    (
        named(&["table if not exists rowcast."]),
        named(&["view rowcast."]),
        named(&["create or replace function rowcast.", "create function rowcast."]),
    )
}

fn name_at_start(text: &str) -> String {
    text.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect()
}

fn explain(error: Error, file: &str, config: &Address) -> Error {
    let mut detail = format!("installing {file} failed: {}", error.detail);
    if error.code.as_deref() == Some("42501") && file.starts_with("10_") {
        let (role, database) = (&config.user, &config.database);
        detail.push_str(&format!(
            ". The database's owner or a superuser can allow it: grant create on database \"{database}\" to \"{role}\""
        ));
    }
    Error { detail, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_understood() {
        assert!(version() >= 2);
        let (tables, views, functions) = objects();
        for (names, name) in
            [(&tables, "change"), (&tables, "epoch"), (&views, "table_mtime"), (&functions, "beds"), (&functions, "version")]
        {
            assert!(names.iter().any(|known| known == name), "{name} in {names:?}");
        }
        assert!(altered(&[]).iter().any(|name| name == "capture"));
    }
}
