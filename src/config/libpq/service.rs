//! Services: named sets of parameters in a file (PostgreSQL manual, "The Connection Service File").

use std::path::{Path, PathBuf};

use super::Environment;
use super::string::{Pairs, known};

/// Where Debian's libpq looks for the file that holds for the whole machine.
const SYSTEM_DIRECTORY: &str = "/etc/postgresql-common";

/// A service, and the file that it was found in.
#[derive(Debug)]
pub struct Service {
    pub parameters: Pairs,
    pub file: PathBuf,
}

/// Finds a service in the person's file, which may be named, else in the machine's.
pub fn find(name: &str, file: Option<&str>, environment: &Environment) -> Result<Service, String> {
    let own = match file {
        Some(named) if !Path::new(named).exists() => return Err(format!("the service file {named} does not exist")),
        Some(named) => Some(PathBuf::from(named)),
        None => environment.home.as_ref().map(|home| home.join(".pg_service.conf")),
    };
    let system = Path::new(environment.get("PGSYSCONFDIR").unwrap_or(SYSTEM_DIRECTORY)).join("pg_service.conf");
    let files: Vec<PathBuf> = own.into_iter().chain([system]).collect();
    for file in &files {
        if !file.exists() {
            continue;
        }
        let text = std::fs::read_to_string(file).map_err(|error| format!("the service file {} cannot be read: {error}", file.display()))?;
        let section = section(&text, name).map_err(|why| format!("the service file {}, {why}", file.display()))?;
        if let Some(parameters) = section {
            return Ok(Service { parameters, file: file.clone() });
        }
    }
    let looked: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    Err(format!("there is no service {name}: it is looked for as [{name}] in {}", looked.join(" and ")))
}

/// The lines `keyword=value` under `[name]`, up to the next heading. Within a service the first word on a keyword holds.
fn section(text: &str, name: &str) -> Result<Option<Pairs>, String> {
    let mut found: Option<Pairs> = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(heading) = line.strip_prefix('[') {
            if found.is_some() {
                break;
            }
            if heading.strip_suffix(']') == Some(name) {
                found = Some(Pairs::new());
            }
            continue;
        }
        let Some(pairs) = &mut found else { continue };
        let wrong = |why: &str| format!("line {}: {why}", number + 1);
        if line.starts_with("ldap") {
            return Err(wrong("rowcast looks nothing up by LDAP; write the parameters themselves"));
        }
        let (keyword, value) = line.split_once('=').ok_or_else(|| wrong("this is no keyword=value"))?;
        if ["service", "servicefile"].contains(&keyword) {
            return Err(wrong("a service cannot name another"));
        }
        pairs.push((known(keyword).map_err(|why| wrong(&why))?, value.to_owned()));
    }
    Ok(found)
}
