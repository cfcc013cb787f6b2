//! Writes on the collection: the form names the row.

use super::*;

#[test]
fn a_form_with_the_key_changes_the_row_and_keeps_what_it_leaves_out() {
    let (db, server) = example();
    let created = answer(ajax(&server, "POST", "/api/testtype", "name=Ann+%26+Bob&value=7"));
    assert_eq!(created.status, 201, "{created:?}");
    let id = created.json()["id"].to_string();
    let changed = answer(ajax(&server, "PUT", "/api/testtype", &format!("id={id}&value=8")));
    assert_eq!((changed.status, changed.header("rowcast-key")), (200, "id"), "{changed:?}");
    assert_eq!((&changed.json()["name"], &changed.json()["value"]), (&json!("Ann & Bob"), &json!(8)));
    assert_eq!(db.psql("select name, value from testtype"), "Ann & Bob|8");
    // As a page sends back the whole row that it read, with an input that was emptied.
    let row = format!("name=Cy&value=&mtime=1999-01-01&id={id}");
    assert_eq!(answer(ajax(&server, "PUT", "/api/testtype/", &row)).status, 200);
    assert_eq!(db.psql("select name, value from testtype where mtime > now() - interval '1 hour'"), "Cy|");
    let deleted = answer(ajax(&server, "DELETE", "/api/testtype", &format!("id={id}&name=whatever")));
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    assert_eq!(db.psql("select count(*) from testtype"), "0");
}

#[test]
fn a_row_that_is_not_there_and_a_body_without_the_key_are_told_apart() {
    let (db, server) = example();
    insert(&db, 1);
    for method in ["PUT", "DELETE"] {
        for (body, status, reason) in [
            ("id=9&name=x", 404, "no row 9"),
            ("name=x", 400, "no id"),
            ("id=&name=x", 400, "no id"),
            ("", 400, "no id"),
            ("id=five&name=x", 400, "five"),
            ("id=1&id=2", 400, "twice"),
        ] {
            let reply = answer(ajax(&server, method, "/api/testtype", body));
            assert_eq!(reply.status, status, "{method} {body}: {reply:?}");
            assert!(reply.body.contains(reason), "{method} {body}: {reply:?}");
        }
        let bare = server.raw(&format!("{method} /api/testtype HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(bare.starts_with("HTTP/1.1 400") && bare.contains("no id"), "{bare}");
        server.send_json(method, "/api/testtype", r#"{"id":null}"#).expect_problem(400, "bad-request");
    }
    assert_eq!(answer(ajax(&server, "PUT", "/api/testtype", "id=1&colour=red")).status, 400);
    assert_eq!(db.psql("select id, name from testtype"), "1|row 1");
}

#[test]
fn a_key_of_several_columns_is_taken_from_the_body() {
    let db = empty_example(database());
    db.psql(
        "create table label (lang text, id integer, text text, note text default 'none', primary key (lang, id));
         insert into label values ('de', 1, 'eins', 'kept'), ('en', 1, 'one', 'kept'); select rowcast.watch('label')",
    );
    let server = server(&db, "pbp = true\nexpose = { label = \"rw\" }");
    let reply = answer(ajax(&server, "PUT", "/api/label", "text=uno%2C+due&id=1&lang=de"));
    assert_eq!((reply.status, &reply.json()["text"]), (200, &json!("uno, due")), "{reply:?}");
    let reply = server.send_json("PUT", "/api/label", r#"{"lang":"en","id":1,"text":"first"}"#).expect_status(200);
    assert_eq!(reply.json()["note"], "kept");
    assert!(answer(ajax(&server, "PUT", "/api/label", "text=x")).body.contains("no lang and no id"));
    server.send_json("DELETE", "/api/label", r#"{"lang":"en","id":1}"#).expect_status(204);
    assert_eq!(db.psql("select * from label").split("|2").next(), Some("de|1|uno, due|kept"));
}

#[test]
fn what_is_exposed_for_reading_is_not_written() {
    let db = empty_example(database());
    insert(&db, 1);
    let server = server(&db, "pbp = true\nexpose = { testtype = \"r\" }");
    for method in ["PUT", "DELETE"] {
        assert_eq!(answer(ajax(&server, method, "/api/testtype", "id=1&name=x")).status, 403);
        server.send(method, "/api/testtype", &[], "").expect_problem(403, "forbidden");
    }
    assert_eq!(db.psql("select name from testtype"), "row 1");
}

#[test]
fn a_table_without_a_key_takes_no_put_and_no_delete() {
    let database = database();
    database.psql("create table loose (a int); select rowcast.watch('loose')");
    let server = server(&database, "[expose]\nloose = \"rw\"\n");
    server.send_form("POST", "/api/loose", "a=1").expect_status(201);
    for method in ["PUT", "DELETE"] {
        let answer = server.send_form(method, "/api/loose", "a=1").expect_problem(405, "method-not-allowed");
        assert!(answer.body.contains("no primary key"), "{}", answer.body);
        assert_eq!(answer.header("allow"), "GET, HEAD, POST, OPTIONS");
    }
    assert_eq!(database.psql("select count(*) from loose"), "1");
}
