//! libpq's way of saying where a database is: connection strings, service files, `PG*` variables and the password file
//! (PostgreSQL manual, "Database Connection Control Functions" and what follows it).

mod keywords;
mod passfile;
mod service;
mod shown;
mod string;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use keywords::{KEYWORDS, Reach, Use, VARIABLES, keyword};
pub use passfile::{Passfile, Wanted};
pub use shown::without_secrets;

/// What of this process libpq would look at.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub variables: BTreeMap<String, String>,
    pub home: Option<PathBuf>,
    /// The name of the operating system's user.
    pub user: Option<String>,
}

/// A value, and where it was given: "DATABASE_URL", "PGHOST", "the service shop in /etc/…".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub value: String,
    pub origin: String,
}

/// What was given, by libpq's keyword. Whatever came first stays: so the layers are added from the strongest down.
#[derive(Clone, Debug, Default)]
pub struct Parameters(BTreeMap<&'static str, Given>);

impl Environment {
    /// That of this process.
    pub fn of_process() -> Environment {
        let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let variable = |name| std::env::var(name).ok();
        Environment {
            variables: variables.collect(),
            home: std::env::home_dir(),
            user: whoami::username().ok().or_else(|| variable("USER")).or_else(|| variable("LOGNAME")),
        }
    }

    /// A variable that says something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

impl Parameters {
    /// The parameters of a connection string, with the service that it or a variable names, and the variables below it:
    /// libpq's order. `origin` says where the string was given. No error repeats the string, which may hold a password.
    pub fn gather(string: &str, origin: &str, environment: &Environment) -> Result<Parameters, String> {
        let mut parameters = Parameters::default();
        let given = string::parse(string).map_err(|why| format!("{origin} is no address of a database: {why}"))?;
        // Within a string, the last word on a keyword holds.
        parameters.0.extend(given.into_iter().map(|(keyword, value)| (keyword, Given { value, origin: origin.to_owned() })));
        let from_variable = |name| environment.get(keyword(name)?.variable?);
        let named = |name| parameters.get(name).or_else(|| from_variable(name)).map(str::to_owned);
        if let Some(service) = named("service") {
            let found = service::find(&service, named("servicefile").as_deref(), environment)?;
            parameters.add_missing(found.parameters, &format!("the service {service} in {}", found.file.display()));
        }
        for keyword in KEYWORDS {
            if let Some(variable) = keyword.variable
                && let Some(value) = environment.get(variable)
            {
                parameters.add_missing([(keyword.name, value.to_owned())], variable);
            }
        }
        Ok(parameters)
    }

    fn add_missing(&mut self, more: impl IntoIterator<Item = (&'static str, String)>, origin: &str) {
        for (keyword, value) in more {
            self.0.entry(keyword).or_insert_with(|| Given { value, origin: origin.to_owned() });
        }
    }

    /// A keyword's value, unless it is empty, which to libpq is as good as not given.
    pub fn get(&self, keyword: &str) -> Option<&str> {
        self.given(keyword).map(|given| given.value.as_str())
    }

    /// The same with where it was given.
    pub fn given(&self, keyword: &str) -> Option<&Given> {
        self.0.get(keyword).filter(|given| !given.value.is_empty())
    }

    /// Refuses what rowcast does not do and a person would rely on. `reached` says by what ways the database is reached.
    pub fn refuse_what_is_not_understood(&self, reached: &[Reach], environment: &Environment) -> Result<(), String> {
        for keyword in KEYWORDS {
            let Use::Only { values, reach, why } = keyword.used else { continue };
            let Some(given) = self.given(keyword.name) else { continue };
            if (reach == Reach::Any || reached.contains(&reach)) && !values.contains(&given.value.as_str()) {
                return Err(format!("{} (from {}) is not understood: {why}", keyword.name, given.origin));
            }
        }
        for (variable, why) in VARIABLES {
            if environment.get(variable).is_some() {
                return Err(format!("the variable {variable} is not understood: {why}"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
