//! The pages, and the policy that they are served under.

use hyper::header::{CACHE_CONTROL, HeaderValue};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rowcast_pages::{HelloPage, Listed, LivePage, Markup, TablesPage, hello, live, tables};

use super::{App, Response, fields, full};
use crate::catalog::Table;
use crate::config::Access;
use crate::error::Result;

/// Nothing but this origin's own scripts, styles, images and connections.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page at `/`: hello, world where the example's table is exposed, else the exposed tables.
pub fn home(app: &App) -> Response {
    let catalog = app.catalog.borrow().clone();
    let listed: Vec<Listed> = catalog.tables().filter(|table| table.exposed_name != EXAMPLE).map(|table| listed(table)).collect();
    match app.config.expose.get(EXAMPLE) {
        Some(access) => page(hello(&HelloPage { psql: psql(app), writable: *access == Access::ReadWrite, others: listed })),
        None => page(tables(&TablesPage { tables: listed, missing: catalog.missing.clone() })),
    }
}

/// The page of one table, by the rest of the path after `/live/`.
pub fn table(app: &App, name: &str) -> Result<Response> {
    let table = app.table(&fields::segment(name)?)?;
    let columns = table.columns.iter().enumerate().map(|(place, column)| (column.name.clone(), table.key.contains(&place))).collect();
    let json = format!("/api/{}", encode(&table.exposed_name));
    Ok(page(live(&LivePage { name: table.exposed_name.clone(), json, columns, followed: table.is_followed() })))
}

/// The table that the hello-world page is about.
const EXAMPLE: &str = "testtype";

fn listed(table: &Table) -> Listed {
    let kind = match (table.is_followed(), table.access) {
        (false, _) => "a view, read-only",
        (true, Access::Read) => "read-only",
        (true, Access::ReadWrite) => "read and write",
    };
    Listed { name: table.exposed_name.clone(), path: format!("/live/{}", encode(&table.exposed_name)), kind }
}

fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

fn page(markup: Markup) -> Response {
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
