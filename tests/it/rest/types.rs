//! Values of all kinds go in and out as they are.

use super::*;

#[test]
fn values_keep_their_type_and_their_digits() {
    let db = database();
    db.psql(
        "create type mood as enum ('ok', 'so so');
         create table kinds (id uuid primary key, big bigint, exact numeric, scaled numeric(12,2), float double precision, flag boolean, day date,
           stamp timestamptz, span interval, list integer[], words text[], data json, packed jsonb, raw bytea, mood mood, place point);
         select rowcast.watch('kinds')",
    );
    let server = server(&db, "expose = { kinds = \"rw\" }");
    let id = "0b9c1f0e-6f5e-4a7a-9d55-0123456789ab";
    let body = format!(
        r#"{{"id":"{id}","big":9223372036854775807,"exact":123456789012345678901234567890.123456789,"scaled":1.005,"float":0.1,"flag":true,"day":"2026-02-28",
            "stamp":"2026-01-02T03:04:05.678901+02:00","span":"P1DT2H","list":[1,null,3],"words":"{{a,\"b c\"}}","data":{{"b":1, "a":[1.50,"x"]}},"packed":{{"b":1,"a":null}},
            "raw":"\\x00ff","mood":"so so","place":"(1,2)"}}"#
    );
    let answer = server.send_json("POST", "/api/kinds", &body).expect_status(201);
    assert_eq!(answer.header("location"), format!("/api/kinds/{id}"));
    for expected in [
        r#""big":9223372036854775807,"#,
        r#""exact":123456789012345678901234567890.123456789,"#,
        r#""scaled":1.01,"#,
        r#""float":0.1,"#,
        r#""flag":true,"#,
        r#""day":"2026-02-28","#,
        r#""stamp":"2026-01-02T01:04:05.678901+00:00","#,
        r#""span":"1 day 02:00:00","#,
        r#""list":[1,null,3],"#,
        r#""words":["a","b c"],"#,
        r#""data":{"b":1, "a":[1.50,"x"]},"#,
        r#""packed":{"a": null, "b": 1},"#,
        r#""raw":"\\x00ff","#,
        r#""mood":"so so","#,
        r#""place":"(1,2)","#,
    ] {
        assert!(answer.body.contains(expected), "{expected} is not in {}", answer.body);
    }
    // The row as it came is a row that can be sent.
    let again = server.send_json("PUT", &format!("/api/kinds/{id}"), &answer.body).expect_status(200).json();
    let without_mtime = |mut row: serde_json::Value| {
        row["mtime"].take();
        row
    };
    assert_eq!(without_mtime(again), without_mtime(answer.json()));
    // All kinds can be filtered by, those without an equality of their own too.
    for (filter, found) in [
        ("big=eq.9223372036854775807", 1),
        ("exact=eq.123456789012345678901234567890.123456789", 1),
        ("scaled=eq.1.010", 1),
        ("flag=eq.t", 1),
        ("stamp=eq.2026-01-02+03:04:05.678901%2B02", 1),
        ("span=eq.26+hours", 0),
        ("list=eq.{1,null,3}", 1),
        ("data=eq.{\"b\":1, \"a\":[1.50,\"x\"]}", 1),
        ("data=eq.{}", 0),
        ("packed=eq.{\"b\":1,\"a\":null}", 1),
        ("mood=eq.so so", 1),
        ("place=eq.(1,2)", 1),
        ("place=eq.(1,3)", 0),
        ("packed=is.null", 0),
    ] {
        let query = filter.replace(' ', "%20").replace('"', "%22").replace('{', "%7B").replace('}', "%7D");
        assert_eq!(rows(&server.get(&format!("/api/kinds?{query}")).expect_status(200)).len(), found, "{filter}");
    }
}

#[test]
fn a_form_fills_every_kind() {
    let db = database();
    db.psql(
        "create table kinds (id integer primary key, flag boolean, day date, list integer[], data jsonb, note text default 'none', n integer default 3);
         select rowcast.watch('kinds')",
    );
    let server = server(&db, "expose = { kinds = \"rw\" }");
    let row = server
        .send_form("POST", "/api/kinds", "id=1&flag=on&day=2026-02-28&list=%7B1,2%7D&data=%7B%22a%22:1%7D&note=&n=")
        .expect_status(201)
        .json();
    assert_eq!(
        (&row["flag"], &row["day"], &row["list"], &row["data"]["a"]),
        (&true.into(), &"2026-02-28".into(), &[1, 2].as_slice().into(), &1.into())
    );
    assert_eq!((&row["note"], &row["n"]), (&"".into(), &3.into()), "empty text is text; an empty number is left out");
    server.send_form("POST", "/api/kinds", "id=2&data=%7B").expect_problem(400, "bad-request");
}

#[test]
fn what_does_not_fit_is_refused_and_never_cut() {
    let db = database();
    db.psql("create table tight (id integer primary key, code varchar(3), n numeric(4,2), small smallint); insert into tight values (1); select rowcast.watch('tight')");
    let server = server(&db, "expose = { tight = \"rw\" }");
    server.send_json("PATCH", "/api/tight/1", r#"{"code":"abc","n":99.99,"small":32767}"#).expect_status(200);
    for (bad, code) in
        [(r#"{"code":"abcd"}"#, "22001"), (r#"{"n":100}"#, "22003"), (r#"{"small":32768}"#, "22003"), (r#"{"small":1.5}"#, "22P02")]
    {
        let problem = server.send_json("PATCH", "/api/tight/1", bad).expect_problem(400, "bad-request").json();
        assert_eq!(problem["code"], code, "{bad}");
    }
    assert_eq!(db.psql("select code, n, small from tight"), "abc|99.99|32767");
}

/// A filter means the same to a list and to a subscription.
#[test]
fn list_and_subscription_agree() {
    let db = database();
    db.psql("create table item (id integer primary key, price numeric(8,2), exact numeric, pad char(4), at timestamptz); select rowcast.watch('item')");
    let server = server(&db, "expose = { item = \"rw\" }");
    let cursor = server.get("/api/item").expect_status(200).header("rowcast-cursor").to_owned();
    server.send_json("POST", "/api/item", r#"{"id":1,"price":1.5,"exact":1.50,"pad":"ab","at":"2026-01-02T03:00:00Z"}"#).expect_status(201);
    // Once it has been told to anybody, a poll from that cursor need not wait for it.
    server.get(&format!("/notify?table=item&since={cursor}&wait=20")).expect_status(200);
    for (filter, matches) in [
        ("price=eq.1.5", true),
        ("price=eq.1.500", true),
        ("price=eq.1.51", false),
        // Equal numbers that are printed differently: a subscription, which sees what is printed, cannot know.
        ("exact=eq.1.50", true),
        ("exact=eq.1.5", false),
        ("pad=eq.ab", true),
        ("pad=eq.ac", false),
        ("at=eq.2026-01-02T04:00:00%2B01", true),
        ("at=is.null", false),
    ] {
        let listed = rows(&server.get(&format!("/api/item?{filter}")).expect_status(200)).len() == 1;
        let poll = server.get(&format!("/notify?table=item&since={cursor}&wait=0&{filter}")).expect_status(200).json();
        let told = poll["answers"].as_array().is_some_and(|answers| !answers.is_empty());
        assert_eq!((listed, told), (matches, matches), "{filter}: {poll}");
    }
}
