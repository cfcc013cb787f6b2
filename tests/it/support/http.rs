//! What a server answered, with what a test asks of it.

use serde_json::Value;
use ureq::http::{HeaderMap, Response};

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    /// Reads an answer to its end.
    pub fn read(response: Response<ureq::Body>) -> Answer {
        let (head, mut body) = response.into_parts();
        let body = body.with_config().limit(1 << 30).read_to_string().expect("the answer's body can be read");
        Answer { status: head.status.as_u16(), headers: head.headers, body }
    }

    /// This answer, if it has that status; panics with its body otherwise.
    #[track_caller]
    pub fn expect_status(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "the answer was: {}", self.body);
        self
    }

    /// This answer, if it is problem+json of that status, title and detail included.
    #[track_caller]
    pub fn expect_problem(self, status: u16, kind: &str) -> Answer {
        let answer = self.expect_status(status);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{}", answer.body);
        let problem = answer.json();
        assert_eq!(problem["type"], format!("urn:rowcast:{kind}"), "{}", answer.body);
        assert_eq!(problem["status"], status, "{}", answer.body);
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{}", answer.body);
        answer
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// A header's value; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("a header in ASCII"))
    }
}
