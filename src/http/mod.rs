//! The HTTP side: the only room that parses requests and serialises answers.

pub mod activity;
pub mod assets;
pub mod body;
pub mod body_key;
pub mod connection;
pub mod encode;
pub mod fields;
pub mod guard;
pub mod health;
pub mod jquery;
pub mod listen;
pub mod listener;
pub mod notify;
pub mod page;
pub mod poll_body;
pub mod problem;
pub mod router;
pub mod rows;
pub mod shared;
pub mod socket;
pub mod stream;

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};

use crate::config::Config;
use crate::follow::Follow;

pub type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
pub type Response = hyper::Response<ResponseBody>;

/// What every request works with.
pub struct App {
    pub config: Arc<Config>,
    pub follow: Follow,
    pub lists: shared::SharedLists,
    pub tokens: listen::Tokens,
}

/// Every resource but the files works on what following takes: the database, the hub and the catalog.
impl Deref for App {
    type Target = Follow;

    fn deref(&self) -> &Follow {
        &self.follow
    }
}

/// A response whose body is known.
pub fn full(status: u16, content_type: &str, bytes: impl Into<Bytes>) -> Response {
    let mut response = hyper::Response::new(Full::new(bytes.into()).boxed_unsync());
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or(hyper::StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(value) = HeaderValue::from_str(content_type) {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    response
}

/// When somebody told to come back should do so: spread over as much again, so that a herd does not return in step.
pub fn jitter(base: Duration) -> Duration {
    base + base.mul_f64(rand::random_range(0.0..1.0))
}
