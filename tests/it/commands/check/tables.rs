//! Exposed and watched tables.

use super::Checked;
use crate::support::{TESTTYPE, database};

#[test]
fn an_exposed_table_that_is_not_watched_is_watched() {
    let checked = Checked::new(TESTTYPE);
    checked.breaks("select rowcast.unwatch('testtype')", "the exposed table testtype is not watched");
    checked.db.psql("create table \"O'Neil\" (id int)");
    checked.configure("[expose]\n\"O'Neil\" = \"r\"\n");
    let finding = checked.only("O'Neil is not watched");
    checked.mend(&finding);
    checked.is_well();
    checked.db.psql("create table odd (mtime text)");
    checked.configure("[expose]\nodd = \"r\"\n");
    assert!(checked.only("odd is not watched").mend.contains("cannot be watched, for it has a column mtime"));
}

#[test]
fn a_misspelt_name_is_told_with_the_nearest() {
    let checked = Checked::new("[expose]\ntestype = \"r\"\n");
    let mend = checked.only("the exposed table testype does not exist").mend;
    assert!(mend.contains("write \"testtype\" instead of \"testype\""), "{mend}");
    checked.configure("[expose]\ntesttype = \"r\"\n");
    checked.is_well();
    checked.configure("[expose]\nsomething_else = \"r\"\n");
    assert!(checked.only("does not exist").mend.starts_with("create the table"));
    checked.db.psql("create schema shop; create table shop.something_else (id int); select rowcast.watch('shop.something_else')");
    assert!(checked.only("does not exist").mend.contains("\"shop.something_else\""));
    checked.configure("[expose]\n\"shop.something_else\" = \"r\"\n");
    checked.is_well();
}

#[test]
fn a_view_is_exposed_for_reading_only() {
    let checked = Checked::new("[expose]\nsummary = \"rw\"\n");
    checked.db.psql("create view summary as select * from testtype");
    assert!(checked.only("the view summary").mend.contains("\"summary\" = \"r\""));
    checked.configure("[expose]\nsummary = \"r\"\n");
    checked.is_well();
}

#[test]
fn triggers_that_are_not_as_they_should_be_are_made_anew() {
    for (sql, part) in [
        ("drop trigger \"00_rowcast_capture\" on testtype", "00_rowcast_capture is missing"),
        ("drop trigger \"~rowcast_update\" on testtype", "~rowcast_update is missing"),
        ("alter table testtype disable trigger \"00_rowcast_truncate\"", "00_rowcast_truncate is disabled"),
        ("alter table testtype enable replica trigger \"~rowcast_update\"", "~rowcast_update is disabled"),
        ("alter trigger \"00_rowcast_capture\" on testtype rename to zzz", "is called zzz"),
        ("update rowcast.watched set bulk_rows = 5", "00_rowcast_capture has other limits"),
        ("update rowcast.watched set image_bytes = 5", "00_rowcast_truncate has other limits"),
        (
            "drop trigger \"00_rowcast_capture\" on testtype;
             create trigger \"00_rowcast_capture\" after insert on testtype for each row execute function rowcast.capture('1000', '4194304')",
            "00_rowcast_capture does not fire for all",
        ),
        (
            "drop trigger \"~rowcast_update\" on testtype; create trigger \"~rowcast_update\" before update on testtype
             for each row when (new.value > 5) execute function rowcast.capture_update('1000', '4194304')",
            "~rowcast_update does not fire for all",
        ),
        ("alter trigger \"~rowcast_update\" on testtype rename to zzz", "is called zzz"),
        ("alter table testtype add column twice int generated always as (value * 2) stored", "does not see rows as they are stored"),
        (
            "create function later() returns trigger language plpgsql as 'begin new.value := 7; return new; end';
             create trigger \"~s\" before update on testtype for each row execute function later()",
            "does not see rows as they are stored",
        ),
    ] {
        Checked::new(TESTTYPE).breaks(sql, part);
    }
    Checked::new(TESTTYPE).breaks(
        "select rowcast.watch('testtype', always => true); alter table testtype enable trigger \"00_rowcast_capture\"",
        "00_rowcast_capture does not fire always",
    );
    // An ALWAYS trigger fires as well.
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("alter table testtype enable always trigger \"00_rowcast_capture\"");
    checked.is_well();
}

/// Where updates are logged afterwards there are two triggers instead of one.
#[test]
fn a_table_whose_updates_are_logged_afterwards_has_its_triggers_looked_after() {
    let checked = Checked::new(TESTTYPE);
    checked
        .db
        .psql("create table doubled (id int primary key, twice int generated always as (id * 2) stored); select rowcast.watch('doubled')");
    for (sql, part) in [
        ("drop trigger zz_rowcast_mtime on doubled", "zz_rowcast_mtime is missing"),
        (
            "drop trigger zz_rowcast_mtime on doubled;
             create trigger zz_rowcast_mtime before update on doubled for each row when (new.id > 5) execute function rowcast.touch()",
            "zz_rowcast_mtime does not fire for all",
        ),
        ("drop trigger \"00_rowcast_capture\" on doubled", "00_rowcast_capture is missing"),
    ] {
        checked.breaks(sql, part);
    }
    assert!(checked.look().iter().all(|finding| !finding.what.contains("cost their writers more")));
    checked.db.psql("alter table doubled drop column twice");
    checked.is_well();
    let hints = checked.look();
    let hint = hints.iter().find(|hint| hint.what.contains("updates of the watched table public.doubled cost their writers more"));
    checked.mend(hint.unwrap_or_else(|| panic!("{hints:?}")));
    assert!(checked.look().iter().all(|finding| !finding.what.contains("cost their writers more")));
}

