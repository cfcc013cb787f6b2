//! What a stranger's web page can make a browser do, and what the pages of this server are allowed.

use crate::support::{Answer, Server, database, server};

const POLL: &str = r#"{"wait":0,"subscriptions":[{"id":"a","table":"testtype","since":"now"}]}"#;

/// Every unsafe request that there is.
const UNSAFE: [(&str, &str, &str); 5] = [
    ("POST", "/api/testtype", r#"{"name":"x"}"#),
    ("PATCH", "/api/testtype/1", r#"{"name":"x"}"#),
    ("PUT", "/api/testtype/1", r#"{"name":"x"}"#),
    ("DELETE", "/api/testtype/1", ""),
    ("POST", "/notify", POLL),
];

/// Sends an unsafe request with these headers besides.
fn send(server: &Server, (method, path, body): (&str, &str, &str), headers: &[(&str, &str)]) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    server.send(method, path, &all, body)
}

#[test]
fn the_host_is_checked_for_every_request() {
    let db = database();
    let server = server(&db, "public_hosts = [\"Rowcast.test\"]\nexpose = { testtype = \"rw\" }");
    for path in
        ["/", "/api/testtype", "/api/testtype/1", "/notify?table=testtype&wait=0", "/healthz", "/readyz", "/metrics", "/static/js/index.js"]
    {
        let status = |hosts: &[&str]| {
            let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
            let answer = server.raw(&format!("GET {path} HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
            answer.split(' ').nth(1).unwrap_or_else(|| panic!("{path}: {answer:?}")).to_owned()
        };
        for ours in ["localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:8888", "rowcast.test", "rowcast.test.:80"] {
            assert_eq!(status(&[ours]), "200", "{path} of {ours}");
        }
        for strange in ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "192.168.0.1"] {
            assert_eq!(status(&[strange]), "403", "{path} of {strange}");
        }
        assert_eq!(status(&[]), "400", "{path}");
        assert_eq!(status(&["localhost", "evil.example"]), "400", "{path}");
        assert_eq!(status(&[""]), "400", "{path}");
    }
}

#[test]
fn a_target_in_absolute_form_does_not_get_around_the_host() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let status = |target: &str, host: &str| {
        let answer = server.raw(&format!("GET {target}/healthz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
        answer.split(' ').nth(1).unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    };
    assert_eq!(status("http://localhost", "localhost"), "200");
    assert_eq!(status("http://evil.example", "localhost"), "400");
    assert_eq!(status("http://evil.example", "evil.example"), "403");
}

#[test]
fn another_sites_page_can_neither_write_nor_poll() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    for request in UNSAFE {
        for site in ["cross-site", "same-site", "none"] {
            send(&server, request, &[("sec-fetch-site", site)]).expect_problem(403, "forbidden");
        }
        for origin in ["http://evil.example", "null", "http://localhost", &server.url("").replace("127.0.0.1", "localhost")] {
            send(&server, request, &[("origin", origin)]).expect_problem(403, "forbidden");
        }
        send(&server, request, &[("origin", &server.url("")), ("sec-fetch-site", "cross-site")]).expect_problem(403, "forbidden");
    }
    assert_eq!(db.psql("select id, name from testtype order by id"), "1|hello\n2|world", "nothing was written");
}

#[test]
fn this_sites_pages_and_clients_that_are_no_browsers_can() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let origin = server.url("");
    for headers in [
        &[("sec-fetch-site", "same-origin")][..],
        &[("origin", origin.as_str())],
        &[("sec-fetch-site", "same-origin"), ("origin", "null")],
        &[],
    ] {
        for request in UNSAFE {
            let answer = send(&server, request, headers);
            assert!(answer.status < 300, "{request:?} with {headers:?}: {}", answer.body);
        }
        db.psql("insert into testtype (id, name) values (1, 'again')");
    }
    // Reading needs none of this: a stranger's page cannot see the answer.
    server.send("GET", "/api/testtype", &[("sec-fetch-site", "cross-site"), ("origin", "http://evil.example")], "").expect_status(200);
}

/// No answer lets another origin's script read it, and none grants a preflight.
#[test]
fn no_other_origin_is_let_in() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let preflight = [("origin", "http://evil.example"), ("access-control-request-method", "PATCH")];
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/api/testtype"),
        ("OPTIONS", "/api/testtype/1"),
        ("OPTIONS", "/notify"),
        ("GET", "/notify?table=testtype&wait=0"),
    ] {
        let answer = server.send(method, path, &preflight, "");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control-")), "{method} {path}: {:?}", answer.headers);
        assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin", "{method} {path}");
    }
}

/// Only these bodies cannot be sent by another site's page without asking first; a form is told by its origin.
#[test]
fn json_is_accepted_as_json_alone() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    for (method, path, body) in UNSAFE.into_iter().filter(|(method, ..)| *method != "DELETE") {
        for content_type in ["text/plain", "text/json", "multipart/form-data; boundary=x", "application/json-patch+json"] {
            server.send(method, path, &[("content-type", content_type)], body).expect_problem(415, "unsupported-media-type");
        }
        server.send(method, path, &[], body).expect_problem(415, "unsupported-media-type");
        let answer = server.send(method, path, &[("content-type", "application/json")], body);
        assert!(answer.status < 300, "{method} {path}: {}", answer.body);
    }
    server
        .send("POST", "/notify", &[("content-type", "application/x-www-form-urlencoded")], POLL)
        .expect_problem(415, "unsupported-media-type");
}

#[test]
fn every_answer_carries_its_policy() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
        base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
    for path in ["/", "/api/testtype", "/api/nobody", "/static/js/index.js", "/nowhere", "/healthz", "/notify?table=testtype&wait=0"] {
        let answer = server.get(path);
        assert_eq!(answer.header("content-security-policy"), policy, "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
    let page = server.get("/").expect_status(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for inline in [" style=", " onclick=", "<style", "javascript:", "src=\"data:"] {
        assert!(!page.body.contains(inline), "{inline} would not pass the policy");
    }
}

#[test]
fn a_browsers_secret_is_neither_logged_nor_shown() {
    let db = database();
    let server = server(&db, "expose = { testtype = \"rw\" }");
    let secret = "0123456789abcdef0123456789abcdef";
    let poll = |term: u32, browser: &str| {
        let poll = POLL.replacen('{', &format!(r#"{{"browser":"{browser}","term":{term},"#), 1);
        server.send_json("POST", "/notify", &poll)
    };
    let answers = [
        poll(2, secret).expect_status(200),
        poll(1, secret).expect_problem(409, "superseded"),
        poll(1, &secret[1..]).expect_problem(400, "bad-request"),
    ];
    for answer in answers {
        assert!(!answer.body.contains(&secret[1..]) && !format!("{:?}", answer.headers).contains(&secret[1..]));
    }
    assert!(!server.get("/metrics").body.contains(&secret[1..]));
    assert!(!server.log().contains(&secret[1..]), "{}", server.log());
}
