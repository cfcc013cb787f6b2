//! One file a command.

mod check;
mod config;
mod install;
mod listen;
mod output;
mod serve;
mod status;
mod watch;

use std::process::ExitCode;

use crate::config::{Address, Cli, Command, Settings, database_config, tail_database_config};
use crate::db::watch::LogLimits;
use crate::error::Result;

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Result<ExitCode> {
    let settings = || cli.flags.settings();
    match cli.command.clone().unwrap_or(Command::Serve) {
        Command::Serve => serve::run(settings()?)?,
        Command::Config => config::run(&settings()?)?,
        Command::Install { dry_run: false } => install::install(&database(&settings()?)?)?,
        Command::Install { dry_run: true } => install::show(settings().and_then(|settings| database(&settings)))?,
        Command::Uninstall { dry_run, yes } => install::uninstall(&database(&settings()?)?, yes, dry_run)?,
        Command::Watch(what) => {
            let limits = LogLimits { bulk_rows: what.bulk_rows, image_bytes: what.image_bytes, always: what.always };
            watch::watch(&database(&settings()?)?, &what.tables, what.all.as_deref(), limits)?;
        }
        Command::Unwatch { tables } => watch::unwatch(&database(&settings()?)?, &tables)?,
        Command::Status { json } => {
            let settings = settings()?;
            status::run(&database(&settings)?, settings, json)?;
        }
        Command::Listen(asked) => listen::run(settings()?, &asked)?,
        // A configuration that is wrong is one of the things to be found.
        Command::Check { json, mend } => return check::run(settings(), cli.flags.without_file().clone(), database, json, mend),
    }
    Ok(ExitCode::SUCCESS)
}

/// Where the database is: by the tailer's way, which leads straight to it.
fn database(settings: &Settings) -> Result<Address> {
    let database = database_config(settings.database_url.as_deref())?;
    Ok(named("rowcast command", tail_database_config(settings.tail_database_url.as_deref(), &database)?))
}

/// A name of its own tells a command's sessions from a server's; one that the person gave stands.
fn named(name: &str, mut address: Address) -> Address {
    if address.given("application_name").is_none() {
        address.application_name = name.to_owned();
    }
    address
}
