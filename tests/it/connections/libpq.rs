//! libpq's other ways of saying where the database is, and by which password. psql is asked the same.

use std::net::TcpListener;

use super::secured::{Home, secured};
use crate::support::{database, run, run_with};

#[test]
fn a_service_says_where_the_database_is() {
    let (server, home) = (secured(), Home::new());
    let service =
        |role: &str| format!("# ours\n[shop]\nhost=db.test\nhostaddr={}\ndbname={}\nuser={role}\n", server.address, server.database.name);
    home.both_are_refused("", &[("PGSERVICE", "shop")], &["shop", ".pg_service.conf"]);
    home.write(".pg_service.conf", &service("tlsonly"), 0o644);
    home.both_get_in("", &[("PGSERVICE", "shop")]);
    home.both_get_in("service=shop sslmode=require", &[]);
    home.both_get_in("postgresql://?service=shop", &[("PGSSLMODE", "require")]);
    home.both_are_refused("service=shop sslmode=disable", &[], &["tlsonly"]);
    home.both_are_refused("service=other", &[], &["[other]"]);
    // The string is over the service, the service over the variables.
    home.both_get_in("service=shop user=plainonly", &[("PGUSER", "nobody")]);
    home.both_get_in("service=shop", &[("PGUSER", "nobody"), ("PGDATABASE", "nowhere")]);
    // Files that are named, and the machine's.
    let named = home.write("named", &service("plainonly"), 0o644);
    home.both_get_in("service=shop sslmode=disable", &[("PGSERVICEFILE", named.to_str().unwrap())]);
    home.both_are_refused("service=shop", &[("PGSERVICEFILE", "/nowhere")], &["/nowhere"]);
    home.write("pg_service.conf", &service("plainonly").replace("[shop]", "[machine]"), 0o644);
    home.both_get_in("service=machine sslmode=disable", &[("PGSYSCONFDIR", home.path().to_str().unwrap())]);
}

#[test]
fn the_variables_say_where_the_database_is() {
    let (server, home) = (secured(), Home::new());
    let all = |more: &[(&'static str, &'static str)]| {
        let mut variables = vec![("PGHOST", "db.test"), ("PGHOSTADDR", &server.address), ("PGDATABASE", &server.database.name)];
        variables.extend(more);
        variables
    };
    home.both_get_in("", &all(&[("PGUSER", "tlsonly")]));
    home.both_are_refused("", &all(&[("PGUSER", "tlsonly"), ("PGSSLMODE", "disable")]), &["tlsonly"]);
    home.both_get_in("", &all(&[("PGUSER", "scram"), ("PGPASSWORD", "open:sesame")]));
    home.both_are_refused("", &all(&[("PGUSER", "scram"), ("PGPASSWORD", "wrong")]), &["scram"]);
    home.both_are_refused("", &all(&[("PGUSER", "tlsonly"), ("PGPORT", "1")]), &["db.test:1"]);
    // What libpq would do and rowcast cannot is refused, not passed over.
    for (name, value) in
        [("PGSSLCRL", "/a"), ("PGGSSENCMODE", "require"), ("PGREQUIREAUTH", "scram-sha-256"), ("PGSSLNEGOTIATION", "direct")]
    {
        home.rowcast_is_refused("", &all(&[("PGUSER", "tlsonly"), (name, value)]), &[name, "not understood"]);
    }
}

