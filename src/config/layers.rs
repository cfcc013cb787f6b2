//! Flags over environment over file over defaults, and which of them gave a value.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use clap::builder::OsStr;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::file::{self, File};
use super::nearest::nearest;
use super::{Cli, Flags, Settings};
use crate::error::{Error, Result};

/// The file that is read where no other is named.
const DEFAULT_FILE: &str = "rowcast.toml";

/// What the names of our variables begin with.
const PREFIX: &str = "ROWCAST_";

/// Variables of ours that are no settings: the log has to begin before the settings are read.
const OTHER_VARIABLES: [&str; 1] = ["ROWCAST_LOG"];

/// Which layer gave a value, the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    Default,
    /// The file and the line.
    File(String),
    Variable(String),
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File(name) | Origin::Variable(name) | Origin::Flag(name) => f.write_str(name),
        }
    }
}

impl Flags {
    /// What is in force: the command line and the environment of this process, with the file below them.
    pub fn settings(&self) -> Result<Settings> {
        let command = Cli::command();
        check_variables(&command, std::env::vars_os().map(|(name, _)| name))?;
        let file = match &self.config {
            Some(path) => file::read(path, &command)?,
            None if Path::new(DEFAULT_FILE).exists() => file::read(Path::new(DEFAULT_FILE), &command)?,
            None => File::default(),
        };
        layered(command, file, std::env::args_os())
    }
}

/// A setting as it is in force.
#[derive(Clone, Debug)]
pub struct InForce {
    pub name: String,
    /// None where it was not given, and has no default of its own.
    pub value: Option<toml::Value>,
    /// What `--help` says of it.
    pub help: String,
    pub origin: Option<Origin>,
}

impl Settings {
    /// Every setting but `expose`, in the order of `--help`.
    pub fn in_force(&self) -> Result<Vec<InForce>> {
        let wrong = |error| Error::internal(format!("the settings cannot be shown: {error}"));
        let mut values = toml::Table::try_from(self).map_err(wrong)?;
        let command = Cli::command();
        let shown = settings_of(&command).map(|arg| {
            let name = arg.get_id().to_string();
            let origin = self.origins.get(&name).cloned();
            InForce {
                value: values.remove(&name).filter(|_| origin.is_some()),
                help: arg.get_help().map(ToString::to_string).unwrap_or_default(),
                origin,
                name,
            }
        });
        Ok(shown.collect())
    }
}

/// The arguments of a command that are settings, and so keys of the file.
pub fn settings_of(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_env().is_some() && arg.get_id() != "config")
}

/// The file's values become the defaults of the flags: so they go through the same parser, and a flag or a variable wins.
fn layered(mut command: Command, file: File, arguments: impl IntoIterator<Item = OsString>) -> Result<Settings> {
    for (key, (values, _)) in &file.values {
        let values: Vec<OsStr> = values.iter().map(|value| OsStr::from(value.clone())).collect();
        command = command.mut_arg(key, |arg| arg.default_values(values));
    }
    let wrong = |error: clap::Error| Error::bad_request(error.to_string());
    let matches = command.clone().try_get_matches_from(arguments).map_err(wrong)?;
    let mut settings = Settings::from_arg_matches(&matches).map_err(wrong)?;
    settings.origins = settings_of(&command).filter_map(|arg| Some((arg.get_id().to_string(), origin(arg, &matches, &file)?))).collect();
    if let Some((expose, origin)) = file.expose {
        settings.expose = expose;
        settings.origins.insert("expose".to_owned(), origin);
    }
    settle_listening(&mut settings)?;
    Ok(settings)
}

fn origin(arg: &Arg, matches: &ArgMatches, file: &File) -> Option<Origin> {
    match matches.value_source(arg.get_id().as_str())? {
        ValueSource::CommandLine => Some(Origin::Flag(format!("--{}", arg.get_long()?))),
        ValueSource::EnvVariable => Some(Origin::Variable(arg.get_env()?.to_string_lossy().into_owned())),
        _ => Some(file.values.get(arg.get_id().as_str()).map_or(Origin::Default, |(_, origin)| origin.clone())),
    }
}

/// Listening is one setting of two spellings: the one that was given in the stronger layer holds, such as a port on the
/// command line over addresses in the file.
fn settle_listening(settings: &mut Settings) -> Result<()> {
    let layer = |origin: &Origin| std::mem::discriminant(origin);
    let (Some(port), Some(listen)) = (settings.origins.get("port"), settings.origins.get("listen")) else { return Ok(()) };
    if layer(port) == layer(listen) {
        return Err(Error::bad_request(format!("port ({port}) and listen ({listen}) both say where to listen: keep one of them")));
    }
    if port > listen {
        settings.listen = None;
        settings.origins.remove("listen");
    } else {
        settings.origins.remove("port");
    }
    Ok(())
}

/// A variable of ours that is nearly one that we know is a slip, and refused. Any other is told of and passed over: a
/// container's platform makes variables such as `ROWCAST_SERVICE_HOST` of its own accord.
fn check_variables(command: &Command, names: impl Iterator<Item = OsString>) -> Result<()> {
    let variables = command.get_arguments().filter_map(|arg| arg.get_env()?.to_str());
    let known: BTreeMap<&str, &str> =
        variables.chain(OTHER_VARIABLES).filter_map(|name| Some((name.strip_prefix(PREFIX)?, name))).collect();
    for name in names {
        let Some(rest) = name.to_str().and_then(|name| name.strip_prefix(PREFIX)) else { continue };
        if known.contains_key(rest) {
            continue;
        }
        if let Some(meant) = nearest(rest, known.keys().copied()) {
            return Err(Error::bad_request(format!("there is no variable {PREFIX}{rest}; did you mean {PREFIX}{meant}?")));
        }
        tracing::warn!("the variable {PREFIX}{rest} is none that rowcast knows, and changes nothing");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
