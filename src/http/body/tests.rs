use std::collections::BTreeMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Frame;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use super::*;
use crate::catalog::TableKind;
use crate::config::Access;

fn head(headers: &[(&str, &str)]) -> Parts {
    let request = headers.iter().fold(Request::builder().method("POST"), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

fn limits(body_bytes: usize) -> Limits {
    Limits {
        stalled: Duration::from_secs(30),
        pool_connections: 1,
        waiting_requests: 1,
        request_timeout: Duration::from_millis(50),
        connections: 1,
        polls: 1,
        body_bytes,
        subscriptions: 1,
        list_rows: 1,
        list_bytes: 1,
    }
}

fn table() -> Table {
    let column = |(name, type_name): (&str, &str)| Column { name: name.to_owned(), type_name: type_name.to_owned(), writable: true };
    Table {
        relation: 1,
        exposed_name: "t".to_owned(),
        sql_name: "public.t".to_owned(),
        kind: TableKind::Table,
        columns: [("id", "bigint"), ("name", "character varying(20)"), ("data", "jsonb"), ("mail", "public.citext")].map(column).to_vec(),
        key: vec![0],
        access: Access::ReadWrite,
    }
}

fn status<T>(result: Result<T>) -> u16 {
    result.map_or_else(|error| error.kind.status(), |_| 200)
}

/// The values as their JSON texts.
fn parse(content_type: &str, body: &str, blank: Blank) -> Result<BTreeMap<String, String>> {
    let row = row(&head(&[("content-type", content_type)]), body.as_bytes(), &table(), blank)?;
    Ok(row.into_iter().map(|(name, value)| (name, value.get().to_owned())).collect())
}

fn expected(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit() {
    let read = async |size: usize| read(Full::new(Bytes::from(vec![b'x'; size])), &head(&[]), &limits(10)).await;
    assert_eq!(read(10).await.unwrap().len(), 10);
    assert_eq!(status(read(11).await), 413);
}

/// A body in chunks does not announce its length.
#[tokio::test]
async fn a_body_of_unknown_length_is_read_up_to_the_limit() {
    let read = async |chunks: usize| {
        let (sender, receiver) = unbounded_channel();
        for _ in 0..chunks {
            sender.send(Bytes::from_static(b"12345")).unwrap();
        }
        drop(sender);
        read(Chunks(receiver), &head(&[]), &limits(10)).await
    };
    assert_eq!(read(2).await.unwrap().len(), 10);
    assert_eq!(status(read(3).await), 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let (sender, receiver) = unbounded_channel();
    sender.send(Bytes::from_static(b"{")).unwrap();
    let error = read(Chunks(receiver), &head(&[]), &limits(10)).await.unwrap_err();
    assert_eq!((error.kind, error.detail.contains("not complete")), (Kind::BadRequest, true));
    drop(sender);
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    assert_eq!(status(read(Full::new(Bytes::new()), &head(&[("content-encoding", "gzip")]), &limits(10)).await), 415);
}

/// A body that comes as a channel brings it.
struct Chunks(UnboundedReceiver<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| Ok(Frame::data(chunk))))
    }
}

#[test]
fn json_values_are_untouched() {
    let body = r#" {"id": 123456789012345678901234567890.10, "data": {"a" : [1, "é"]}, "name": null, "x": "\u0041"} "#;
    assert_eq!(
        parse("application/json", body, Blank::Null).unwrap(),
        expected(&[("id", "123456789012345678901234567890.10"), ("data", r#"{"a" : [1, "é"]}"#), ("name", "null"), ("x", r#""\u0041""#)])
    );
}

#[test]
fn what_is_not_one_object_is_refused() {
    for good in ["{}", r#"{"a":1}"#] {
        assert_eq!(status(parse("application/json", good, Blank::Null)), 200, "{good}");
    }
    for bad in [
        "",
        "[]",
        "[{}]",
        "1",
        "null",
        "\"a\"",
        "{",
        r#"{"a":1}}"#,
        r#"{"a":1} {}"#,
        r#"{"a":1,"a":2}"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"a":01}"#,
    ] {
        assert_eq!(status(parse("application/json", bad, Blank::Null)), 400, "{bad}");
    }
}

#[test]
fn only_json_and_forms_are_accepted() {
    assert_eq!(status(parse("application/json; charset=utf-8", "{}", Blank::Null)), 200);
    assert_eq!(status(parse("application/x-www-form-urlencoded", "", Blank::Null)), 200);
    for other in ["multipart/form-data; boundary=x", "text/plain", "text/json", "application/xml", "application/json; charset=utf-16"] {
        assert_eq!(status(parse(other, "{}", Blank::Null)), 415, "{other}");
    }
    assert_eq!(status(row(&head(&[]), b"{}", &table(), Blank::Null)), 415);
}

#[test]
fn form_values_are_strings_and_json_columns_json() {
    let form = |text| parse("application/x-www-form-urlencoded", text, Blank::Null);
    assert_eq!(
        form("id=5&name=Ann+%22x%22&data=%7B%22a%22%3A1%7D&unknown=").unwrap(),
        expected(&[("id", "\"5\""), ("name", r#""Ann \"x\"""#), ("data", r#"{"a":1}"#), ("unknown", "\"\"")])
    );
    assert_eq!(status(form("data=%7B")), 400);
    assert_eq!(status(form("id=5&id=6")), 400);
    assert_eq!(status(form("id=5&id=")), 400);
    assert_eq!(status(form("name=%FF")), 400);
}

#[test]
fn an_empty_form_field_is_empty_text_or_no_value() {
    let form = |blank| parse("application/x-www-form-urlencoded", "id=&name=&data=&mail=", blank).unwrap();
    assert_eq!(form(Blank::LeftOut), expected(&[("name", "\"\""), ("mail", "\"\"")]));
    assert_eq!(form(Blank::Null), expected(&[("id", "null"), ("name", "\"\""), ("data", "null"), ("mail", "\"\"")]));
}
