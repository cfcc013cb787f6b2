//! The file with settings: what it says, with the line where it says it.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Arg, Command};
use toml::de::{DeTable, DeValue};

use super::Access;
use super::layers::{Origin, settings_of};
use super::nearest::suggestion;
use crate::error::{Error, Result};

/// The table of the file that is no flag.
const EXPOSE: &str = "expose";

/// What is wrong in a line.
type Mistake = (usize, String);

/// What a file says, each value as a flag would spell it.
#[derive(Debug, Default)]
pub struct File {
    pub values: BTreeMap<String, (Vec<String>, Origin)>,
    pub expose: Option<(BTreeMap<String, Access>, Origin)>,
}

/// Reads the file. What is not known to `command`, or is not of its kind, is refused by name and line, all of it at once.
pub fn read(path: &Path, command: &Command) -> Result<File> {
    let name = path.display();
    let text =
        std::fs::read_to_string(path).map_err(|error| Error::bad_request(format!("cannot read the configuration {name}: {error}")))?;
    let wrong = |what: String| Error::bad_request(format!("the configuration {name} is wrong: {what}"));
    let table = DeTable::parse(&text).map_err(|error| wrong(error.to_string()))?;
    let mut file = File::default();
    let mut mistakes = Vec::new();
    for (key, value) in table.get_ref() {
        let line = line_of(&text, key.span().start);
        let key = key.get_ref().as_ref();
        let origin = Origin::File(format!("{name}, line {line}"));
        let read = if key == EXPOSE {
            exposed(value.get_ref(), line, &text).map(|expose| file.expose = Some((expose, origin)))
        } else {
            setting(command, key, value.get_ref())
                .map(|values| _ = file.values.insert(key.to_owned(), (values, origin)))
                .map_err(|mistake| vec![(line, mistake)])
        };
        if let Err(found) = read {
            mistakes.extend(found);
        }
    }
    if mistakes.is_empty() {
        return Ok(file);
    }
    mistakes.sort();
    Err(wrong(mistakes.iter().map(|(line, mistake)| format!("line {line}: {mistake}")).collect::<Vec<_>>().join("; ")))
}

fn setting(command: &Command, key: &str, value: &DeValue) -> std::result::Result<Vec<String>, String> {
    let Some(arg) = settings_of(command).find(|arg| arg.get_id() == key) else {
        let known = settings_of(command).map(|arg| arg.get_id().as_str()).chain([EXPOSE]);
        let exposed = value.as_str().filter(|value| ["r", "rw"].contains(value)).map(|_| "; a table is named below [expose]");
        return Err(format!("there is no setting `{key}`{}", exposed.map_or_else(|| suggestion(key, known), str::to_owned)));
    };
    let values = match value {
        DeValue::Array(values) => values.iter().map(|value| plain(value.get_ref())).collect(),
        value => plain(value).map(|value| vec![value]),
    };
    let values = values.ok_or_else(|| format!("{key} cannot be a {}", value.type_str()))?;
    fits(command, arg, &values).map_err(|why| format!("{key} is {}: {why}", values.join(", "))).map(|()| values)
}

fn plain(value: &DeValue) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Integer(number) => i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        _ => None,
    }
}

/// Whether the flag would take these values, and if not why: the same parser decides.
fn fits(command: &Command, arg: &Arg, values: &[String]) -> std::result::Result<(), String> {
    let Some(flag) = arg.get_long() else { return Ok(()) };
    let arguments = values.iter().map(|value| format!("--{flag}={value}"));
    let alone = command.clone().mut_args(|arg| arg.env(clap::builder::Resettable::Reset));
    match alone.try_get_matches_from(["rowcast".to_owned()].into_iter().chain(arguments)) {
        Ok(_) => Ok(()),
        Err(error) => Err(std::error::Error::source(&error).map_or_else(|| "this is not understood".to_owned(), ToString::to_string)),
    }
}

fn exposed(value: &DeValue, line: usize, text: &str) -> std::result::Result<BTreeMap<String, Access>, Vec<Mistake>> {
    let DeValue::Table(table) = value else {
        return Err(vec![(line, format!("expose is a {}: write [expose], and below it testtype = \"rw\"", value.type_str()))]);
    };
    let mut expose = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (name, access) in table {
        let line = line_of(text, name.span().start);
        let name = name.get_ref().as_ref();
        match access.get_ref().as_str() {
            Some("r") => _ = expose.insert(name.to_owned(), Access::Read),
            Some("rw") => _ = expose.insert(name.to_owned(), Access::ReadWrite),
            // `accounts.person = "r"` without quotes is a table in a table to TOML.
            _ if access.get_ref().is_table() => {
                mistakes.push((line, format!("a name with a point in it is written in quotes, as \"{name}.person\" = \"r\"")));
            }
            other => {
                let other = other.unwrap_or(access.get_ref().type_str());
                mistakes.push((line, format!("{name} is exposed as `{other}`: write \"r\" to read and follow, \"rw\" to write as well")));
            }
        }
    }
    if mistakes.is_empty() { Ok(expose) } else { Err(mistakes) }
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
