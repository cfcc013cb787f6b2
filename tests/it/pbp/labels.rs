//! JSON that a page of PBP parses for itself is labelled as text, and nothing else is.

use super::*;

/// The label of an answer to a GET of the list with these headers.
fn label(server: &Server, headers: &[(&str, &str)]) -> String {
    let mut stream = server.connect();
    send(&mut stream, "GET", "/api/testtype", headers, "");
    answer(stream).header("content-type").to_owned()
}

const JQUERY: (&str, &str) = ("X-Requested-With", "XMLHttpRequest");
const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";

#[test]
fn untyped_jquery_calls_get_text_and_everybody_else_json() {
    let (_db, server) = example();
    for (headers, expected) in [
        (&[JQUERY, ("Accept", "*/*")][..], TEXT),
        (&[JQUERY, ("Accept", "application/json, text/javascript, */*; q=0.01")], JSON),
        (&[JQUERY], JSON),
        (&[("Accept", "*/*")], JSON),
        (&[("X-Requested-With", "com.example.browser"), ("Accept", "*/*")], JSON),
        (&[], JSON),
    ] {
        assert_eq!(label(&server, headers), expected, "{headers:?}");
    }
    let row = answer(ajax(&server, "POST", "/api/testtype", "name=Ann"));
    assert_eq!((row.status, row.header("content-type"), row.json()["name"].as_str()), (201, TEXT, Some("Ann")));
    let problem = answer(ajax(&server, "POST", "/api/testtype", "name="));
    assert_eq!((problem.status, problem.header("content-type")), (400, "application/problem+json"));
    assert_eq!(answer(ajax(&server, "GET", "/healthz", "")).header("content-type"), JSON, "not of a table");
}

#[test]
fn without_the_setting_jquery_gets_json_too() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    assert_eq!(label(&server, &[JQUERY, ("Accept", "*/*")]), JSON);
    let poll = answer(listen(&server, &one("0")));
    assert_eq!((poll.status, poll.header("content-type")), (200, JSON), "the long poll is there all the same");
}
