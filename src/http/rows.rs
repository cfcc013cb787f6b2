//! `/api/<table>` and `/api/<table>/<key>`: the rows of an exposed table.
//!
//! A write to one row names it by the path, or, as a form does that was made from a row, by the key's columns in the body.

use std::sync::Arc;
use std::time::Duration;

use hyper::Method;
use hyper::body::{Body, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION};
use hyper::http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::body::{self, Blank};
use super::shared::ListBody;
use super::{App, Response, body_key, fields, full, problem};
use crate::catalog::Table;
use crate::config::Access;
use crate::db::rows::{self, Created, Selection, Values};
use crate::error::{Error, Result};
use crate::filter::parse_operand;

const JSON: &str = "application/json";

/// The cursor of the snapshot that a response was read in: `since` of the poll that goes on from it.
const CURSOR: HeaderName = HeaderName::from_static("rowcast-cursor");

/// The columns of the key, in its order, each percent-encoded.
const KEY: HeaderName = HeaderName::from_static("rowcast-key");

/// When a list that found no room is to be tried again.
const COME_BACK: Duration = Duration::from_secs(2);

/// What a part of a path needs to have encoded: all but RFC 3986's unreserved characters.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Answers a request for `/api/…`.
pub async fn handle(app: &App, head: Parts, incoming: &mut Incoming) -> Result<Response> {
    let (name, key) = parse_path(head.uri.path())?;
    let table = app.table(&name)?;
    let allowed = allowed(&table, key.is_some());
    match (&head.method, key) {
        (&Method::OPTIONS, _) => Ok(options(allowed)),
        (&Method::GET | &Method::HEAD, None) => list(app, table, head.uri.query().unwrap_or_default()).await,
        (&Method::GET | &Method::HEAD, Some(key)) => read(app, table, key).await,
        (&Method::POST, None) => {
            let values = values(app, &table, &head, incoming, Blank::LeftOut).await?;
            create(app, table, values).await
        }
        (&Method::PUT, Some(key)) => {
            let values = values(app, &table, &head, incoming, Blank::LeftOut).await?;
            let described = table.clone();
            let json = app.database.run(move |session| rows::replace(session, &table, &key, &values)).await?;
            Ok(row_response(200, &described, json))
        }
        (&Method::PATCH, Some(key)) => {
            let values = values(app, &table, &head, incoming, Blank::Null).await?;
            change(app, table, key, values).await
        }
        (&Method::DELETE, Some(key)) => {
            check_writable(&table)?;
            delete(app, table, key).await
        }
        (method @ (&Method::PUT | &Method::DELETE), None) if table.key.is_empty() => {
            let detail =
                format!("{} has no primary key, so no request can name the one row that {method} is meant for", table.exposed_name);
            Ok(problem::not_allowed_because(detail, allowed))
        }
        // A form that was made from a row may hold some of its columns only: the others stay as they are.
        (&Method::PUT, None) => {
            let (key, values) = keyed_values(app, &table, &head, incoming).await?;
            change(app, table, key, values).await
        }
        (&Method::DELETE, None) => {
            let (key, _) = keyed_values(app, &table, &head, incoming).await?;
            delete(app, table, key).await
        }
        (method, _) => Ok(problem::not_allowed(method, allowed)),
    }
}

/// The table and, where there is one, the parts of the key, which are told apart before they are decoded. A slash at
/// the end makes no difference.
fn parse_path(path: &str) -> Result<(String, Option<Vec<String>>)> {
    let path = path.strip_prefix("/api").unwrap_or(path);
    let path = path.strip_prefix('/').unwrap_or(path);
    let mut segments = path.strip_suffix('/').unwrap_or(path).split('/');
    let (table, key, rest) = (segments.next().unwrap_or_default(), segments.next(), segments.next());
    if table.is_empty() || rest.is_some() {
        return Err(Error::not_found("there is nothing here: rows are at /api/TABLE and /api/TABLE/KEY, a slash inside of a key is %2F"));
    }
    let key = key.map(|key| key.split(',').map(fields::segment).collect::<Result<Vec<_>>>()).transpose()?;
    Ok((fields::segment(table)?, key))
}

/// A list's selection: `limit` and `offset` are numbers, and everything else, one of these names too, is a filter.
fn parse_selection(query: &str) -> Result<Selection> {
    let mut selection = Selection::default();
    let (mut limit, mut offset) = (None, None);
    for (name, value) in fields::pairs(query)? {
        let filters = value.starts_with("eq.") || value == "is.null";
        let twice = match name.as_str() {
            "limit" if !filters => limit.replace(number(&name, &value)?).is_some(),
            "offset" if !filters => offset.replace(number(&name, &value)?).is_some(),
            _ => {
                let operand = parse_operand(&name, &value)?;
                selection.filter.insert(name.clone(), operand).is_some()
            }
        };
        if twice {
            return Err(Error::bad_request(format!("{name} is there twice: a list takes it once")));
        }
    }
    Ok(Selection { limit, offset: offset.unwrap_or(0), ..selection })
}

