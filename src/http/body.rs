//! Bodies of requests: read within limits, and made into the values of a row.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use hyper::header::CONTENT_ENCODING;
use hyper::http::request::Parts;
use serde::Deserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde_json::value::{RawValue, to_raw_value};

use super::{fields, guard};
use crate::catalog::{Column, Table};
use crate::config::Limits;
use crate::db::rows::Values;
use crate::error::{Error, Kind, Result};

/// Reads a body whole. More than `body_bytes` is 413, without reading where its length is announced; one that is not
/// complete within `request_timeout` is 400; a compressed one is 415.
pub async fn read<B>(body: B, head: &Parts, limits: &Limits) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if let Some(encoding) = head.headers.get(CONTENT_ENCODING) {
        return Err(Error::new(Kind::UnsupportedMediaType, format!("the body is encoded as {encoding:?}: send it as it is")));
    }
    tokio::time::timeout(limits.request_timeout, collect(body, limits.body_bytes)).await.unwrap_or_else(|_| {
        Err(Error::bad_request(format!("the body was not complete after {} seconds", limits.request_timeout.as_secs())))
    })
}

/// Takes what a client that was refused is still sending, within limits: a connection that is closed with something unread is
/// reset, and the client might never read why it was refused. False if there is more.
pub async fn discard<B>(body: B, limits: &Limits) -> bool
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    /// A client that takes longer over what it was asked not to send learns of it by a reset.
    const PATIENCE: Duration = Duration::from_secs(1);
    body.is_end_stream() || matches!(tokio::time::timeout(PATIENCE, collect(body, limits.body_bytes)).await, Ok(Ok(_)))
}

async fn collect<B>(mut body: B, limit: usize) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let too_large = || Error::new(Kind::TooLarge, format!("the body is larger than the {limit} bytes that are accepted here"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large());
    }
    let mut bytes = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Error::bad_request(format!("the body could not be read to its end: {error}")))?;
        let Ok(data) = frame.into_data() else { continue }; // trailers
        if bytes.len() + data.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// What an empty form field means for a column that is no text. A form cannot leave an input out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blank {
    /// The column gets its default, as where a whole row is given.
    LeftOut,
    /// The column becomes null, as where single columns are changed.
    Null,
}

/// The values of a row from JSON or from a form, each as JSON text that is untouched: numbers keep all their digits.
///
/// A form's values are strings, which the database casts; for a column of type json they are JSON text. An empty field
/// of a text column is an empty string, of any other what `blank` says. A name that comes twice is a bad request.
pub fn row(head: &Parts, body: &[u8], table: &Table, blank: Blank) -> Result<Values> {
    match guard::content_type(&head.headers)?.as_str() {
        "application/json" => json(body),
        "application/x-www-form-urlencoded" => form(body, table, blank),
        other => Err(Error::new(
            Kind::UnsupportedMediaType,
            format!("the body is {other}: send application/json or application/x-www-form-urlencoded"),
        )),
    }
}

fn json(body: &[u8]) -> Result<Values> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let row = deserializer.deserialize_map(RowVisitor).and_then(|row| deserializer.end().map(|()| row));
    row.map_err(|error| Error::bad_request(format!("the body is not one JSON object with a value a column: {error}")))
}

struct RowVisitor;

impl<'de> Visitor<'de> for RowVisitor {
    type Value = Values;

    fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Values, A::Error> {
        let mut row = Values::new();
        while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
            if row.insert(name.clone(), value).is_some() {
                return Err(A::Error::custom(format!("\"{name}\" is there twice")));
            }
        }
        Ok(row)
    }
}

fn form(body: &[u8], table: &Table, blank: Blank) -> Result<Values> {
    let text = str::from_utf8(body).map_err(|_| Error::bad_request("the form is not UTF-8"))?;
    let mut row = Values::new();
    let mut seen = std::collections::HashSet::new();
    for (name, value) in fields::pairs(text)? {
        if !seen.insert(name.clone()) {
            return Err(Error::bad_request(format!("the form has \"{name}\" twice")));
        }
        let column = table.column(&name);
        if value.is_empty() && column.is_some_and(|column| !is_text(column)) {
            if blank == Blank::Null {
                row.insert(name, RawValue::NULL.to_owned());
            }
            continue;
        }
        let json = match column {
            Some(column) if ["json", "jsonb"].contains(&column.type_name.as_str()) => RawValue::from_string(value),
            _ => to_raw_value(&value),
        };
        let json = json.map_err(|error| Error::bad_request(format!("{name} is not JSON: {error}")))?;
        row.insert(name, json);
    }
    Ok(row)
}

/// Whether an empty string is a value of the column's type, and likely a meant one.
fn is_text(column: &Column) -> bool {
    let base = column.type_name.split('(').next().unwrap_or_default();
    ["text", "character varying", "character", "bpchar", "name", "\"char\""].contains(&base) || base.rsplit('.').next() == Some("citext")
}

#[cfg(test)]
mod tests;
