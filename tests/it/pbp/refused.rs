//! What the long poll does not take, and its limits.

use super::*;
use crate::support::wait_for;

#[test]
fn what_is_not_exposed_or_not_there_is_named() {
    let (db, server) = example();
    db.psql("create table hidden (id integer primary key); select rowcast.watch('hidden')");
    let many: Vec<String> = (0..101).map(|_| entry("0", "testtype", json!({}))).collect();
    for (body, status, reason) in [
        (one("0"), 200, ""),
        (array(&[entry("0", "hidden", json!({}))]), 404, "hidden"),
        (array(&[entry("0", "testtype", json!({})), entry("0", "rowcast.change", json!({}))]), 404, "rowcast.change"),
        (array(&[entry("0", "testtype", json!({"colour": 1}))]), 400, "colour"),
        (array(&[entry("0", "testtype", json!({"id": "five"}))]), 400, "five"),
        (one("true"), 400, "laterthan"),
        (r#"[{"laterthan":0}]"#.to_owned(), 400, "types"),
        ("laterthan=0&types=testtype".to_owned(), 400, "array"),
        (array(&many), 400, "100"),
    ] {
        let reply = answer(listen(&server, &body));
        assert_eq!(reply.status, status, "{body}: {reply:?}");
        assert!(reply.body.contains(reason), "{body}: {reply:?}");
        if status != 200 {
            assert_eq!(reply.header("content-type"), "application/problem+json", "{reply:?}");
        }
    }
    assert_eq!(server.open_polls(), 0);
}

#[test]
fn pages_of_other_origins_are_refused() {
    let (_db, server) = example();
    let status = |path: &str, body: &str, origin: &str, site: &str| answer(ajax_from(&server, "POST", path, body, origin, site)).status;
    for (path, body) in [("/api/_listen", one("0")), ("/api/testtype", "name=Ann".to_owned())] {
        assert!([200, 201].contains(&status(path, &body, "http://localhost", "same-origin")));
        for site in ["cross-site", "same-site", "none"] {
            assert_eq!(status(path, &body, "http://evil.example", site), 403, "{path} {site}");
        }
        // A browser that is too old for Sec-Fetch-Site, and a name of a stranger's that resolves to this machine.
        for (host, origin, expected) in [
            ("localhost", "http://localhost", true),
            ("localhost", "http://evil.example", false),
            ("localhost", "null", false),
            ("evil.example", "http://evil.example", false),
        ] {
            let told = server.raw(&format!(
                "POST {path} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: close\r\nContent-Type: {FORM}\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                body.len()
            ));
            assert_eq!(told.starts_with("HTTP/1.1 20"), expected, "{path} {host} {origin}: {told}");
            assert_eq!(told.starts_with("HTTP/1.1 403"), !expected, "{path} {host} {origin}: {told}");
        }
    }
}

#[test]
fn the_body_is_json_under_either_label() {
    let (_db, server) = example();
    let with = |label: &str| server.send("POST", "/api/_listen", &[("content-type", label)], &one("0"));
    with("application/json").expect_status(200);
    with("application/x-www-form-urlencoded").expect_status(200);
    with("text/xml").expect_problem(415, "unsupported-media-type");
    assert_eq!(server.get("/api/_listen").expect_problem(405, "method-not-allowed").header("allow"), "POST");
    assert_eq!(answer(ajax(&server, "POST", "/api/_listen/", &one("0"))).status, 200);
}

#[test]
fn open_polls_are_limited_and_who_leaves_frees_a_place() {
    let (_db, server) = example_with("polls = 1\nbody_bytes = 2000\n");
    let since = start(&server);
    let poll = park(&server, &one(&since));
    let refused = answer(listen(&server, &one(&since)));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert!(!refused.header("retry-after").is_empty(), "{refused:?}");
    drop(poll);
    wait_for("the place is free", || (server.open_polls() == 0).then_some(()));
    drop(park(&server, &one(&since)));
    let padded = format!("{}{}", one("0"), " ".repeat(2_000));
    assert_eq!(answer(listen(&server, &padded)).status, 413);
}
