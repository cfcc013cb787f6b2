//! Lists and single rows: their order, filters, pages, cursors and limits.

use std::thread;

use super::*;

#[test]
fn a_list_is_ordered_by_key_and_says_its_key_and_cursor() {
    let (db, server) = exposed();
    db.psql("insert into testtype (id, name) values (30, 'later'), (20, 'earlier')");
    for path in ["/api/testtype", "/api/testtype/"] {
        let answer = server.get(path).expect_status(200);
        let ids: Vec<_> = rows(&answer).iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(ids, [1, 2, 20, 30]);
        assert_eq!(answer.header("content-type"), "application/json");
        assert_eq!(answer.header("rowcast-key"), "id");
        assert_eq!(answer.header("cache-control"), "no-store");
        let cursor = answer.header("rowcast-cursor");
        assert!(
            !cursor.is_empty() && cursor.len() <= 2048 && cursor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }
}

/// A transaction that is open while the list is read has to come after it, one that has ended before must not.
#[test]
fn what_a_list_does_not_show_comes_after_its_cursor() {
    let (db, server) = exposed();
    let mut writer = db.client();
    let mut open = writer.transaction().unwrap();
    open.batch_execute("insert into testtype (name) values ('late')").unwrap();
    db.psql("insert into testtype (name) values ('early')");
    let list = server.get("/api/testtype").expect_status(200);
    let cursor = list.header("rowcast-cursor").to_owned();
    let listed: Vec<_> = rows(&list).iter().map(|row| row["name"].clone()).collect();
    assert_eq!(listed, ["hello", "world", "early"]);
    open.commit().unwrap();
    let news = server.get(&format!("/notify?table=testtype&since={cursor}&wait=20")).expect_status(200).json();
    let changes = news["answers"][0]["changes"].as_array().unwrap_or_else(|| panic!("{news}"));
    let told: Vec<_> = changes.iter().map(|change| change["new"]["name"].clone()).collect();
    assert_eq!(told, ["late"], "{news}");
}

#[test]
fn a_single_row_has_a_cursor_too() {
    let (db, server) = exposed();
    let answer = server.get("/api/testtype/2").expect_status(200);
    assert_eq!((answer.json()["name"].as_str(), answer.header("rowcast-key")), (Some("world"), "id"));
    let cursor = answer.header("rowcast-cursor").to_owned();
    db.psql("update testtype set value = 3 where id = 2");
    let news = server.get(&format!("/notify?table=testtype&since={cursor}&id=eq.2")).expect_status(200).json();
    assert_eq!(news["answers"][0]["changes"][0]["new"]["value"], 3, "{news}");
    assert_eq!(server.get("/api/testtype/2/").expect_status(200).json()["value"], 3);
}

#[test]
fn head_is_get_without_a_body() {
    let (_db, server) = exposed();
    for path in ["/api/testtype", "/api/testtype/1"] {
        let (get, head) = (server.get(path), server.send("HEAD", path, &[], ""));
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        for header in ["content-length", "content-type", "rowcast-key"] {
            assert_eq!(head.header(header), get.header(header), "{header}");
        }
        assert!(!head.header("rowcast-cursor").is_empty());
    }
    assert_eq!(server.send("HEAD", "/api/testtype/77", &[], "").status, 404);
}

#[test]
fn a_list_is_filtered_by_equality_and_null() {
    let (db, server) = exposed();
    db.psql("insert into testtype (name, value) values ('a.b&c', 1), ('null', null), ('5', null)");
    assert_eq!(names(&server, "?value=eq.1"), ["hello", "a.b&c"]);
    assert_eq!(names(&server, "?value=is.null"), ["null", "5"]);
    assert_eq!(names(&server, "?value=is.null&name=eq.null"), ["null"]);
    assert_eq!(names(&server, "?name=eq.a.b%26c"), ["a.b&c"]);
    assert_eq!(names(&server, "?name=eq."), [""; 0]);
    assert_eq!(names(&server, "?id=eq.%202%20"), ["world"], "the database reads the value");
    assert_eq!(names(&server, "?name=eq.x'+or+true--"), [""; 0]);
}

#[test]
fn a_filter_that_cannot_be_is_a_bad_request() {
    let (_db, server) = exposed();
    let detail = |query: &str| {
        let problem = server.get(&format!("/api/testtype?{query}")).expect_problem(400, "bad-request");
        problem.json()["detail"].as_str().unwrap().to_owned()
    };
    assert!(detail("colour=eq.1").contains("id, name, value, mtime"), "the columns that there are");
    assert!(detail("value=1").contains("value=eq."), "how to write it");
    assert!(detail("value=gt.1").contains("value=eq."));
    assert!(detail("value=eq.one").contains("one"));
    assert!(detail("value=eq.1&value=eq.2").contains("twice"));
    assert!(detail("name=eq.%FF").contains("UTF-8"));
    assert!(detail("1%3D1)%3B--=eq.1").contains("no column"));
}

#[test]
fn a_list_is_paged() {
    let (_db, server) = exposed();
    assert_eq!(names(&server, "?limit=1"), ["hello"]);
    assert_eq!(names(&server, "?limit=1&offset=1"), ["world"]);
    assert_eq!(names(&server, "?offset=2"), [""; 0]);
    assert_eq!(names(&server, "?limit=0"), [""; 0]);
    for bad in ["limit=-1", "limit=x", "limit=1.5", "limit=", "offset=-1", "offset=99999999999999999999", "limit=1&limit=1"] {
        server.get(&format!("/api/testtype?{bad}")).expect_problem(400, "bad-request");
    }
}

#[test]
fn a_list_that_is_too_long_is_refused_and_never_cut() {
    let db = database();
    let server = server(&db, "list_rows = 3\nlist_bytes = 2000\nexpose = { testtype = \"rw\" }");
    db.psql("insert into testtype (name) values ('third')");
    assert_eq!(names(&server, "").len(), 3);
    assert_eq!(names(&server, "?limit=3").len(), 3);
    db.psql("insert into testtype (name) values ('fourth')");
    for path in ["/api/testtype", "/api/testtype?limit=4"] {
        let problem = server.get(path).expect_problem(400, "bad-request").json();
        assert!(problem["detail"].as_str().unwrap().contains("offset"), "{problem}");
    }
    assert_eq!(names(&server, "?offset=1").len(), 3);
    db.psql("update testtype set name = repeat('x', 200); alter table testtype add column big text; update testtype set big = repeat('y', 1500)");
    let problem = server.get("/api/testtype?limit=2").expect_problem(413, "too-large").json();
    assert!(problem["detail"].as_str().unwrap().contains("2000 bytes"), "{problem}");
    assert_eq!(names(&server, "?limit=1").len(), 1, "the session serves on");
}

#[test]
fn composite_and_quoted_names_and_keys_work() {
    let db = odd_database();
    let server = server(&db, BOTH);
    db.psql(r#"insert into "Odd"."Pair of" ("B,1", a, r, "limit") values ('x/y,z', 1, 2, 7), ('ü ', 1, 3, 8), ('', 2, 4, 9)"#);
    let list = server.get("/api/Odd.Pair%20of").expect_status(200);
    assert_eq!(list.header("rowcast-key"), "a,B%2C1");
    let keys: Vec<_> = rows(&list).iter().map(|row| (row["a"].as_i64().unwrap(), row["B,1"].as_str().unwrap().to_owned())).collect();
    assert_eq!(keys, [(1, "x/y,z".to_owned()), (1, "ü ".to_owned()), (2, String::new())]);
    let r = |path: &str| server.get(&format!("/api/Odd.Pair%20of/{path}")).expect_status(200).json()["r"].clone();
    assert_eq!((r("1,x%2Fy%2Cz"), r("1,%C3%BC%20/"), r("2,")), (2.into(), 3.into(), 4.into()));
    for wrong in ["1", "1,x%2Fy%2Cz,", "1,x%2Fy,z"] {
        let problem = server.get(&format!("/api/Odd.Pair%20of/{wrong}")).expect_problem(400, "bad-request").json();
        assert!(problem["detail"].as_str().unwrap().contains("a, B,1"), "{problem}");
    }
    server.get("/api/Odd.Pair%20of/1,nobody").expect_problem(404, "not-found");
    // A column may be called like what pages a list.
    assert_eq!(rows(&server.get("/api/Odd.Pair%20of?limit=eq.8&limit=5").expect_status(200)).len(), 1);
}

#[test]
fn a_row_is_not_found_by_the_beginning_of_its_key() {
    let db = database();
    db.psql("create table code (code varchar(3) primary key, pad char(4) not null); insert into code values ('abc', 'x'); select rowcast.watch('code')");
    let server = server(&db, "expose = { code = \"rw\" }");
    server.get("/api/code/abc").expect_status(200);
    server.get("/api/code/abcdef").expect_problem(404, "not-found");
    server.delete("/api/code/abcdef").expect_problem(404, "not-found");
    assert_eq!(db.psql("select count(*) from code"), "1");
}

/// Whoever has written reads that, however many ask for the same list at the same time.
#[test]
fn a_shared_list_shows_everybody_their_own_earlier_write() {
    let db = database();
    let server = server(&db, "pool_connections = 2\nexpose = { testtype = \"rw\" }");
    thread::scope(|scope| {
        for client in 0..12 {
            let server = &server;
            scope.spawn(move || {
                for round in 0..15 {
                    let name = format!("{client}-{round}");
                    server.send_json("POST", "/api/testtype", &format!(r#"{{"name":"{name}"}}"#)).expect_status(201);
                    assert!(names(server, "").contains(&name), "{name} is missing");
                }
            });
        }
    });
}

/// Where the database's default is SERIALIZABLE, a read at that level leaves locks behind by which writers fail.
#[test]
fn reads_are_repeatable_read_and_not_serializable() {
    let db = database();
    db.psql(&format!("alter database {} set default_transaction_isolation = 'serializable'", db.name));
    db.psql("create table seen (id integer primary key); insert into seen values (1); select rowcast.watch('seen')");
    let server = server(&db, "expose = { seen = \"r\" }");
    // While this goes on, PostgreSQL keeps the locks of reads that have ended.
    let mut other = db.client();
    other.batch_execute("begin; update public.testtype set value = 1").unwrap();
    let locks =
        || db.psql("select count(*) > 0 from pg_locks where mode = 'SIReadLock' and relation in ('seen'::regclass, 'seen_pkey'::regclass)");
    assert_eq!(rows(&server.get("/api/seen").expect_status(200)).len(), 1);
    server.get("/api/seen/1").expect_status(200);
    assert_eq!(locks(), "f");
    db.psql("select from seen");
    assert_eq!(locks(), "t", "a serializable read shows");
    other.batch_execute("rollback").unwrap();
}
