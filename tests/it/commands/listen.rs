//! Listening in the terminal and in a pipe: what is printed, and how it ends.

mod listener;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::keeper::keeper;
use crate::support::{Server, TESTTYPE, database, empty_example, launch, program, run, wait_for};
use listener::{Listener, listen, start};

/// Nothing is exposed, and no server runs.
#[test]
fn a_pipe_gets_a_line_of_json_for_each_change() {
    let db = empty_example(database());
    let mut listener = listen(&db, &["testtype"]);
    db.psql("insert into testtype (name, value) values ('a', 1), ('b', 2)");
    let (first, second) = (listener.json(), listener.json());
    assert_eq!(
        (&first["table"], &first["op"], &first["key"], &first["new"]["name"]),
        (&"testtype".into(), &"insert".into(), &Value::from(vec![1]), &"a".into())
    );
    assert_eq!((&second["key"], &second["old"]), (&Value::from(vec![2]), &Value::Null));
    assert_ne!(first["cursor"], second["cursor"], "only the last line of an answer has its cursor");
    // One by one: a reset stands for what came right before it.
    db.psql("update testtype set value = 5 where id = 1");
    assert_eq!(listener.json()["new"]["value"], 5);
    db.psql("delete from testtype where id = 2");
    assert_eq!(listener.json()["op"], "delete");
    db.psql("truncate testtype");
    let reset = listener.json();
    assert_eq!((&reset["table"], &reset["reset"]), (&"testtype".into(), &true.into()));
    listener.signal("TERM");
    assert!(listener.wait().success());
    assert_eq!(listener.last_cursor(), reset["cursor"].as_str().unwrap());
}

