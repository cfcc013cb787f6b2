//! `rowcast install` and `uninstall`: the schema.

use std::io::{BufRead, IsTerminal, Write};

use super::output::print;
use crate::config::Address;
use crate::db::install::{self as db, State};
use crate::db::uninstall;
use crate::error::{Error, Kind, Result};

pub fn install(database: &Address) -> Result<()> {
    let before = db::install(database)?;
    print(&format!("{}: {}\n", database, done(&before)))
}

/// The SQL itself on stdout, to be read or piped to psql; what there is now on stderr.
pub fn show(database: Result<Address>) -> Result<()> {
    let looked = database.and_then(|database| Ok((db::state(&database)?, database)));
    match looked {
        Ok((state, database)) => {
            db::check_installable(&state)?;
            let place = &database;
            tracing::info!("{place}: {}; nothing was changed", found(&state));
        }
        // The SQL is the same for every database, so that it can be read without one.
        Err(error) => tracing::warn!("what there is now is not known: {error}"),
    }
    print(&db::script())
}

fn done(before: &State) -> String {
    let version = db::version();
    match before {
        State::Older(older) => format!("the schema rowcast was of version {older} and now is of version {version}; the log was kept"),
        State::Altered(functions) => format!("the schema rowcast was there already; put right: {}", functions.join(", ")),
        State::Same => format!("the schema rowcast was there already, of this version ({version})"),
        _ => format!("the schema rowcast, version {version}, has been installed. Next: rowcast watch TABLE"),
    }
}

fn found(state: &State) -> String {
    match state {
        State::Older(older) => {
            format!("the schema rowcast is of version {older}; this brings it to version {}, and keeps the log", db::version())
        }
        State::Altered(functions) => {
            format!(
                "the schema rowcast is of this version, but these functions are missing or other than they should be: {}",
                functions.join(", ")
            )
        }
        State::Same => "the schema rowcast is there already, of this version".to_owned(),
        _ => "there is no schema rowcast yet".to_owned(),
    }
}

/// Removes all of rowcast from the database. Asks first, or needs `yes`.
pub fn uninstall(database: &Address, yes: bool, dry_run: bool) -> Result<()> {
    let Some(plan) = uninstall::plan(database)? else {
        return print(&format!("{}: there is no schema rowcast\n", database));
    };
    if dry_run {
        return print(&plan.script());
    }
    if !yes && !confirmed(database, &plan)? {
        return Err(Error::new(Kind::Conflict, "nothing was changed"));
    }
    plan.run(database)?;
    print(&format!("{}: rowcast has been removed\n", database))
}

fn confirmed(database: &Address, plan: &uninstall::Plan) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Error::bad_request("uninstall asks before it removes anything: without a terminal, say --yes"));
    }
    let mut question = format!("This removes the schema rowcast and its log from {}", database);
    for (table, with_mtime) in &plan.watched {
        question.push_str(&format!("\n  and the triggers{} from {table}", if *with_mtime { " and the column mtime" } else { "" }));
    }
    let mut stderr = std::io::stderr().lock();
    let asked = write!(stderr, "{question}.\nRemove it? [y/N] ").and_then(|()| stderr.flush());
    let mut answer = String::new();
    asked
        .and_then(|()| std::io::stdin().lock().read_line(&mut answer))
        .map_err(|error| Error::internal(format!("the terminal cannot be read: {error}")))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}
