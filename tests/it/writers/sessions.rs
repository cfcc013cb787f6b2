//! Sessions of every kind write, and what they write is logged alike.

use crate::support::{Database, TESTTYPE, database, empty_example, server};

/// What the log holds of a table: its letters, in order.
fn logged(database: &Database, table: &str) -> String {
    database.psql(&format!("select string_agg(op::text, '' order by id) from rowcast.change where relation = '{table}'::regclass"))
}

/// A table whose images depend on a session's settings if anything lets them, and a role with rights on that alone.
fn kinds() -> Database {
    let database = empty_example(database());
    database.psql(
        "create table kinds (id int primary key, at timestamptz, d date, i interval, b bytea, f float8, t text);
         select rowcast.watch('kinds'); delete from rowcast.change",
    );
    let role = format!("writer_{}", database.name);
    database.psql(&format!("create role {role}; grant {role} to app; grant select, insert, update, delete on kinds to {role}"));
    database
}

const WRITE: &str = "insert into public.kinds values (1, '2026-02-03 04:05:06+00', '2026-02-03', '1 day 2 hours', decode('0aff', 'hex'), 0.1::float8 + 0.2::float8, 'é');
    update public.kinds set t = repeat('é', 9000); delete from public.kinds";

/// The images of what was just written, without what the clock and the sequence say.
fn images(database: &Database) -> String {
    let images = database.psql(
        "select string_agg(concat_ws(' ', op, (old::jsonb - 'mtime')::text, (new::jsonb - 'mtime')::text, elided::text,
           right(coalesce(new, old) ->> 'mtime', 6)), e'\\n' order by id) from rowcast.change where relation = 'kinds'::regclass",
    );
    database.psql("delete from rowcast.change");
    images
}

