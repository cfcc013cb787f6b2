//! HTTP/1.1 over a plain socket, so that a test sees and sends exactly what it says, when it says.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(self.body.trim()).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }
}

/// Sends a GET and leaves the answer to be read.
pub fn send_get(stream: &mut TcpStream, path: &str, headers: &[(&str, &str)]) {
    send(stream, "GET", path, headers, "");
}

/// Sends JSON by POST and leaves the answer to be read.
pub fn send_json(stream: &mut TcpStream, path: &str, body: &Value) {
    send(stream, "POST", path, &[("Content-Type", "application/json")], &body.to_string());
}

/// Sends any request and leaves the answer to be read.
pub fn send(stream: &mut TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
    assert!(try_send(stream, method, path, headers, body), "{method} {path}: the connection is cut");
}

/// The same to a server that may be going away; false if it has.
pub fn try_send(stream: &mut TcpStream, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> bool {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.set_read_timeout(Some(Duration::from_secs(60))).is_ok() && stream.write_all(format!("{head}\r\n{body}").as_bytes()).is_ok()
}

/// Reads an answer to the connection's end; None if it was cut before that.
pub fn read(mut stream: TcpStream) -> Option<Reply> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).ok()?;
    parse(&bytes)
}

fn parse(bytes: &[u8]) -> Option<Reply> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).ok()?;
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<(String, String)> =
        lines.filter_map(|line| line.split_once(':')).map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    let body = &bytes[end + 4..];
    let header = |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    let body = if header("transfer-encoding") == Some("chunked") {
        dechunk(body)?
    } else {
        let whole = header("content-length").and_then(|length| length.parse().ok()).is_none_or(|length: usize| length == body.len());
        whole.then(|| body.to_vec())?
    };
    Some(Reply { status, headers, body: String::from_utf8(body).ok()? })
}

fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(bytes.get(end + 2..end + 2 + size)?);
        bytes = bytes.get(end + 2 + size + 2..)?;
    }
}
