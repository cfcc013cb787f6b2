//! Text that is no UTF-8: the tables that have none of it are told and served as ever.

use crate::support::follower::Follower;
use crate::support::{database, launch, server, wait_for};

#[test]
fn text_that_is_not_utf_8_stops_nobody_else() {
    let database = database().cluster.database_as("encoding 'SQL_ASCII' lc_collate 'C' lc_ctype 'C' template template0");
    database.load("sql");
    database.psql(
        "create table good (id int primary key, name text); create table bad (id int primary key, name text);
         select rowcast.watch('good'), rowcast.watch('bad')",
    );
    let exposed = "[expose]\ngood = \"r\"\nbad = \"r\"\n";
    let first = server(&database, exposed);
    let follower = Follower::start(first.port, "good", "", |_| None);
    wait_for("the follower has a cursor", || (!follower.seen().cursor.is_empty()).then_some(()));
    let since = follower.seen().cursor;
    database.psql("insert into bad values (1, e'caf\\xe9'); insert into good values (1, 'caf\u{e9}')");
    wait_for("the good row is told", || (follower.rows().len() == 1).then_some(()));
    database.psql("insert into good values (2, 'b')");
    wait_for("and the next", || (follower.rows().len() == 2).then_some(()));
    assert!(first.log().contains("no form in UTF-8"), "{}", first.log());
    let reset = first.get(&format!("/notify?table=bad&since={since}&wait=0")).json();
    assert_eq!(reset["answers"][0]["reset"], true, "{reset}");
    let listed = first.get("/api/bad");
    assert!(listed.status == 400 && listed.body.contains("invalid byte sequence"), "{}", listed.body);
    assert_eq!(first.get("/readyz").status, 200);
    // Another server has to read it from the log.
    let other = launch(&database.url(), exposed, &[]).ready();
    let reset = other.get(&format!("/notify?table=good&since={since}&wait=0")).json();
    assert_eq!(reset["answers"][0]["reset"], true, "{reset}");
}
