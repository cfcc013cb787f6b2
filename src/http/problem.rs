//! Errors as `application/problem+json` (RFC 9457).

use hyper::Method;
use hyper::header::{ALLOW, CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use serde_json::{Map, Value};

use super::{Response, full};
use crate::error::{Error, Kind};

/// What an internal error says to a client. Its own words may tell of the database's inside: whoever handles the
/// request logs them.
const INTERNAL: &str = "what went wrong is in the server's log";

/// Logs a failure, once, where it is handled: the server's own as an error, others only for who looks closely.
pub fn log(method: &Method, path: &str, error: &Error) {
    match error.kind {
        Kind::Internal => tracing::error!(%method, path, %error, "a request failed"),
        Kind::Unavailable => tracing::debug!(%method, path, %error, "a request was put off"),
        _ => {}
    }
}

/// The JSON object, for a body whose head was sent already.
///
/// `{"type":"urn:rowcast:…","title":"…","status":409,"detail":"…","code":"23505"}`; `code` is the SQLSTATE.
pub fn object(error: &Error) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("type".to_owned(), format!("urn:rowcast:{}", error.kind.name()).into());
    object.insert("title".to_owned(), error.kind.title().into());
    object.insert("status".to_owned(), error.kind.status().into());
    let detail = if error.kind == Kind::Internal { INTERNAL } else { &error.detail };
    object.insert("detail".to_owned(), detail.into());
    if let Some(code) = &error.code {
        object.insert("code".to_owned(), code.as_str().into());
    }
    object
}

/// The whole response, with `Retry-After` where it makes sense to come back.
pub fn response(error: &Error) -> Response {
    let body = Value::Object(object(error)).to_string();
    let mut response = full(error.kind.status(), "application/problem+json", body);
    // An error is about this moment: nobody is to be told it from a cache.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(after) = error.retry_after {
        // Whole seconds, and never early.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    response
}

/// 405, and what is allowed.
pub fn not_allowed(method: &Method, allowed: &'static str) -> Response {
    not_allowed_because(format!("{method} is not allowed here: {allowed} is"), allowed)
}

/// 405 with a sentence of its own.
pub fn not_allowed_because(detail: String, allowed: &'static str) -> Response {
    let mut response = response(&Error::new(Kind::MethodNotAllowed, detail));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_problem_has_its_parts() {
        let error = Error { code: Some("23505".to_owned()), ..Error::new(Kind::Conflict, "taken") };
        let text = Value::Object(object(&error)).to_string();
        assert_eq!(
            serde_json::from_str::<Value>(&text).unwrap(),
            serde_json::json!({"type": "urn:rowcast:conflict", "title": Kind::Conflict.title(), "status": 409, "detail": "taken", "code": "23505"})
        );
        assert!(object(&Error::bad_request("no")).get("code").is_none());
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        for (millis, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2"), (2_500, "3")] {
            let response = response(&Error::unavailable("busy", Duration::from_millis(millis)));
            assert_eq!(response.status(), 503);
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
        }
        assert!(!response(&Error::bad_request("no")).headers().contains_key(RETRY_AFTER));
    }

    #[test]
    fn an_internal_error_keeps_its_words_to_the_log() {
        assert_eq!(object(&Error::internal("relation 4711 is broken"))["detail"], INTERNAL);
        assert_eq!(object(&Error::not_found("no table x"))["detail"], "no table x");
    }
}
