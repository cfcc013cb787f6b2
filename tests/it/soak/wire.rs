//! HTTP/1.1 on a socket that a client can treat as badly as it likes.

use std::io::{Error, ErrorKind, Result};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

pub struct Wire(BufReader<TcpStream>);

pub struct Reply {
    pub status: u16,
    /// The header Rowcast-Cursor.
    pub cursor: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> std::result::Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| format!("{error} in {}", String::from_utf8_lossy(&self.body)))
    }
}

impl Wire {
    pub async fn connect(port: u16) -> Result<Wire> {
        Ok(Wire(BufReader::with_capacity(4096, TcpStream::connect(("127.0.0.1", port)).await?)))
    }

    pub async fn send(&mut self, request: &str) -> Result<()> {
        self.0.get_mut().write_all(request.as_bytes()).await
    }

    /// Says that nothing more will be sent.
    pub async fn close_half(&mut self) -> Result<()> {
        self.0.get_mut().shutdown().await
    }

    /// The next bytes; none at the end.
    pub async fn some(&mut self) -> Result<usize> {
        self.0.read(&mut [0; 2048]).await
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply> {
        self.send(&get(path, "")).await?;
        self.reply().await
    }

    pub async fn post(&mut self, path: &str, body: &Value) -> Result<Reply> {
        let body = body.to_string();
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        self.send(&(head + &body)).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> Result<Reply> {
        let wrong = |what: &str| Error::new(ErrorKind::InvalidData, what.to_owned());
        let first = self.line().await?;
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(|| wrong(&first))?;
        let (mut length, mut chunked, mut cursor) = (0, false, String::new());
        loop {
            let line = self.line().await?;
            let Some((name, value)) = line.split_once(": ") else { break };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.parse().map_err(|_| wrong(&line))?,
                "transfer-encoding" => chunked = true,
                "rowcast-cursor" => value.clone_into(&mut cursor),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await?;
        while chunked {
            let line = self.line().await?;
            let size = usize::from_str_radix(&line, 16).map_err(|_| wrong(&line))?;
            let start = body.len();
            body.resize(start + size, 0);
            self.0.read_exact(&mut body[start..]).await?;
            self.line().await?;
            chunked = size > 0;
        }
        Ok(Reply { status, cursor, body })
    }

    async fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line).await? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}

/// A GET as it is sent, with more headers.
pub fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n")
}