#[test]
fn a_partition_whose_triggers_do_not_fire_is_found() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql(
        "create table part (id int) partition by range (id); create table part_1 partition of part for values from (0) to (10);
         create table part_2 partition of part default; select rowcast.watch('part')",
    );
    checked.breaks("alter table part_1 disable trigger \"00_rowcast_capture\"", "its triggers do not fire on part_1");
}

#[test]
fn triggers_left_over_are_dropped() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("create table \"Odd one\" (id int); select rowcast.watch('\"Odd one\"')");
    checked.breaks("delete from rowcast.watched where relation = '\"Odd one\"'::regclass", "has triggers of rowcast, but is not watched");
}

#[test]
fn an_mtime_that_is_not_as_it_should_be_is_put_right() {
    for (sql, part) in [
        ("alter table testtype drop column mtime", "has lost its column mtime"),
        ("alter table testtype rename mtime to changed", "has lost its column mtime"),
        ("alter table testtype alter mtime type text", "no plain timestamp with time zone"),
        ("alter table testtype alter mtime drop not null; update testtype set mtime = null", "may be null"),
        ("alter table testtype alter mtime drop default", "has no default"),
    ] {
        let checked = Checked::new(TESTTYPE);
        checked
            .db
            .psql("select rowcast.unwatch('testtype'); alter table testtype drop column if exists mtime; select rowcast.watch('testtype')");
        checked.breaks(sql, part);
    }
}

#[test]
fn an_mtime_of_the_applications_own_and_an_index_on_it_are_hints() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql(
        "create table own (id int primary key, mtime timestamptz); select rowcast.watch('own'); create index own_mtime on own (mtime)",
    );
    checked.is_well();
    let hints = checked.look();
    assert!(hints.iter().any(|hint| hint.what.contains("mtime of the watched table public.own may be null")), "{hints:?}");
    let index = hints.iter().find(|hint| hint.what.contains("own_mtime")).unwrap();
    checked.mend(index);
    assert!(checked.look().iter().all(|hint| !hint.what.contains("own_mtime")));
}

#[test]
fn children_that_inherit_after_watching_are_watched_instead() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("create table parent (id int); select rowcast.watch('parent')");
    checked.breaks("create table child (more int) inherits (parent)", "public.child inherit from the watched table public.parent");
    assert_eq!(checked.db.psql("select relation from rowcast.watched where relation <> 'testtype'::regclass"), "child");
}

#[test]
fn a_table_that_became_a_partition_is_watched_by_its_root() {
    let checked = Checked::of(database(), TESTTYPE);
    checked.db.psql("create table lone (id int); select rowcast.watch('lone'); create table root (id int, mtime timestamptz not null) partition by range (id)");
    // Its triggers stay on it, and it is a partition now.
    checked.breaks("alter table root attach partition lone default", "public.lone became a partition of public.root");
    assert_eq!(checked.db.psql("select relation from rowcast.watched where relation <> 'testtype'::regclass"), "root");
}

#[test]
fn a_table_that_can_be_watched_no_longer_is_let_go() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql_as_superuser(
        "create foreign data wrapper nothing; create server away foreign data wrapper nothing; grant usage on foreign server away to app",
    );
    checked.db.psql(
        "create table wide (id int, mtime timestamptz not null default now()) partition by range (id);
         create table wide_1 partition of wide for values from (0) to (10); select rowcast.watch('wide')",
    );
    // Triggers keep a foreign table from being attached, so somebody has to take them off first.
    checked.db.psql(
        "drop trigger \"00_rowcast_capture\" on wide; drop trigger \"00_rowcast_truncate\" on wide; drop trigger zz_rowcast_mtime on wide;
         create foreign table far partition of wide default server away",
    );
    let wrong = checked.wrong();
    let finding =
        wrong.iter().find(|one| one.what.contains("public.wide can be watched no longer: one of its partitions is a foreign table"));
    checked.mend(finding.unwrap_or_else(|| panic!("{wrong:?}")));
    checked.is_well();
}

/// What the server does not serve because of rights is told with the grants: see `rights`.
#[test]
fn row_security_is_told() {
    let checked = Checked::new(TESTTYPE);
    checked.db.psql("alter table testtype enable row level security, force row level security");
    let mend = checked.only("row security hides rows of the exposed table testtype").mend;
    // Not run: the role is that of all tests.
    assert!(mend.contains("alter role app bypassrls") && mend.ends_with("# as a superuser"), "{mend}");
    checked.db.psql("alter table testtype no force row level security");
    checked.is_well();
}
