//! Pages written for PBP work unchanged: their long poll, their writes on the collection, the label of what they parse.
//!
//! The requests are those of jQuery in a browser, headers included, over plain sockets.

mod labels;
mod listen;
mod lost;
mod refused;
mod writes;

use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::raw::{Reply, read, send};
use crate::support::{Database, Server, database, empty_example, server};

/// How jQuery labels whatever a page gives it to send.
const FORM: &str = "application/x-www-form-urlencoded; charset=UTF-8";

const SETTINGS: &str = "pbp = true\nexpose = { testtype = \"rw\", other = \"rw\" }\n";

/// A database with two empty tables, and a server that exposes both to pages of PBP.
fn example() -> (Database, Server) {
    example_with("")
}

fn example_with(settings: &str) -> (Database, Server) {
    let db = empty_example(database());
    db.psql("create table other (id integer primary key); select rowcast.watch('other'); delete from rowcast.change");
    let server = server(&db, &format!("{settings}{SETTINGS}"));
    (db, server)
}

/// Sends what `$.ajax` sends from a page of the same origin, and leaves the answer to be read.
fn ajax(server: &Server, method: &str, path: &str, body: &str) -> TcpStream {
    ajax_from(server, method, path, body, "http://localhost", "same-origin")
}

fn ajax_from(server: &Server, method: &str, path: &str, body: &str, origin: &str, site: &str) -> TcpStream {
    let mut headers = vec![
        ("Accept", "*/*"),
        ("Accept-Encoding", "gzip, deflate, br, zstd"),
        ("Accept-Language", "en-GB,en;q=0.9"),
        ("Referer", "http://localhost/testtype.html"),
        ("Sec-Fetch-Dest", "empty"),
        ("Sec-Fetch-Mode", "cors"),
        ("Sec-Fetch-Site", site),
        ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"),
        ("X-Requested-With", "XMLHttpRequest"),
    ];
    if method != "GET" {
        headers.extend([("Content-Type", FORM), ("Origin", origin)]);
    }
    let mut stream = server.connect();
    send(&mut stream, method, path, &headers, body);
    stream
}

fn answer(stream: TcpStream) -> Reply {
    read(stream).expect("a whole answer")
}

/// Sends the entries of a browser's tabs, and leaves the answer to be read.
fn listen(server: &Server, entries: &str) -> TcpStream {
    ajax(server, "POST", "/api/_listen", entries)
}

/// The same where it has to wait: returns when the server holds the poll.
fn park(server: &Server, entries: &str) -> TcpStream {
    let before = server.open_polls();
    let stream = listen(server, entries);
    server.wait_for_open_polls(before + 1);
    stream
}

/// The body of an answer to a poll.
#[track_caller]
fn told(stream: TcpStream) -> String {
    let reply = answer(stream);
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// A tab's entry, with `laterthan` as it is to be sent.
fn entry(laterthan: &str, table: &str, constraints: Value) -> String {
    format!(r#"{{"laterthan":{laterthan},"types":[{}]}}"#, json!({"type": table, "constraints": constraints}))
}

fn array(entries: &[String]) -> String {
    format!("[{}]", entries.join(","))
}

/// A poll of one tab on the whole of `testtype`.
fn one(laterthan: &str) -> String {
    array(&[entry(laterthan, "testtype", json!({}))])
}

/// The mtime by which a tab goes on, from an answer to [`one`], after which the tab has seen all there is.
#[track_caller]
fn start(server: &Server) -> String {
    mtime(&told(listen(server, &one("0"))))
}

/// The mtime in an answer to [`one`], as it is written.
#[track_caller]
fn mtime(body: &str) -> String {
    let number = body.strip_prefix(r#"[{"i":0,"mtime":"#).and_then(|rest| rest.strip_suffix("}]"));
    number.unwrap_or_else(|| panic!("no news for the one tab: {body}")).to_owned()
}

/// What the only tab is told with this mtime.
fn news(mtime: &str) -> String {
    format!(r#"[{{"i":0,"mtime":{mtime}}}]"#)
}

/// A row's mtime in milliseconds with three decimals, as the database says it.
fn mtime_of(db: &Database, id: i32) -> String {
    // Whole microseconds: before PostgreSQL 14 extract() is a float.
    db.psql(&format!(
        "select to_char((extract(epoch from date_trunc('second', mtime))::bigint * 1000000 + extract(microseconds from mtime)::bigint % 1000000) / 1000.0, \
         'FM9999999999990.000') from testtype where id = {id}"
    ))
}

/// Adds a row by psql; its mtime.
fn insert(db: &Database, id: i32) -> String {
    db.psql(&format!("insert into testtype (id, name) values ({id}, 'row {id}')"));
    mtime_of(db, id)
}

/// Milliseconds with three decimals as a number of microseconds.
#[track_caller]
fn micros(mtime: &str) -> i64 {
    let (whole, decimals) = mtime.split_once('.').unwrap_or_else(|| panic!("no decimals: {mtime}"));
    assert_eq!(decimals.len(), 3, "{mtime}");
    format!("{whole}{decimals}").parse().unwrap()
}
