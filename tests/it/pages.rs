//! The pages: hello, world where the example is exposed, else what is; and a live page for each table.

use crate::support::{TESTTYPE, database, server};

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
