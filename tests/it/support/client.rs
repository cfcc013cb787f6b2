//! An HTTP/1.1 client that keeps its connection, as browsers and proxies do, for tests with many at once.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

/// How long any answer may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Sender = SendRequest<Full<Bytes>>;

pub struct Client {
    server: SocketAddr,
    connection: Option<Sender>,
    /// How many connections it has made.
    pub connections: usize,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: hyper::HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(self.body.trim()).unwrap_or_else(|error| panic!("{error} in the body of {self:?}"))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }
}

impl Client {
    pub fn of(server: SocketAddr) -> Client {
        Client { server, connection: None, connections: 0 }
    }

    pub async fn get(&mut self, path: &str) -> Result<Reply, String> {
        self.ask(Method::GET, path, None).await
    }

    /// Sends JSON by POST.
    pub async fn post(&mut self, path: &str, json: &Value) -> Result<Reply, String> {
        self.ask(Method::POST, path, Some(json)).await
    }

    async fn ask(&mut self, method: Method, path: &str, json: Option<&Value>) -> Result<Reply, String> {
        let mut request = request(method.clone(), path);
        if let Some(json) = json {
            *request.body_mut() = Full::from(json.to_string());
            request.headers_mut().insert("content-type", "application/json".parse().expect("a header"));
        }
        let answered = async {
            let (head, body) = self.send(request).await?.into_parts();
            let body = body.collect().await.map_err(|error| format!("the answer was cut: {error}"))?.to_bytes();
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: String::from_utf8_lossy(&body).into_owned() })
        };
        let answered = tokio::time::timeout(PATIENCE, answered).await.unwrap_or_else(|_| Err("no answer".to_owned()));
        answered.map_err(|error: String| format!("{method} {path}: {error}"))
    }

    /// Sends a request, and gives the answer's head. On the connection that there is; on a new one where the server has ended
    /// that before any of the request was sent. Anything else that goes wrong is an error.
    pub async fn send(&mut self, mut request: Request<Full<Bytes>>) -> Result<Response<Incoming>, String> {
        loop {
            let mut connection = self.connected().await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.connection = Some(connection);
                    return Ok(response);
                }
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(error.into_error().to_string()),
                },
            }
        }
    }

    async fn connected(&mut self) -> Result<Sender, String> {
        if let Some(mut connection) = self.connection.take()
            && connection.ready().await.is_ok()
        {
            return Ok(connection);
        }
        self.connections += 1;
        let stream = TcpStream::connect(self.server).await.map_err(|error| format!("connecting: {error}"))?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (connection, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        tokio::spawn(driver);
        Ok(connection)
    }
}

/// A request without a body.
pub fn request(method: Method, path: &str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(path).header("host", "localhost").body(Full::default()).expect("a request")
}
