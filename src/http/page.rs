//! The pages, and the policy that they are served under.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use rowcast_pages::{HelloPage, hello as hello_page};

use super::{App, Response, full};
use crate::config::Access;

/// Nothing but this origin's own scripts, styles, images and connections.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The hello-world page.
pub fn hello(app: &App) -> Response {
    let writable = app.config.expose.get("testtype") == Some(&Access::ReadWrite);
    let markup = hello_page(&HelloPage { psql: psql(app), writable });
    let mut response = full(200, "text/html; charset=utf-8", markup.into_string());
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The command line that opens the database. Only told where nobody but this machine's users sees the page.
fn psql(app: &App) -> Option<String> {
    // A public name without a public address is a proxy in front of this server.
    if !app.config.public_hosts.is_empty() || app.config.listen.iter().any(|address| !address.ip().is_loopback()) {
        return None;
    }
    let database = &app.config.database;
    let place = database.places.first()?;
    let (host, user, name) = (place.host.to_string(), &database.user, &database.database);
    let port = if place.port == 5432 { String::new() } else { format!(" -p {}", place.port) };
    Some(format!("psql -h {}{port} -U {} {}", shell_quoted(&host), shell_quoted(user), shell_quoted(name)))
}

fn shell_quoted(text: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "/._-".contains(character);
    if !text.is_empty() && text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}
