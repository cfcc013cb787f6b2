//! Views can be listed over HTTP, and neither written nor followed.

use serde_json::json;

use crate::support::{Database, Server, database, server};

fn with_views(expose: &str) -> (Database, Server) {
    let database = database();
    database.psql(
        "create view summary as select name, value * 2 as twice from testtype order by name desc; \
         create materialized view kept as select name from testtype; create schema \"Other\"; create view \"Other\".look as select 1 as one",
    );
    let server = server(&database, &format!("[expose]\ntesttype = \"rw\"\n{expose}\n"));
    (database, server)
}

#[test]
fn a_view_is_listed_filtered_and_paged() {
    let (_database, server) = with_views("summary = \"r\"\nkept = \"r\"\n\"Other.look\" = \"r\"");
    let rows = server.get("/api/summary").expect_status(200);
    assert_eq!(rows.json(), json!([{"name": "world", "twice": 4}, {"name": "hello", "twice": 2}]));
    assert_eq!((rows.header("rowcast-key"), rows.header("rowcast-cursor").is_empty()), ("", false));
    assert_eq!(server.get("/api/summary?twice=eq.2").json(), json!([{"name": "hello", "twice": 2}]));
    assert_eq!(server.get("/api/summary?limit=1&offset=1").json(), json!([{"name": "hello", "twice": 2}]));
    assert_eq!(server.get("/api/kept?name=eq.hello").json(), json!([{"name": "hello"}]));
    assert_eq!(server.get("/api/Other.look").json(), json!([{"one": 1}]));
}

#[test]
fn a_view_is_neither_written_nor_followed_nor_read_by_key() {
    let (_database, server) = with_views("summary = \"r\"");
    server.send_json("POST", "/api/summary", "{}").expect_problem(403, "forbidden");
    server.get("/notify?table=summary&since=now").expect_problem(400, "bad-request");
    server.get("/api/summary/5").expect_problem(404, "not-found");
    server.get("/api/testtype/1").expect_status(200);
}

#[test]
fn a_view_exposed_for_writing_is_not_served_and_the_reason_is_told() {
    let database = database();
    database.psql("create view summary as select * from testtype");
    let server = crate::support::launch(&database.url(), "[expose]\nsummary = \"rw\"\ntesttype = \"r\"\n", &[]);
    crate::support::wait_for("the server answers", || std::net::TcpStream::connect(("127.0.0.1", server.port)).ok());
    let answer = server.get("/readyz").expect_status(503);
    assert!(answer.body.contains("expose summary = \\\"r\\\""), "{}", answer.body);
    server.get("/api/summary").expect_problem(404, "not-found");
    server.get("/api/testtype").expect_status(200);
}
