//! Who may do what.

use super::Checked;
use crate::support::{Cluster, TESTTYPE, launch, output, wait_for};

/// Roles belong to the whole cluster, so what changes one has a cluster of its own.
fn alone() -> Checked {
    Checked::of(Cluster::start().database(), TESTTYPE)
}

#[test]
fn the_trigger_runs_as_a_role_that_can_append_and_nothing_else() {
    let checked = alone();
    for (sql, part) in [
        ("alter function rowcast.capture() owner to boss", "runs with the rights of boss"),
        ("alter function rowcast.capture() owner to app", "capture() runs with the rights of app"),
        ("alter function rowcast.capture_update() owner to boss", "capture_update() runs with the rights of boss"),
        ("alter role rowcast_capture login superuser", "should be nologin nosuperuser"),
        ("create role readers; grant readers to rowcast_capture", "is a member of readers"),
        ("grant update, select on rowcast.change to rowcast_capture", "may select, update rowcast.change"),
        ("grant select on testtype to rowcast_capture", "may select testtype"),
        ("revoke insert on rowcast.change from rowcast_capture", "may not append to the log: writes"),
        ("revoke usage on schema rowcast from rowcast_capture", "may not use the schema rowcast: writes"),
        ("create table loot (id int); alter table loot owner to rowcast_capture", "owns table loot"),
    ] {
        checked.is_broken(sql, part);
    }
    checked.db.psql_as_superuser(
        "alter function rowcast.capture() owner to app; alter function rowcast.capture_update() owner to app;
         drop owned by rowcast_capture; drop role rowcast_capture",
    );
    let wrong = checked.wrong();
    assert_eq!(wrong.len(), 2, "{wrong:?}");
    for (function, finding) in ["capture()", "capture_update()"].iter().zip(&wrong) {
        assert!(finding.what.contains(&format!("rowcast.{function} runs with the rights of app")), "{wrong:?}");
    }
    checked.mend(&wrong[0]);
    checked.is_well();
    checked.db.psql("insert into testtype (name) values ('a'); select 1 / (select count(*) from rowcast.change where op = 'I')");
}

#[test]
fn strangers_have_no_rights_on_the_schema() {
    let checked = Checked::new(TESTTYPE);
    for (sql, part) in [
        ("grant execute on function rowcast.capture() to public", "public may attach rowcast.capture()"),
        ("grant execute on function rowcast.capture() to boss", "boss may attach rowcast.capture()"),
        ("grant execute on function rowcast.capture_update() to public", "public may attach rowcast.capture_update()"),
        ("grant create on schema rowcast to pg_monitor", "pg_monitor may create objects"),
        ("grant usage on schema rowcast to public", "PUBLIC has rights on schema rowcast"),
        ("grant select on rowcast.change to public", "PUBLIC has rights on table rowcast.change"),
        ("grant execute on function rowcast.prune(integer) to public", "PUBLIC has rights on function rowcast.prune(chunk_rows integer)"),
    ] {
        checked.is_broken(sql, part);
    }
}

/// Functions that came with an upgrade are called by those that a server of an older version calls.
#[test]
fn a_server_that_owns_nothing_goes_on_while_its_schema_is_upgraded() {
    let checked = alone();
    checked.db.psql_as_superuser("create role serving; grant execute on function rowcast.shape(regclass) to serving");
    let may = || {
        checked.db.psql("select bool_and(has_function_privilege('serving', f, 'execute')) from unnest('{rowcast.is_blind(oid),rowcast.row_is_final(oid)}'::regprocedure[]) f")
    };
    assert_eq!(may(), "f");
    assert!(output(&["install", "--database-url", &checked.db.url()]).status.success());
    assert_eq!(may(), "t");
}

#[test]
fn a_superuser_is_no_role_for_a_server() {
    let mut checked = Checked::new(TESTTYPE);
    checked.url = checked.db.superuser_url();
    checked.only("boss is a superuser");
    checked.configure(&format!("allow_superuser = true\n{TESTTYPE}"));
    checked.is_well();
    assert!(checked.look().iter().any(|finding| finding.hint && finding.what.contains("boss is a superuser")));
}

/// A role that owns nothing serves with what was printed: lists, writes, follows, prunes, and begins an epoch.
#[test]
fn a_role_that_owns_nothing_serves_with_the_grants_that_are_printed() {
    let mut checked = Checked::of(Cluster::start().database(), "");
    checked.db.psql("create schema shop; create table shop.item (id serial primary key, name text); select rowcast.watch('shop.item')");
    checked.db.psql_as_superuser("create role web login");
    checked.url = checked.db.url().replacen("app@", "web@", 1);
    let settings = "keep_seconds = 4\nslow_timer_seconds = 1\n[expose]\ntesttype = \"r\"\n\"shop.item\" = \"rw\"\n";
    checked.configure(settings);
    let mut mended = Vec::new();
    while let Some(finding) = checked.wrong().into_iter().next() {
        assert!(finding.mend.contains("grant") && mended.len() < 5, "{finding:?} after {mended:#?}");
        checked.mend(&finding);
        mended.push(finding);
    }
    let owns_nothing = "select count(*) from pg_shdepend where refobjid = 'web'::regrole and deptype = 'o'";
    assert_eq!(checked.db.psql(owns_nothing), "0");

    let server = launch(&checked.url, settings, &[]).ready();
    let row = server.send_json("POST", "/api/shop.item", r#"{"name":"pen"}"#).expect_status(201).json();
    let list = server.get("/api/shop.item").expect_status(200);
    assert_eq!(list.json()[0]["name"], "pen");
    let path = format!("/api/shop.item/{}", row["id"]);
    server.send_json("PATCH", &path, r#"{"name":"ink"}"#).expect_status(200);
    let since = list.header("rowcast-cursor").to_owned();
    let told = server.get(&format!("/notify?table=shop.item&since={since}&wait=5")).expect_status(200);
    assert!(told.body.contains("ink"), "{}", told.body);
    server.delete(&path).expect_status(204);
    server.send_json("POST", "/api/testtype", "{}").expect_problem(403, "forbidden");
    wait_for("the log is pruned", || (checked.db.psql("select count(*) from rowcast.change") == "0").then_some(()));
    // A change of a table's shape is noted, and a new epoch begun, by whoever serves.
    let before = checked.db.psql("select rowcast.current_epoch()");
    checked.db.psql("alter table testtype add column more int; delete from rowcast.epoch");
    wait_for("an epoch has begun", || {
        let now = checked.db.psql("select coalesce(rowcast.current_epoch()::text, '')");
        (!now.is_empty() && now != before).then_some(())
    });
    wait_for("the server serves on", || server.get("/readyz").body.contains("\"ready\"").then_some(()));
    server.get("/api/testtype").expect_status(200);
    checked.is_well();
    // The grants survive another installation.
    checked.db.load("sql");
    checked.is_well();
}
