//! What pages written for PBP need beside the routes: they hand to `JSON.parse` what jQuery hands to them.
//!
//! jQuery parses a body that is labelled as JSON, unless the call names another type: such a page would parse an object. Labelled
//! as text, the body reaches it as it was sent. Only success is labelled anew: of a failure jQuery shows the body as it
//! is (`responseText`), and a problem is told by its label.

use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::http::request::Parts;

use super::Response;

const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// Whether a request is jQuery's, to a table, without a type that its page would have named.
pub fn is_untyped(head: &Parts) -> bool {
    let is = |name: HeaderName, wanted: &str| {
        let mut values = head.headers.get_all(name).iter();
        values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes())) && values.next().is_none()
    };
    head.uri.path().starts_with("/api/") && is(X_REQUESTED_WITH, "XMLHttpRequest") && is(ACCEPT, "*/*")
}

/// Labels JSON as text.
pub fn label_as_text(response: &mut Response) {
    if response.headers().get(CONTENT_TYPE).is_some_and(|label| label == "application/json") {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
}
