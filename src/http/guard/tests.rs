//! Each refusal stands beside a control that passes.

use hyper::Request;

use super::*;

/// A head with these lines; `target` as in the request line.
fn head(method: &str, target: &str, headers: &[(&str, &str)]) -> Parts {
    let request =
        headers.iter().fold(Request::builder().method(method).uri(target), |request, (name, value)| request.header(*name, *value));
    request.body(()).unwrap().into_parts().0
}

/// The status that a head is answered with; 200 where it passes.
fn status(method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let public_hosts = ["db.example.org".to_owned(), "other.example.org:8443".to_owned(), "fd00::7".to_owned()];
    check(&head(method, target, headers), &public_hosts).map_or_else(|error| error.kind.status(), |()| 200)
}

#[track_caller]
fn by_host(host: &str, expected: u16) {
    assert_eq!(status("GET", "/", &[("host", host)]), expected, "Host: {host}");
}

#[test]
fn loopback_is_known_by_its_names_on_any_port() {
    for host in [
        "localhost",
        "localhost:8888",
        "LocalHost:1",
        "localhost.",
        "localhost.:8888",
        "127.0.0.1",
        "127.0.0.1:65535",
        "[::1]",
        "[::1]:8888",
        "[0:0::1]:8888",
    ] {
        by_host(host, 200);
    }
    for host in
        ["evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.2", "[::2]:8888", "0.0.0.0", "localhost..", "2130706433"]
    {
        by_host(host, 403);
    }
}

#[test]
fn public_hosts_are_known_too() {
    for host in ["db.example.org", "DB.Example.ORG:80", "db.example.org.", "other.example.org:8443", "[fd00::7]:1", "[fd00:0::7]"] {
        by_host(host, 200);
    }
    for host in ["example.org", "x.db.example.org", "other.example.org", "other.example.org:80", "[fd00::8]"] {
        by_host(host, 403);
    }
}

#[test]
fn a_host_that_is_none_is_a_bad_request() {
    for host in [
        "",
        ":80",
        "localhost:80:80",
        "localhost:port",
        "localhost:99999",
        "a@localhost",
        "localhost/x",
        "::1",
        "::1:8888",
        "[::1",
        "[localhost]",
        "local host",
        "localhost,evil.example",
    ] {
        by_host(host, 400);
    }
}

#[test]
fn there_is_exactly_one_host() {
    assert_eq!(status("GET", "/", &[]), 400);
    assert_eq!(status("GET", "/", &[("host", "localhost"), ("host", "localhost")]), 400);
    assert_eq!(status("GET", "/", &[("host", "localhost")]), 200);
}

#[test]
fn a_target_in_absolute_form_names_the_same_host() {
    let host = [("host", "localhost:8888")];
    assert_eq!(status("GET", "http://localhost:8888/api/t", &host), 200);
    assert_eq!(status("GET", "http://LOCALHOST.:8888/api/t", &host), 200);
    assert_eq!(status("GET", "http://evil.example/api/t", &host), 400);
    assert_eq!(status("GET", "http://localhost:9/api/t", &host), 400);
    assert_eq!(status("GET", "http://evil.example/api/t", &[("host", "evil.example")]), 403);
}

#[track_caller]
fn by_header(method: &str, name: &str, value: &str, expected: u16) {
    assert_eq!(status(method, "/notify", &[("host", "localhost:8888"), (name, value)]), expected, "{method} {name}: {value}");
}

#[test]
fn the_fetch_metadata_must_say_same_origin() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "MERGE"] {
        by_header(method, "sec-fetch-site", "same-origin", 200);
        for site in ["same-site", "cross-site", "none", "", "Same-Origin"] {
            by_header(method, "sec-fetch-site", site, 403);
        }
    }
    for (path, site, expected) in [
        ("/api/t", "cross-site", 200),
        ("/notify", "cross-site", 403),
        ("/notify/", "same-site", 403),
        ("/notify", "same-origin", 200),
        ("/notify", "none", 200),
    ] {
        assert_eq!(status("GET", path, &[("host", "localhost:8888"), ("sec-fetch-site", site)]), expected, "{path} {site}");
    }
}

#[test]
fn without_it_the_origin_must_be_the_host() {
    for origin in ["http://localhost:8888", "https://localhost:8888", "http://LOCALHOST:8888"] {
        by_header("POST", "origin", origin, 200);
    }
    for origin in [
        "null",
        "",
        "http://evil.example",
        "http://localhost",
        "http://localhost:8889",
        "http://127.0.0.1:8888",
        "localhost:8888",
        "ftp://localhost:8888",
        "http://evil@localhost:8888",
    ] {
        by_header("POST", "origin", origin, 403);
    }
    by_header("GET", "origin", "http://evil.example", 403);
    assert_eq!(status("GET", "/api/t", &[("host", "localhost:8888"), ("origin", "http://evil.example")]), 200);
}

#[test]
fn a_default_port_is_the_same_as_none() {
    let post = |host, origin| status("POST", "/", &[("host", host), ("origin", origin)]);
    assert_eq!(post("db.example.org", "https://db.example.org"), 200);
    assert_eq!(post("db.example.org:443", "https://db.example.org"), 200);
    assert_eq!(post("db.example.org", "http://db.example.org:80"), 200);
    assert_eq!(post("db.example.org", "https://db.example.org:80"), 403);
    assert_eq!(post("db.example.org:8080", "http://db.example.org"), 403);
}

#[test]
fn fetch_metadata_counts_more_than_the_origin() {
    let both = |site, origin| status("POST", "/", &[("host", "localhost"), ("sec-fetch-site", site), ("origin", origin)]);
    assert_eq!(both("same-origin", "http://evil.example"), 200);
    assert_eq!(both("cross-site", "http://localhost"), 403);
}

#[test]
fn a_client_that_is_no_browser_may_write() {
    assert_eq!(status("POST", "/notify", &[("host", "localhost")]), 200);
    assert_eq!(status("POST", "/notify", &[("host", "evil.example")]), 403);
}

#[test]
fn one_of_two_origins_is_not_picked() {
    assert_eq!(status("POST", "/", &[("host", "localhost"), ("origin", "http://localhost"), ("origin", "http://localhost")]), 400);
    assert_eq!(status("POST", "/", &[("host", "localhost"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")]), 400);
}

#[test]
fn a_content_type_is_in_utf_8() {
    let of = |value: &str| content_type(&head("POST", "/", &[("content-type", value)]).headers).map_err(|error| error.kind.status());
    for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\"", "application/json; version=1"]
    {
        assert_eq!(of(good), Ok("application/json".to_owned()), "{good}");
    }
    assert_eq!(of("application/json; charset=latin1"), Err(415));
    assert_eq!(of("text/plain"), Ok("text/plain".to_owned()));
    assert_eq!(content_type(&HeaderMap::new()).map_err(|error| error.kind.status()), Err(415));
}

#[test]
fn json_is_required_by_name() {
    let post = |value| require_json(&head("POST", "/notify", &[("content-type", value)])).map_err(|error| error.kind.status());
    assert_eq!(post("application/json; charset=utf-8"), Ok(()));
    // What a page of any site may send without being asked first.
    for simple in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert_eq!(post(simple), Err(415), "{simple}");
    }
    assert_eq!(require_json(&head("POST", "/notify", &[])).map_err(|error| error.kind.status()), Err(415));
}
