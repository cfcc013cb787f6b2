//! What is missing, wrong or insecure about rowcast in a database, each with what mends it.

mod exposed;
mod rights;
mod server;
mod watched;

use std::collections::BTreeMap;
use std::time::Duration;

use super::install::{State, connect, state_of, version};
use crate::config::Access;
use crate::config::Address;
use crate::error::{Error, Result};

/// One thing that should be otherwise.
#[derive(Debug)]
pub struct Finding {
    /// What is wrong, in a sentence.
    pub what: String,
    pub mend: Mend,
    /// Worth knowing, but nothing that has to be mended.
    pub hint: bool,
}

/// What mends it.
#[derive(Debug)]
pub enum Mend {
    /// A command of this program, with these arguments.
    Rowcast(Vec<String>),
    /// SQL.
    Sql(String, By),
    /// SQL, and then a command of this program.
    SqlThenRowcast(String, By, Vec<String>),
    /// Something that a person does.
    Hand(String),
}

/// Who has the right to run it.
#[derive(Debug)]
pub enum By {
    /// A role, by its name.
    Role(String),
    Superuser,
}

/// What the configuration says of the server that is to run on the database.
#[derive(Debug, Default)]
pub struct Wanted {
    pub expose: BTreeMap<String, Access>,
    pub allow_superuser: bool,
    /// The retention and the size of the log; None where the configuration is wrong.
    pub log: Option<(Duration, u64)>,
}

impl Finding {
    pub fn new(what: impl Into<String>, mend: Mend) -> Finding {
        Finding { what: what.into(), mend, hint: false }
    }

    pub fn hint(what: impl Into<String>, mend: Mend) -> Finding {
        Finding { what: what.into(), mend, hint: true }
    }
}

impl Mend {
    fn rowcast(arguments: &[&str]) -> Mend {
        Mend::Rowcast(arguments.iter().map(|&argument| argument.to_owned()).collect())
    }

    fn by_role(role: &str, sql: impl Into<String>) -> Mend {
        Mend::Sql(sql.into(), By::Role(role.to_owned()))
    }

    fn by_superuser(sql: impl Into<String>) -> Mend {
        Mend::Sql(sql.into(), By::Superuser)
    }

    fn hand(what: impl Into<String>) -> Mend {
        Mend::Hand(what.into())
    }
}

/// Looks at everything; returns the findings, and how many tables are watched.
pub fn look(config: &Address, wanted: &Wanted) -> Result<(Vec<Finding>, i64)> {
    let mut client = match connect(config) {
        Ok(client) => client,
        Err(error) => return Ok((vec![unreachable(&error)], 0)),
    };
    let mut findings = Vec::new();
    if let Some(unfit) = server::unfit(&mut client, config)? {
        return Ok((vec![unfit], 0));
    }
    findings.extend(server::look(&mut client, wanted)?);
    let (of_schema, usable) = schema(&state_of(&mut client)?);
    findings.extend(of_schema);
    if !usable {
        return Ok((findings, 0));
    }
    if let Some(lacking) = rights::of_server(&mut client)? {
        // The rest is read from the schema.
        findings.push(lacking);
        return Ok((findings, 0));
    }
    findings.extend(server::silent_writers(&mut client)?);
    findings.extend(rights::of_capture(&mut client)?);
    findings.extend(rights::of_public(&mut client)?);
    findings.extend(rights::of_makers(&mut client)?);
    findings.extend(exposed::look(&mut client, &wanted.expose)?);
    findings.extend(watched::look(&mut client)?);
    findings.extend(watched::left_over(&mut client)?);
    findings.extend(server::log(&mut client, wanted)?);
    let watched = client.query_one("select count(*) from rowcast.watched w join pg_class c on c.oid = w.relation", &[])?.get(0);
    Ok((findings, watched))
}

fn unreachable(error: &Error) -> Finding {
    let mend = "see that the database runs, and that DATABASE_URL, or the PG* variables, name it and a role that may log in";
    Finding::new(error.to_string(), Mend::hand(mend))
}

/// What is wrong with the schema, and whether the rest can be looked at.
fn schema(state: &State) -> (Option<Finding>, bool) {
    let install = || Mend::rowcast(&["install"]);
    match state {
        State::Same => (None, true),
        State::Nothing => (Some(Finding::new("the database has no schema rowcast", install())), false),
        State::Older(older) => {
            let what = format!("the schema rowcast is of version {older}, older than this program's, {}", version());
            (Some(Finding::new(what, install())), false)
        }
        State::Altered(functions) => {
            let what = format!("functions of the schema rowcast are missing or other than this program's: {}", functions.join(", "));
            (Some(Finding::new(what, install())), functions.iter().all(|name| name != "refusal"))
        }
        State::Newer(newer) => {
            let what = format!("the schema rowcast is of version {newer}, newer than this program's, {}", version());
            (Some(Finding::new(what, Mend::hand("use the newer program that it came with"))), false)
        }
        State::Foreign(what) => {
            let what = format!("the database has a schema rowcast of somebody else's, which holds {what}");
            (Some(Finding::new(what, Mend::hand("rename or drop that schema, then run rowcast install"))), false)
        }
    }
}
