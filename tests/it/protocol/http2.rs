//! HTTP/2 with prior knowledge, as proxies speak it: many requests on one connection.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::{Method, Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::freed_at_once;
use crate::support::{Server, example, wait_for};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// A SETTINGS frame that sets nothing.
const SETTINGS: &[u8] = &[0, 0, 0, 4, 0, 0, 0, 0, 0];

type Sender = SendRequest<Full<Bytes>>;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A connection, and its end.
async fn connect(server: &Server) -> (Sender, JoinHandle<hyper::Result<()>>) {
    let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(method: Method, path: &str, body: &str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(format!("http://localhost{path}")).header("content-type", "application/json");
    request.body(Full::from(body.to_owned())).unwrap()
}

async fn text(response: Response<Incoming>) -> String {
    String::from_utf8(response.into_body().collect().await.expect("a whole answer").to_bytes().to_vec()).unwrap()
}

async fn get(sender: &Sender, path: &str) -> (u16, String) {
    let response = sender.clone().send_request(request(Method::GET, path, "")).await.expect("an answer");
    (response.status().as_u16(), text(response).await)
}

const POLL: &str = "/notify?table=testtype&wait=100";

#[test]
fn one_connection_carries_reads_writes_and_a_hundred_polls() {
    let (_database, server) = example();
    runtime().block_on(async {
        let (sender, _connection) = connect(&server).await;
        let polls: Vec<_> = (0..100).map(|_| tokio::spawn(sender.clone().send_request(request(Method::GET, POLL, "")))).collect();
        wait_for("a hundred polls are open", || (server.open_polls() == 100).then_some(()));
        let written = sender.clone().send_request(request(Method::POST, "/api/testtype", r#"{"name":"ann"}"#)).await.unwrap();
        assert_eq!((written.status().as_u16(), written.version()), (201, hyper::Version::HTTP_2));
        for poll in polls {
            let answer: Value = serde_json::from_str(&text(poll.await.unwrap().unwrap()).await).unwrap();
            assert_eq!(answer["answers"][0]["changes"][0]["new"]["name"], "ann");
        }
        let (status, rows) = get(&sender, "/api/testtype").await;
        assert!(status == 200 && rows.contains("ann"), "{rows}");
    });
}

#[test]
fn the_host_is_the_authority_and_the_guard_holds() {
    let (_database, server) = example();
    runtime().block_on(async {
        let (sender, _connection) = connect(&server).await;
        let ask = async |authority: &str, headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri(format!("http://{authority}/notify?table=testtype&wait=0"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            sender.clone().send_request(request.body(Full::default()).unwrap()).await.unwrap().status().as_u16()
        };
        assert_eq!(ask("localhost", &[]).await, 200);
        assert_eq!(ask("evil.example", &[]).await, 403);
        assert_eq!(ask("localhost", &[("host", "evil.example")]).await, 400);
        assert_eq!(ask("localhost", &[("sec-fetch-site", "cross-site")]).await, 403);
        assert_eq!(ask("localhost", &[("origin", "http://evil.example")]).await, 403);
    });
}

#[test]
fn whoever_leaves_frees_its_place_at_once() {
    let (_database, server) = example();
    let body = json!({"wait": 100, "heartbeat": 60, "subscriptions": [{"id": "a", "table": "testtype", "since": "now"}]}).to_string();
    runtime().block_on(async {
        let (sender, _connection) = connect(&server).await;
        let events = || {
            let mut events = request(Method::GET, POLL, "");
            events.headers_mut().insert("accept", "text/event-stream".parse().unwrap());
            events
        };
        // One request is taken back, and the connection stays.
        for ask in [request(Method::GET, POLL, ""), request(Method::POST, "/notify", &body), events()] {
            let what = format!("{} {:?}", ask.method(), ask.headers());
            let asked = tokio::spawn({
                let mut sender = sender.clone();
                async move {
                    let _response = sender.send_request(ask).await;
                    std::future::pending::<()>().await;
                }
            });
            wait_for("the poll is open", || (server.open_polls() == 1).then_some(()));
            asked.abort();
            freed_at_once(&server, &what, Instant::now());
        }
    });
}

/// A raw connection: `frames` after the preface. What the server says to it until it closes or falls silent.
fn raw(server: &Server, frames: &[u8]) -> Vec<u8> {
    let mut stream = server.connect();
    stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    // A server that has heard enough closes before it has read all.
    _ = stream.write_all(&[PREFACE, SETTINGS, frames].concat());
    let mut said = Vec::new();
    _ = stream.read_to_end(&mut said);
    said
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The frames that were sent: kind, stream and payload.
fn frames(mut bytes: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let mut frames = Vec::new();
    while bytes.len() >= 9 {
        let length = u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]) as usize;
        let Some(payload) = bytes.get(9..9 + length) else { break };
        frames.push((bytes[3], u32::from_be_bytes([bytes[5], bytes[6], bytes[7], bytes[8]]), payload.to_vec()));
        bytes = &bytes[9 + length..];
    }
    frames
}

/// `GET /notify?…` to localhost, as HPACK without compression.
fn poll_headers() -> Vec<u8> {
    let literal = |name: u8, value: &str| [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat();
    // :method GET and :scheme http are in the static table; :authority and :path are spelled out.
    [vec![0x82, 0x86], literal(0x01, "localhost"), literal(0x04, POLL)].concat()
}

#[test]
fn a_connection_that_is_closed_or_half_closed_frees_all_its_places() {
    let (_database, server) = example();
    let poll = |number: u32| frame(1, 0x5, number, &poll_headers());
    for how in [Shutdown::Write, Shutdown::Both] {
        let mut stream = server.connect();
        stream.write_all(&[PREFACE, SETTINGS, &poll(1), &poll(3)].concat()).unwrap();
        server.wait_for_open_polls(2);
        let left = Instant::now();
        stream.shutdown(how).unwrap();
        freed_at_once(&server, &format!("{how:?}"), left);
    }
}

/// CVE-2023-44487: requests that are taken back as soon as they are sent cost the server more than the client.
#[test]
fn a_flood_of_requests_that_are_taken_back_ends_the_connection() {
    let (_database, server) = example();
    let flood: Vec<u8> = (0..20_000)
        .flat_map(|number| [frame(1, 0x5, 2 * number + 1, &poll_headers()), frame(3, 0, 2 * number + 1, &[0, 0, 0, 8])].concat())
        .collect();
    let said = frames(&raw(&server, &flood));
    let calm_down = said.iter().any(|(kind, _, payload)| *kind == 7 && payload[4..8] == [0, 0, 0, 11]);
    assert!(calm_down, "no GOAWAY with ENHANCE_YOUR_CALM in {} frames", said.len());
    server.wait_for_open_polls(0);
}

#[test]
fn limits_are_announced_and_a_head_beyond_them_is_refused() {
    let (_database, server) = example();
    let said = frames(&raw(&server, &[]));
    let (_, _, settings) = said.iter().find(|(kind, ..)| *kind == 4).expect("the server's SETTINGS");
    let setting = |wanted: u16| {
        settings.chunks(6).find(|one| one[..2] == wanted.to_be_bytes()).map(|one| u32::from_be_bytes([one[2], one[3], one[4], one[5]]))
    };
    assert_eq!((setting(3), setting(6)), (Some(200), Some(32 << 10)), "streams and the size of a head");
    runtime().block_on(async {
        let (sender, _connection) = connect(&server).await;
        let mut large = request(Method::GET, "/healthz", "");
        large.headers_mut().insert("x-large", "x".repeat(40_000).parse().unwrap());
        let refused = sender.clone().send_request(large).await;
        assert!(refused.is_err() || refused.is_ok_and(|answer| answer.status() == 431));
    });
}

#[test]
fn a_stop_answers_what_is_open_and_says_goaway() {
    let (_database, mut server) = example();
    runtime().block_on(async {
        let (sender, connection) = connect(&server).await;
        let polls: Vec<_> = (0..10).map(|_| tokio::spawn(sender.clone().send_request(request(Method::GET, POLL, "")))).collect();
        wait_for("the polls are open", || (server.open_polls() == 10).then_some(()));
        server.terminate();
        for poll in polls {
            let answer = text(poll.await.unwrap().expect("an answer")).await;
            assert!(answer.contains("retry_after_ms"), "{answer}");
        }
        assert!(connection.await.unwrap().is_ok(), "the connection was cut");
    });
    assert!(server.wait().success(), "{}", server.log());
}
