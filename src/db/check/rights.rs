//! Findings about rights: who the capture trigger runs as, what strangers may, and what the server's role lacks.

use std::collections::BTreeSet;

use postgres::Client;

use super::{By, Finding, Mend};
use crate::error::Result;

/// The functions of the schema that a server calls, and those that this command does.
const SERVING: [&str; 8] =
    ["advance_horizon", "beds", "begin_epoch", "current_epoch", "note_shapes", "prune", "refusal", "trigger_functions"];

/// What those call in turn.
const CALLED_BY_SERVING: [&str; 6] = ["epoch_of", "is_blind", "needs", "row_is_final", "shape", "types_of"];

/// The functions that append to the log, which run with their owner's rights inside other people's transactions.
const CAPTURING: [&str; 2] = ["capture", "capture_update"];

/// Whose rights the capture triggers have: that must be a role that can append to the log and nothing else, and nobody may attach their
/// functions to a table of his own.
pub fn of_capture(client: &mut Client) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let installer = schema_owner(client)?;
    let exists: bool = client.query_one("select to_regrole('rowcast_capture') is not null", &[])?.get(0);
    let functions = client.query(
        "select p.proname::text, p.proowner::regrole::text,
                array(select distinct case a.grantee when 0 then 'public' else a.grantee::regrole::text end
                      from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
                      where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE' order by 1)
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'rowcast' and p.proname = any ($1::text[]) order by 1",
        &[&&CAPTURING[..]],
    )?;
    let mut owners = BTreeSet::new();
    for row in &functions {
        let (function, owner, strangers): (String, String, Vec<String>) = (row.get(0), row.get(1), row.get(2));
        if owner != "rowcast_capture" {
            let make = if exists { "" } else { "create role rowcast_capture nologin; " };
            findings.push(Finding::new(
                format!(
                    "the trigger function rowcast.{function}() runs with the rights of {owner}, who may do more than append to the log"
                ),
                Mend::SqlThenRowcast(
                    format!("{make}grant rowcast_capture to {installer}; alter function rowcast.{function}() owner to {installer}"),
                    By::Superuser,
                    vec!["install".to_owned()],
                ),
            ));
        }
        if !strangers.is_empty() {
            let strangers = strangers.join(", ");
            findings.push(Finding::new(
                format!("{strangers} may attach rowcast.{function}() to tables, and so forge changes of others"),
                // The function's owner has no login: the schema's owner is a member of it, and revokes in its name.
                Mend::Sql(format!("revoke execute on function rowcast.{function}() from {strangers}"), By::Role(installer.clone())),
            ));
        }
        owners.insert(owner);
    }
    if exists {
        findings.extend(of_capture_role(client, &installer)?);
    }
    for owner in &owners {
        findings.extend(of_writers(client, owner)?);
    }
    Ok(findings)
}

/// What the capture triggers need and their owner may not: they then fail writers, or leave mtime as it was.
fn of_writers(client: &mut Client, owner: &str) -> Result<Option<Finding>> {
    const LACKING: &str = "
        select 'use the schema rowcast' where not has_schema_privilege($1, 'rowcast', 'usage')
        union all select 'append to the log' where not has_table_privilege($1, 'rowcast.change', 'insert')
        union all
        select 'call ' || p.oid::regprocedure from pg_proc p where p.pronamespace = 'rowcast'::regnamespace
          and p.proname in ('append', 'append_counted', 'append_images', 'beds', 'large_update', 'ring', 'tick') and not has_function_privilege($1, p.oid, 'execute')
        order by 1";
    let lacking: Vec<String> = client.query(LACKING, &[&owner])?.iter().map(|row| row.get(0)).collect();
    let what =
        || format!("the capture triggers may not {}: writes to watched tables fail, or leave mtime as it was", lacking.join(", nor "));
    Ok((!lacking.is_empty()).then(|| Finding::new(what(), Mend::rowcast(&["install"]))))
}

/// What the role rowcast_capture has besides the right to append to the log.
fn of_capture_role(client: &mut Client, installer: &str) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let role = client.query_one(
        "select concat_ws(' ', case when rolcanlogin then 'nologin' end, case when rolsuper then 'nosuperuser' end,
                case when rolcreaterole then 'nocreaterole' end, case when rolcreatedb then 'nocreatedb' end,
                case when rolbypassrls then 'nobypassrls' end, case when rolreplication then 'noreplication' end),
                array(select m.roleid::regrole::text from pg_auth_members m where m.member = r.oid order by 1)
         from pg_roles r where rolname = 'rowcast_capture'",
        &[],
    )?;
    let (attributes, member_of): (String, Vec<String>) = (role.get(0), role.get(1));
    if !attributes.is_empty() {
        findings.push(Finding::new(
            format!("the role rowcast_capture should be {attributes}: it is there to append to the log"),
            Mend::by_superuser(format!("alter role rowcast_capture {attributes}")),
        ));
    }
    if !member_of.is_empty() {
        let roles = member_of.join(", ");
        findings.push(Finding::new(
            format!("the role rowcast_capture is a member of {roles}, whose rights the capture trigger then has"),
            Mend::by_superuser(format!("revoke {roles} from rowcast_capture")),
        ));
    }
    let granted = client.query(
        "select c.oid::regclass::text, string_agg(distinct a.privilege_type, ', ') from pg_class c, aclexplode(c.relacl) a
         where a.grantee = 'rowcast_capture'::regrole and c.relowner <> a.grantee
           and not (c.oid = 'rowcast.change'::regclass and a.privilege_type = 'INSERT')
         group by c.oid order by 1",
        &[],
    )?;
    for row in &granted {
        let (table, rights): (String, String) = (row.get(0), row.get(1));
        findings.push(Finding::new(
            format!("the role rowcast_capture may {} {table}, and needs no such right", rights.to_lowercase()),
            Mend::by_superuser(format!("revoke {rights} on {table} from rowcast_capture")),
        ));
    }
    let owned = client.query(
        "select pg_describe_object(s.classid, s.objid, s.objsubid) from pg_shdepend s
         where s.refclassid = 'pg_authid'::regclass and s.refobjid = 'rowcast_capture'::regrole and s.deptype = 'o'
           and s.dbid = (select d.oid from pg_database d where d.datname = current_database())
           and not (s.classid = 'pg_proc'::regclass and s.objid in ('rowcast.capture()'::regprocedure, 'rowcast.capture_update()'::regprocedure)) order by 1",
        &[],
    )?;
    if !owned.is_empty() {
        let owned: Vec<String> = owned.iter().map(|row| row.get(0)).collect();
        findings.push(Finding::new(
            format!("the role rowcast_capture owns {}, with all rights on it", owned.join(", ")),
            Mend::SqlThenRowcast(format!("reassign owned by rowcast_capture to {installer}"), By::Superuser, vec!["install".to_owned()]),
        ));
    }
    Ok(findings)
}

