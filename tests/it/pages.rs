//! The pages: hello, world where the example is exposed, else what is; and a live page for each table.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::raw::{Reply, read, send_json};
use crate::support::{Server, TESTTYPE, database, example, server, wait_for};

#[test]
fn without_the_example_the_first_page_lists_what_is_exposed() {
    let database = database();
    database.psql("create schema \"Odd\"; create table \"Odd\".\"<i>\" (id int primary key); select rowcast.watch('\"Odd\".\"<i>\"'); create view look as select 1 as one");
    let server = server(&database, "[expose]\n\"Odd.<i>\" = \"rw\"\nlook = \"r\"\n");
    let page = server.get("/").expect_status(200);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.body.contains("<a href=\"/live/Odd%2E%3Ci%3E\">Odd.&lt;i&gt;</a> <span class=\"kind\">read and write"), "{}", page.body);
    assert!(page.body.contains("/live/look") && page.body.contains("a view, read-only"), "{}", page.body);
    let live = server.get("/live/Odd%2E%3Ci%3E").expect_status(200);
    assert!(
        live.body.contains("data-table=\"Odd.&lt;i&gt;\"") && live.body.contains("<th scope=\"col\" data-column=\"id\" data-key>id</th>"),
        "{}",
        live.body
    );
    server.get("/live/testtype").expect_problem(404, "not-found");
    server.send("POST", "/live/look", &[], "").expect_status(404);
}

#[test]
fn with_the_example_it_is_hello_world() {
    let database = database();
    let server = server(&database, TESTTYPE);
    assert!(server.get("/").body.contains("Hello, world"));
    server.get("/live/testtype").expect_status(200);
}

#[test]
fn the_status_page_is_whole_as_it_is_served() {
    let (database, server) = example();
    database.psql("insert into testtype (name) values ('a'), ('b')");
    server.get("/nowhere").expect_status(404);
    wait_for("changes, problems and two samples are shown", || {
        let page = server.get("/status").expect_status(200).body;
        let shown = |words: &str| page.contains(words);
        (shown(">Ready<")
            && shown("<th scope=\"row\">testtype</th><td class=\"number\">2</td>")
            && shown("<th scope=\"row\">Not found</th><td class=\"number\">1</td>")
            && shown("class=\"line\""))
        .then_some(())
    });
    let page = server.get("/status");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'") && page.header("cache-control") == "no-store");
    let figures = server.get("/status/figures").expect_status(200).body;
    assert!(figures.starts_with("<div id=\"figures\"") && !figures.contains("<html"), "{figures}");
    database.psql("select rowcast.unwatch('testtype')");
    wait_for("the page says what is wrong", || server.get("/status").body.contains("rowcast watch 'testtype'").then_some(()));
}

fn poll(server: &Server, wait: u64, subscriptions: &Value) -> Reply {
    let mut stream = server.connect();
    send_json(&mut stream, "/notify", &json!({"wait": wait, "subscriptions": subscriptions}));
    read(stream).expect("a whole answer")
}

/// The page's own poll, which tables' subscriptions share: news of one must take nothing from the other.
#[test]
fn a_poll_on_the_servers_numbers_is_told_to_look_again_every_two_seconds() {
    let (database, server) = example();
    let mut since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let (mut looks, mut told) = (0u64, Vec::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..=20).for_each(|id| _ = database.psql(&format!("insert into testtype (id, name) values ({id}, 'x')"))));
        while looks < 3 || told.len() < 20 {
            assert!(begun.elapsed() < Duration::from_secs(30), "{looks} looks, and told of {told:?}");
            let both =
                json!([{"id": "numbers", "table": "rowcast.status", "since": since}, {"id": "rows", "table": "testtype", "since": since}]);
            let answer = poll(&server, 20, &both).json();
            for one in answer["answers"].as_array().unwrap() {
                if one["id"] == "numbers" {
                    assert_eq!((&one["reset"], &one["changes"]), (&json!(true), &Value::Null), "{answer}");
                    looks += 1;
                } else {
                    told.extend(one["changes"].as_array().unwrap().iter().map(|change| change["key"][0].clone()));
                }
            }
            since = answer["cursor"].as_str().unwrap().to_owned();
        }
    });
    let looked = begun.elapsed().as_secs() / 2 + 1;
    assert!(looks <= looked, "{looks} looks in {:?}", begun.elapsed());
    let each: Vec<Value> = (1..=told.len()).map(Value::from).collect();
    assert_eq!(told, each, "a change was lost or told again");
}

#[test]
fn the_servers_numbers_have_no_columns_and_are_no_table() {
    let (_database, server) = example();
    let filtered = json!([{"id": "a", "table": "rowcast.status", "since": "now", "where": {"id": 5}}]);
    assert_eq!(poll(&server, 0, &filtered).status, 400);
    server.get("/api/rowcast.status").expect_problem(404, "not-found");
    server.send_json("POST", "/api/_listen", r#"[{"laterthan":0,"types":[{"type":"rowcast.status"}]}]"#).expect_problem(404, "not-found");
    // Nobody else is told anything by that clock.
    let since = server.get("/api/testtype").header("rowcast-cursor").to_owned();
    let begun = Instant::now();
    let answer = poll(&server, 3, &json!([{"id": "a", "table": "testtype", "since": since}])).json();
    assert!(answer["answers"] == json!([]) && begun.elapsed() >= Duration::from_millis(2_900), "{answer} after {:?}", begun.elapsed());
}
