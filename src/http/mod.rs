//! The HTTP side: the only room that parses requests and serialises answers.

pub mod assets;
pub mod body;
pub mod body_key;
pub mod connection;
pub mod counts;
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
pub mod room;
pub mod route;
pub mod router;
pub mod rows;
pub mod shared;
pub mod socket;
pub mod status;
pub mod stream;

use std::convert::Infallible;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use tokio::time::Instant;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::filter::{Filter, Wanted};
use crate::follow::Follow;
use crate::hub::{Answer, Poll, Subscription};
use crate::metrics::{FEED, Metrics};
use crate::tail::Vitals;

use counts::Ended;

pub type ResponseBody = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;
pub type Response = hyper::Response<ResponseBody>;

/// What every request works with.
pub struct App {
    pub config: Arc<Config>,
    pub follow: Follow,
    pub metrics: Arc<Metrics>,
    pub vitals: Arc<Vitals>,
    pub lists: shared::SharedLists,
    pub tokens: listen::Tokens,
    pub room: room::Room,
}

impl App {
    /// A subscription by the names and values of a request: to an exposed table, or to the server's own numbers, which are
    /// told as resets and nothing else.
    pub async fn subscription(&self, id: &str, table: &str, filter: Wanted) -> Result<Subscription> {
        if table != FEED.0 {
            return self.follow.subscription(id, table, filter).await;
        }
        if !filter.is_empty() {
            return Err(Error::bad_request(format!("{} has no columns: subscribe to it without a filter", FEED.0)));
        }
        Ok(Subscription { id: id.into(), relation: FEED.1, filter: Filter::default() })
    }

    /// One poll's answer by the deadline, its wait counted.
    pub async fn answer(&self, poll: &Poll, deadline: Instant) -> Result<Arc<Answer>> {
        let wait = self.metrics.http.poll();
        let answer = self.follow.answer(poll, deadline).await;
        match &answer {
            Ok(answer) => match answer.told_at {
                Some(told_at) => wait.ended_at(Ended::News, told_at),
                None if answer.answers.is_empty() => wait.ended(Ended::Quiet),
                None => wait.ended(Ended::News),
            },
            Err(_) => wait.ended(Ended::Failed),
        }
        answer
    }
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
    with_body(status, content_type, Full::new(bytes.into()).boxed_unsync())
}

/// A response whose body comes bit by bit.
pub fn with_body(status: u16, content_type: &str, body: ResponseBody) -> Response {
    let mut response = hyper::Response::new(body);
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
