//! The second yardstick: hyper as it comes, with two workers. A request parks a oneshot, its body beats now and then.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::header::HeaderMap;
use hyper::http::{HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rowcast::http::poll_body::PollBody;
use tokio::net::TcpSocket;
use tokio::sync::oneshot;

use crate::options::Yardstick;

type Parked = Arc<Mutex<Vec<oneshot::Sender<Bytes>>>>;

/// Does what `sockets` does.
pub fn run(yardstick: &Yardstick) {
    rowcast::descriptors::raise();
    let parked = Parked::default();
    let heartbeat = Duration::from_secs(yardstick.heartbeat);
    let headers = Arc::new(headers(&yardstick.head));
    let orders = parked.clone();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines() {
            let body = Bytes::from(line.expect("orders are text"));
            let waiting = std::mem::take(&mut *orders.lock().expect("nobody panics with it"));
            for poll in waiting {
                _ = poll.send(body.clone());
            }
        }
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime can be made");
    runtime.block_on(async move {
        let socket = TcpSocket::new_v4().expect("a socket can be made");
        socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port can be had");
        let listener = socket.listen(4_096).expect("a socket can listen");
        println!("port {}", listener.local_addr().expect("a port has an address").port());
        loop {
            let (stream, _) = listener.accept().await.expect("a connection can be accepted");
            stream.set_nodelay(true).expect("a socket can be set up");
            let (parked, headers) = (parked.clone(), headers.clone());
            let service = service_fn(move |request| park(request, parked.clone(), headers.clone(), heartbeat));
            tokio::spawn(async move { _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await });
        }
    });
}

async fn park(
    request: Request<Incoming>,
    parked: Parked,
    headers: Arc<HeaderMap>,
    heartbeat: Duration,
) -> Result<Response<PollBody<impl Future<Output = Bytes>>>, Infallible> {
    _ = request.into_body().collect().await;
    let (sender, receiver) = oneshot::channel();
    parked.lock().expect("nobody panics with it").push(sender);
    let answer = async move { receiver.await.unwrap_or_default() };
    let mut response = Response::new(PollBody::new(answer, heartbeat));
    *response.headers_mut() = (*headers).clone();
    Ok(response)
}

/// The headers of a head, without those that hyper sets by itself.
fn headers(head: &str) -> HeaderMap {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    let own = |(name, _): &(&str, &str)| !["date", "transfer-encoding", "content-length"].contains(&name.to_ascii_lowercase().as_str());
    let header = |(name, value): (&str, &str)| {
        (name.parse::<HeaderName>().expect("a header's name"), HeaderValue::from_str(value.trim()).expect("a header's value"))
    };
    lines.filter(own).map(header).collect()
}