#[test]
fn a_session_of_any_settings_writes_and_its_images_are_the_same() {
    let database = kinds();
    database.psql(WRITE);
    let plain = images(&database);
    assert!(plain.starts_with('I') && plain.contains("+00:00") && plain.lines().count() == 3, "{plain}");
    for settings in [
        "set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape'",
        "set extra_float_digits = -10; set lc_numeric = 'C.UTF-8'; set lc_time = 'C.UTF-8'; set xmloption = 'document'",
        "set standard_conforming_strings = off; set escape_string_warning = off; set backslash_quote = off; set array_nulls = off",
        "set default_transaction_isolation = 'serializable'; set default_transaction_deferrable = on; set transaction_timeout = 0",
        "set default_transaction_isolation = 'repeatable read'; set row_security = off; set quote_all_identifiers = on",
        "set search_path = ''",
        "set search_path = pg_temp, public; create temp table change (id int); create temp table watched (id int); create temp view capturing as select 1",
        "set plan_cache_mode = force_generic_plan; set enable_indexscan = off; set enable_seqscan = off; set jit_above_cost = 0; set jit = on",
        "set plan_cache_mode = force_custom_plan; set plpgsql.variable_conflict = error; set check_function_bodies = off",
        "set lock_timeout = '200ms'; set statement_timeout = '10s'; set idle_in_transaction_session_timeout = '1s'",
        "set session_replication_role = local",
        "set client_min_messages = debug1; set log_statement = 'none'; set debug_print_plan = off",
        "set work_mem = '64kB'; set temp_file_limit = 0; set gin_fuzzy_search_limit = 1; set synchronous_commit = off",
        "set client_encoding = 'SQL_ASCII'",
        "set transform_null_equals = on; set operator_precedence_warning = off",
        "set role {role}",
        "set role {role}; set search_path = ''; set timezone = 'America/St_Johns'",
    ] {
        let settings = settings.replace("{role}", &format!("writer_{}", database.name));
        // Some belong to other versions, and some to a superuser.
        let settings: Vec<String> = settings
            .split("; ")
            .map(|one| {
                if one.starts_with("set role") || one.starts_with("create") {
                    one.to_owned()
                } else {
                    format!(
                        "do $do$ begin execute {}; exception when undefined_object then null; end $do$",
                        quoted(&one.replacen("set ", "set session ", 1))
                    )
                }
            })
            .collect();
        let (mine, others): (Vec<String>, Vec<String>) = settings.into_iter().partition(|one| one.starts_with("set role"));
        let script = format!("{};\n{};\n{WRITE}", others.join(";\n"), mine.join(";\n"));
        database.psql_as_superuser(&script);
        assert_eq!(images(&database), plain, "{script}");
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Writes that come another way than by a plain statement.
#[test]
fn writes_by_functions_views_copy_cursors_and_other_roles_are_logged() {
    let database = kinds();
    let role = format!("writer_{}", database.name);
    database.psql(&format!(
        "create view easy as select id, t from kinds where id < 100;
         create view made as select id, t from kinds;
         create function instead() returns trigger language plpgsql as $$ begin insert into kinds (id, t) values (new.id, new.t); return new; end $$;
         create trigger instead instead of insert on made for each row execute function instead();
         create function safe(n int) returns void language sql security definer set search_path = '' as 'insert into public.kinds (id) values (n)';
         create procedure many(n int) language plpgsql as $$ begin for i in n .. n + 2 loop insert into kinds (id) values (i); commit; end loop; end $$;
         grant select, insert on easy, made to {role}; delete from rowcast.change"
    ));
    for (statements, letters) in [
        ("insert into easy values (1, 'a'); update easy set t = 'b'; delete from easy", "IUD"),
        ("insert into made values (2, 'a')", "I"),
        ("select safe(3)", "I"),
        ("call many(4)", "III"),
        ("copy kinds (id, t) from stdin;\n7\ta\n8\tb\n\\.\n", "II"),
        (
            "do $$ begin update kinds set t = 'c' where id = 7; begin update kinds set t = 'd'; raise exception 'x'; exception when others then null; end; end $$",
            "U",
        ),
        ("with gone as (delete from kinds where id = 8 returning *) insert into kinds (id) select 9 from gone", "DI"),
        (
            "begin; declare c cursor for select * from kinds where id = 7 for update; fetch c; update kinds set t = 'e' where current of c; commit",
            "U",
        ),
        ("prepare p as insert into kinds (id) values ($1); execute p (10); execute p (11); deallocate p", "II"),
        ("insert into kinds (id) values (11) on conflict (id) do update set t = 'f'", "U"),
    ] {
        database.psql(statements);
        assert_eq!(logged(&database, "kinds"), letters, "{statements}");
        database.psql("delete from rowcast.change");
    }
    database.psql(&format!("set role {role}; insert into public.easy values (20, 'a'); insert into public.made values (21, 'a')"));
    assert_eq!(logged(&database, "kinds"), "II");
}

/// As logical replication applies, and as some restores load.
#[test]
fn what_replication_writes_is_logged_where_that_was_asked_for() {
    let database = kinds();
    database.psql(
        "create table part (id int primary key, t text) partition by range (id); create table part_1 partition of part for values from (0) to (100);
         select rowcast.watch('part')",
    );
    let write = |table: &str, id: i32| {
        database.psql("delete from rowcast.change");
        database.psql_as_superuser(&format!(
            "set session_replication_role = replica; insert into {table} (id) values ({id}); update {table} set t = 'a' where id = {id}"
        ));
        logged(&database, table)
    };
    for table in ["kinds", "part"] {
        assert_eq!(write(table, 1), "", "an ordinary trigger");
        database.psql(&format!("select rowcast.watch('{table}', always => true)"));
        assert_eq!(write(table, 2), "IU");
        database.psql(&format!("select rowcast.watch('{table}', 500)"));
        assert_eq!(write(table, 3), "IU", "watching again forgot it");
    }
    database.psql("create table part_2 partition of part for values from (100) to (200)");
    assert_eq!(write("part", 101), "IU", "a partition that came later");
    for table in ["kinds", "part"] {
        database.psql(&format!("select rowcast.watch('{table}', always => false)"));
        assert_eq!(write(table, 4), "");
    }
    drop(server(&database, TESTTYPE));
}