#[test]
fn who_goes_on_from_a_cursor_misses_nothing() {
    let db = empty_example(database());
    let mut listener = listen(&db, &["testtype"]);
    db.psql("insert into testtype (name) values ('a'), ('b')");
    let (first, second) = (listener.json(), listener.json());
    listener.signal("INT");
    assert!(listener.wait().success());
    db.psql("insert into testtype (name) values ('c')");
    let since = |cursor: &Value| listen(&db, &["testtype", "--since", cursor.as_str().unwrap()]);
    let names = |listener: &Listener, count: usize| (0..count).map(|_| listener.json()["new"]["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&since(&first["cursor"]), 3), ["a", "b", "c"]);
    assert_eq!(names(&since(&second["cursor"]), 1), ["c"]);
    let other = database();
    other.psql("select rowcast.begin_epoch()");
    let listener = listen(&other, &["testtype", "--since", second["cursor"].as_str().unwrap()]);
    assert_eq!(listener.json()["reset"], true, "a cursor of another database");
    let (done, said) = run(&["listen", "testtype", "--since", "nonsense", "--database-url", &db.url()]);
    assert!(!done && said.contains("--since is not a cursor"), "{said}");
}

#[test]
fn several_tables_and_their_rows_by_value() {
    let db = database();
    db.psql("create schema shop; create table shop.item (id int primary key, city text, n int); select rowcast.watch('shop.item')");
    let listener = listen(
        &db,
        &[
            "public.testtype",
            "shop.item",
            "--where",
            "shop.item.city=Basel",
            "--where",
            "shop.item.n is null",
            "--where",
            "testtype.value=7",
        ],
    );
    db.psql("insert into testtype (name, value) values ('no', 1); insert into shop.item values (1, 'Bern', null), (2, 'Basel', null), (3, 'Basel', 4)");
    db.psql("insert into testtype (name, value) values ('yes', 7)");
    db.psql("update shop.item set city = 'Bonn' where id = 2");
    let mut told: Vec<Value> = (0..3).map(|_| listener.json()).collect();
    assert_eq!((&told[2]["table"], &told[2]["leaves"]), (&"shop.item".into(), &true.into()));
    told.truncate(2);
    assert_eq!((&told[0]["table"], &told[0]["key"], &told[1]["new"]["name"]), (&"shop.item".into(), &Value::from(vec![2]), &"yes".into()));
    for (arguments, reason) in [
        (vec!["testtype", "--where", "nothing=1"], "testtype has no column \"nothing\""),
        (vec!["testtype", "--where", "value=x"], "invalid input syntax"),
        (vec!["testtype", "--where", "value"], "write column=value"),
        (vec!["nowhere"], "the table nowhere does not exist"),
    ] {
        let (done, said) = run(&[&["listen", "--database-url", &db.url()], &arguments[..]].concat());
        assert!(!done && said.contains(reason), "{arguments:?}: {said}");
    }
}

#[test]
fn what_cannot_be_followed_is_told() {
    let db = database();
    db.psql("create table loose (id int); create view summary as select 1 as one");
    for (table, reason) in [("loose", "run rowcast watch 'loose'"), ("summary", "is a view")] {
        let (done, said) = run(&["listen", table, "--database-url", &db.url()]);
        assert!(!done && said.contains(reason), "{said}");
    }
}

/// A reader that has read enough ends the pipeline, though nothing more is written.
#[test]
fn a_closed_pipe_ends_it_in_silence_and_at_once() {
    let db = empty_example(database());
    let mut pipeline = Command::new("bash");
    let script =
        format!("{:?} listen testtype --database-url '{}' | head -n 1; echo ${{PIPESTATUS[0]}}", program().get_program(), db.url());
    pipeline.args(["-c", &script]);
    let mut listener = start(pipeline).following();
    db.psql("insert into testtype (name) values ('a')");
    assert_eq!(listener.json()["new"]["name"], "a");
    assert_eq!(listener.line(), "0", "the exit code");
    assert!(listener.wait().success());
    let log = listener.log();
    assert!(!log.contains("ERROR") && !log.contains("panicked"), "{log}");
}

/// A reader that does not read must not keep Ctrl-C from working.
#[test]
fn a_reader_that_does_not_read_does_not_keep_it() {
    let db = empty_example(database());
    let mut command = program();
    command.args(["listen", "testtype", "--database-url", &db.url()]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let _keeper = keeper("kill -KILL \"$1\"", &[&child.id().to_string()]);
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("following")));
    // More than a pipe holds.
    db.psql("insert into testtype (name) select repeat('x', 100) from generate_series(1, 900)");
    let waiting = format!("/proc/{}/task", child.id());
    wait_for("it is stuck in a write", || {
        let calls = fs::read_dir(&waiting).unwrap().flatten().map(|task| fs::read_to_string(task.path().join("wchan")).unwrap_or_default());
        calls.into_iter().any(|call| call.contains("pipe_write")).then_some(())
    });
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let status = wait_for("it ends", || child.try_wait().unwrap());
    assert!(status.success(), "{status}");
}

/// The terminal gets aligned lines in colour; Ctrl-C is typed.
#[test]
fn a_terminal_gets_aligned_lines_in_colour_and_ctrl_c_ends_it() {
    let db = empty_example(database());
    let shown = |environment: &str, flags: &str| {
        db.psql("truncate testtype restart identity");
        let mut terminal = Command::new("script");
        // In the shell's place: one that stays may die of the Ctrl-C itself (dash does, bash does not).
        let listening = format!(
            "stty rows 24 cols 60; exec env {environment} {:?} listen testtype {flags} --database-url '{}'",
            program().get_program(),
            db.url()
        );
        terminal.args(["-qec", &listening, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
        let mut listener = start(terminal);
        // In a terminal the log is there as well.
        let mut lines = Vec::new();
        let mut until = |listener: &Listener, part: &str| {
            while !lines.last().is_some_and(|line: &String| line.contains(part)) {
                lines.push(listener.line());
            }
        };
        until(&listener, "following");
        db.psql("insert into testtype (name, value) values ('a', 1); update testtype set name = repeat('long', 30)");
        until(&listener, "update");
        listener.child.stdin.as_mut().unwrap().write_all(b"\x03").unwrap();
        until(&listener, "--since ");
        // That of what ran in the terminal.
        assert!(listener.wait().success(), "{lines:?}");
        lines
    };
    let coloured = shown("", "");
    let insert = coloured.iter().find(|line| line.contains("insert")).unwrap();
    assert!(insert.contains("\x1b[32minsert") && insert.contains("\x1b[2m"), "{insert:?}");

    let plain = shown("NO_COLOR=1", "");
    let lines: Vec<&str> = plain.iter().map(|line| line.trim_end()).filter(|line| line.contains("  testtype  ")).collect();
    assert_eq!(lines.len(), 2, "{plain:?}");
    assert!(lines[0].ends_with("  testtype  insert  1  name=\"a\"  value=1"), "{lines:?}");
    assert!(lines[1].contains("  testtype  update  1  name=\"a\" → \"long") && lines[1].ends_with('…'), "{lines:?}");
    assert_eq!(lines[1].chars().count(), 60, "cut to the terminal's width");

    let json = shown("", "--json");
    assert!(json.iter().any(|line| line.starts_with("{\"table\":\"testtype\",\"op\":\"insert\"")), "{json:?}");
}

#[test]
fn a_lost_database_is_told_and_nothing_is_missed() {
    let db = empty_example(database());
    let listener = listen(&db, &["testtype"]);
    let sessions = "from pg_stat_activity where application_name = 'rowcast listen' and datname = current_database()";
    db.psql_as_superuser(&format!("select pg_terminate_backend(pid) {sessions}"));
    db.psql("insert into testtype (name) values ('a')");
    assert_eq!(listener.json()["new"]["name"], "a");
    wait_for("the log tells of it", || listener.log().contains("lost the database").then_some(()));
}

/// A filter whose value is another one each day is looked up for each poll: here while no new session can be had.
#[test]
fn a_pool_without_a_database_is_waited_for() {
    let db = database();
    db.psql("create table day (id int primary key, day date default current_date); select rowcast.watch('day')");
    let guest = format!("guest_{}", db.name);
    db.psql_as_superuser(&format!("create role {guest} login in role app"));
    let mut command = program();
    command.args(["listen", "day", "--where", "day=today", "--database-url", &db.url().replacen("app@", &format!("{guest}@"), 1)]);
    let listener = start(command).following();
    let tailer = "select pid from pg_locks where locktype = 'advisory' and classid = 1919907683 and mode = 'ExclusiveLock'
        and database = (select oid from pg_database where datname = current_database())";
    let pid = wait_for("the tailer sleeps", || Some(db.psql(tailer)).filter(|pid| !pid.is_empty()));
    db.psql_as_superuser(&format!(
        "alter role {guest} nologin; select pg_terminate_backend(pid) from pg_stat_activity where usename = '{guest}' and pid <> {pid}"
    ));
    db.psql("insert into day values (1)");
    assert_eq!(listener.json()["key"][0], 1);
    wait_for("it tries again", || listener.log().contains("trying again").then_some(()));
    db.psql_as_superuser(&format!("alter role {guest} login"));
    db.psql("insert into day values (2)");
    assert_eq!(listener.json()["key"][0], 2);
    drop(listener);
    db.psql_as_superuser(&format!("drop owned by {guest}; drop role {guest}"));
}

/// Beside it a server on another database, whose pruner has been at work twice in the same time.
#[test]
fn it_takes_no_part_in_pruning() {
    let (db, other) = (database(), database());
    let times = "keep_seconds = 4\nslow_timer_seconds = 1\n";
    let listener = listen(&db, &["testtype", "--keep-seconds", "4", "--slow-timer-seconds", "1"]);
    let _server: Server = launch(&other.url(), &format!("{times}{TESTTYPE}"), &[]).ready();
    wait_for("the pruner has taken marks", || {
        // It takes one only where something was written.
        let marks = other.psql("insert into testtype (name) values ('a'); select count(*) from rowcast.mark");
        (marks.parse::<i32>().unwrap() >= 2).then_some(())
    });
    assert_eq!(db.psql("select count(*) from rowcast.mark"), "0");
    db.psql("insert into testtype (name) values ('a')");
    assert_eq!(listener.json()["new"]["name"], "a");
}

/// What is read is what the role may read, as with a server.
#[test]
fn a_role_that_may_not_select_hears_nothing() {
    let db = database();
    db.psql_as_superuser("alter table testtype owner to boss; revoke all on testtype from app");
    let (done, said) = run(&["listen", "testtype", "--database-url", &db.url()]);
    assert!(!done && said.contains("may not select from it"), "{said}");
    let mut listener = start({
        let mut command = program();
        command.args(["listen", "testtype", "--database-url", &db.superuser_url()]);
        command
    })
    .following();
    listener.signal("INT");
    assert!(listener.wait().success(), "a superuser listens for himself alone");
}