#[test]
fn the_password_file_gives_the_password_if_nobody_else_can_read_it() {
    let (server, home) = (secured(), Home::new());
    let string = server.string("scram", "sslmode=require");
    home.both_are_refused(&string, &[], &["password", ".pgpass"]);
    let line = format!("db.test:5432:{}:scram:open\\:sesame\n", server.database.name);
    let lines = format!("# a comment\nelsewhere:*:*:*:wrong\n{line}*:*:*:*:wrong\n");
    for mode in [0o640, 0o604, 0o644] {
        home.write(".pgpass", &lines, mode);
        home.both_are_refused(&string, &[], &["not used", "chmod 600"]);
    }
    home.write(".pgpass", &lines, 0o600);
    home.both_get_in(&string, &[]);
    // The first line that fits is the one, and what was given is before the file.
    home.write(".pgpass", &format!("*:*:*:scram:wrong\n{lines}"), 0o600);
    home.both_are_refused(&string, &[], &["scram"]);
    home.both_get_in(&string, &[("PGPASSWORD", "open:sesame")]);
    let named = home.write("named", "*:*:*:*:open\\:sesame\n", 0o600);
    home.both_get_in(&string, &[("PGPASSFILE", named.to_str().unwrap())]);
    home.both_get_in(&format!("{string} passfile={}", named.display()), &[]);
    // A colon without its backslash ends the password.
    home.write(".pgpass", "*:*:*:*:open:sesame\n", 0o600);
    home.both_are_refused(&string, &[], &["scram"]);
}

#[test]
fn the_next_host_is_tried_where_one_cannot_be_reached() {
    let (server, home) = (secured(), Home::new());
    let string = |addresses: &str, ports: &str, more: &str| {
        server.string("tlsonly", &format!("host=one,two hostaddr={addresses} port={ports} connect_timeout=3 {more}"))
    };
    let (here, nobody) = (&server.address, "127.0.0.1");
    home.both_get_in(&string(&format!("{nobody},{here}"), "1,5432", ""), &[]);
    home.both_get_in(&string(&format!("{here},{nobody}"), "5432,1", ""), &[]);
    home.both_are_refused(&string(&format!("{nobody},{nobody}"), "1,2", ""), &[], &["one:1", "two:2"]);
    // Each has its own name to prove.
    let full = format!("host=one,db.test sslmode=verify-full sslrootcert={}", server.file("right.crt"));
    home.both_get_in(&string(&format!("{nobody},{here}"), "1,5432", &full), &[]);
    // A server that does not let us in is the last that is asked.
    let refusing = string(&format!("{here},{here}"), "5432", "sslmode=disable");
    home.both_are_refused(&refusing, &[], &["one"]);
    let said = home.rowcast(&refusing, &[]).unwrap_err();
    assert!(!said.contains("two"), "{said}");
}

#[test]
fn the_name_of_the_application_and_options_reach_the_server() {
    let database = database();
    database.psql("create table person (id int primary key)");
    let tell = "begin raise exception 'app %, work_mem %', current_setting('application_name'), current_setting('work_mem'); end";
    database.psql_as_superuser(&format!(
        "create function seen() returns event_trigger language plpgsql as $$ {tell} $$;
         create event trigger seen on ddl_command_start execute function seen()"
    ));
    let watch = |variables: &[(&str, &str)]| run_with(&["watch", "person", "--database-url", &database.url()], variables).1;
    assert!(watch(&[]).contains("app rowcast command,"));
    let said = watch(&[("PGAPPNAME", "shop"), ("PGOPTIONS", "-c work_mem=123kB")]);
    assert!(said.contains("app shop, work_mem 123kB"), "{said}");
}

/// A server that takes connections and says nothing, as one that hangs does. The next host is asked.
#[test]
fn a_host_that_says_nothing_is_given_up() {
    let mute = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = mute.local_addr().unwrap().port();
    let (done, said) = run(&["status", "--database-url", &format!("postgresql://app@127.0.0.1:{port}/shop?connect_timeout=2")]);
    assert!(!done && said.contains(&format!("127.0.0.1:{port} gave no answer within 2s")), "{said}");
    let db = database();
    let socket = db.cluster.directory().display();
    let both = format!("host=127.0.0.1,{socket} port={port},5432 user=app dbname={} connect_timeout=2", db.name);
    let (done, said) = run(&["status", "--database-url", &both]);
    assert!(done, "{said}");
}
