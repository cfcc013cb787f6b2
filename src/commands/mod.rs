//! One file a command.

mod config;
mod install;
mod serve;

use crate::config::{Cli, Command, database_config};
use crate::error::Result;

/// Does what the command line asks for.
pub fn run(cli: Cli) -> Result<()> {
    let settings = cli.flags.settings()?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(settings),
        Command::Config => config::run(&settings),
        Command::Install => install::install(&database_config(settings.database_url.as_deref())?),
        Command::Watch { tables } => install::watch(&database_config(settings.database_url.as_deref())?, &tables),
        Command::Unwatch { tables } => install::unwatch(&database_config(settings.database_url.as_deref())?, &tables),
    }
}