/// Whoever may create functions in the schema may have them called by ours.
pub fn of_makers(client: &mut Client) -> Result<Option<Finding>> {
    const MAKERS: &str = "
        select string_agg(distinct a.grantee::regrole::text, ', ') from pg_namespace n, aclexplode(n.nspacl) a
        where n.nspname = 'rowcast' and a.privilege_type = 'CREATE' and a.grantee not in (0, n.nspowner)";
    let makers: Option<String> = client.query_one(MAKERS, &[])?.get(0);
    let Some(makers) = makers else { return Ok(None) };
    let revoke = Mend::Sql(format!("revoke create on schema rowcast from {makers}"), By::Role(schema_owner(client)?));
    Ok(Some(Finding::new(format!("{makers} may create objects in the schema rowcast, which its functions would use"), revoke)))
}

/// What everybody may in the schema. Only beds() is called by everybody, inside of the triggers.
pub fn of_public(client: &mut Client) -> Result<Option<Finding>> {
    const PUBLIC: &str = "
        select 'schema rowcast' from pg_namespace n, aclexplode(n.nspacl) a where n.nspname = 'rowcast' and a.grantee = 0
        union
        select case c.relkind when 'S' then 'sequence ' else 'table ' end || format('rowcast.%I', c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a where n.nspname = 'rowcast' and a.grantee = 0
        union
        select format('function rowcast.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid))
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where n.nspname = 'rowcast' and a.grantee = 0 and p.proname not in ('beds', 'capture', 'capture_update')
        order by 1";
    let open: Vec<String> = client.query(PUBLIC, &[])?.iter().map(|row| row.get(0)).collect();
    if open.is_empty() {
        return Ok(None);
    }
    let revoke: Vec<String> = open.iter().map(|what| format!("revoke all on {what} from public")).collect();
    Ok(Some(Finding::new(
        format!("PUBLIC has rights on {}", open.join(", ")),
        Mend::Sql(revoke.join("; "), By::Role(schema_owner(client)?)),
    )))
}

/// What the role of this connection lacks to serve: rights on the schema, whoever owns it.
pub fn of_server(client: &mut Client) -> Result<Option<Finding>> {
    const LACKING: &str = "
        select 'to use the schema' where not has_schema_privilege('rowcast', 'usage')
        union all
        select 'to read and write ' || string_agg(c.relname, ', ' order by c.relname)
        from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'rowcast' and (c.relkind = 'r' and not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
            and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
          or c.relkind = 'v' and not has_table_privilege(c.oid, 'select'))
        having count(*) > 0
        union all
        select 'to call ' || string_agg(p.proname, ', ' order by p.proname)
        from pg_proc p join pg_namespace n on n.oid = p.pronamespace
        where n.nspname = 'rowcast' and p.proname = any ($1::text[]) and not has_function_privilege(p.oid, 'execute')
        having count(*) > 0";
    let functions: Vec<&str> = SERVING.into_iter().chain(CALLED_BY_SERVING).collect();
    let lacking: Vec<String> = client.query(LACKING, &[&functions])?.iter().map(|row| row.get(0)).collect();
    if lacking.is_empty() {
        return Ok(None);
    }
    let row = client.query_one(
        "select current_user::text, quote_ident(current_user),
                string_agg(format('rowcast.%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)), ', ' order by p.proname)
         from pg_proc p join pg_namespace n on n.oid = p.pronamespace where n.nspname = 'rowcast' and p.proname = any ($1::text[])",
        &[&functions],
    )?;
    let (role, quoted, functions): (String, String, String) = (row.get(0), row.get(1), row.get(2));
    let grant = format!(
        "grant usage on schema rowcast to {quoted}; grant select, insert, update, delete on all tables in schema rowcast to {quoted}; \
         grant execute on function {functions} to {quoted}"
    );
    Ok(Some(Finding::new(
        format!("the server's role {role} has no right {} of rowcast", lacking.join(", ")),
        Mend::Sql(grant, By::Role(schema_owner(client)?)),
    )))
}

fn schema_owner(client: &mut Client) -> Result<String> {
    let owner = "select r.rolname::text from pg_namespace n join pg_roles r on r.oid = n.nspowner where n.nspname = 'rowcast'";
    Ok(client.query_one(owner, &[])?.get(0))
}