fn number(name: &str, value: &str) -> Result<usize> {
    // PostgreSQL takes these as bigint.
    let number = value.parse().ok().filter(|&number: &usize| i64::try_from(number).is_ok());
    number.ok_or_else(|| Error::bad_request(format!("{name} is \"{value}\", but must be a whole number, 0 or more")))
}

async fn list(app: &App, table: Arc<Table>, query: &str) -> Result<Response> {
    let selection = parse_selection(query)?;
    let (database, limits, room) = (app.database.clone(), app.config.limits, app.room.clone());
    let described = table.clone();
    let shared = app.lists.read((table.relation, selection.clone()), |gathering| async move {
        let read = database.run(move |session| {
            if !gathering.start() {
                return Err(Error::internal("nobody waits for this list any more"));
            }
            rows::list(session, &table, &selection, &limits)
        });
        let read = read.await?;
        let no_room = || Error::unavailable("too much of other answers has yet to be taken: try again later", COME_BACK);
        Ok(ListBody { cursor: read.cursor.to_string(), json: room.hold(read.json.into_bytes()).ok_or_else(no_room)? })
    });
    let shared = shared.await?;
    let mut response = full(200, JSON, shared.json);
    describe(&mut response, &described, Some(shared.cursor));
    Ok(response)
}

async fn read(app: &App, table: Arc<Table>, key: Vec<String>) -> Result<Response> {
    let limits = app.config.limits;
    let described = table.clone();
    let read = app.database.run(move |session| rows::row(session, &table, &key, &limits)).await?;
    let mut response = full(200, JSON, read.json);
    describe(&mut response, &described, Some(read.cursor.to_string()));
    Ok(response)
}

async fn create(app: &App, table: Arc<Table>, values: Values) -> Result<Response> {
    let described = table.clone();
    let Created { json, key } = app.database.run(move |session| rows::create(session, &table, &values)).await?;
    let mut response = row_response(201, &described, json);
    if !key.is_empty() {
        let location = format!("/api/{}/{}", encode(&described.exposed_name), encode_all(key.iter()));
        insert(&mut response, LOCATION, &location);
    }
    Ok(response)
}

async fn change(app: &App, table: Arc<Table>, key: Vec<String>, values: Values) -> Result<Response> {
    let described = table.clone();
    let json = app.database.run(move |session| rows::change(session, &table, &key, &values)).await?;
    Ok(row_response(200, &described, json))
}

async fn delete(app: &App, table: Arc<Table>, key: Vec<String>) -> Result<Response> {
    app.database.run(move |session| rows::delete(session, &table, &key)).await?;
    Ok(without_body())
}

/// A write's body. Whether the table may be written at all is asked first.
async fn values(app: &App, table: &Table, head: &Parts, incoming: &mut Incoming, blank: Blank) -> Result<Values> {
    check_writable(table)?;
    let body = body::read(incoming, head, &app.config.limits).await?;
    body::row(head, &body, table, blank)
}

/// The same where the body names the row too. One without a body is told what is missing, not how to label it.
async fn keyed_values(app: &App, table: &Table, head: &Parts, incoming: &mut Incoming) -> Result<(Vec<String>, Values)> {
    let values = if incoming.is_end_stream() {
        check_writable(table).map(|()| Values::new())?
    } else {
        values(app, table, head, incoming, Blank::Null).await?
    };
    body_key::split(table, values)
}

fn check_writable(table: &Table) -> Result<()> {
    match table.access {
        Access::ReadWrite => Ok(()),
        Access::Read if !table.is_followed() => Err(Error::forbidden(format!(
            "{} is a view, which can only be read here: write to the tables that it reads",
            table.exposed_name
        ))),
        Access::Read => {
            Err(Error::forbidden(format!("{0} is exposed for reading only: expose {0} = \"rw\" to let it be written", table.exposed_name)))
        }
    }
}

fn allowed(table: &Table, one_row: bool) -> &'static str {
    match (table.access, one_row) {
        (Access::Read, _) => "GET, HEAD, OPTIONS",
        (Access::ReadWrite, false) if table.key.is_empty() => "GET, HEAD, POST, OPTIONS",
        (Access::ReadWrite, false) => "GET, HEAD, POST, PUT, DELETE, OPTIONS",
        (Access::ReadWrite, true) => "GET, HEAD, PUT, PATCH, DELETE, OPTIONS",
    }
}

fn options(allowed: &'static str) -> Response {
    let mut response = without_body();
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn without_body() -> Response {
    let mut response = full(204, JSON, "");
    response.headers_mut().remove(CONTENT_TYPE);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn row_response(status: u16, table: &Table, json: String) -> Response {
    let mut response = full(status, JSON, json);
    describe(&mut response, table, None);
    response
}

/// What every response with rows says of them. Only a read has a cursor: a write's response is no snapshot.
fn describe(response: &mut Response, table: &Table, cursor: Option<String>) {
    if !table.key.is_empty() {
        insert(response, KEY, &encode_all(table.key_columns().map(|column| &column.name)));
    }
    if let Some(cursor) = cursor {
        insert(response, CURSOR, &cursor);
    }
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
}

/// All that is put in headers here is ASCII: percent-encoded, or base64.
fn insert(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

fn encode_all<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    parts.map(|part| encode(part)).collect::<Vec<_>>().join(",")
}
