//! Takes the schema rowcast and all that it added out of a database, and nothing else.

use postgres::Client;

use super::install::{State, connect, objects, state_of};
use super::patience::patiently;
use crate::config::Address;
use crate::error::{Error, Kind, Result};

/// What is there to be removed, and how.
#[derive(Debug)]
pub struct Plan {
    /// The tables that are watched, as SQL spells them, and whether the column mtime goes with it.
    pub watched: Vec<(String, bool)>,
    /// Each to be run in a transaction of its own, so that no table is locked while another is waited for.
    tables: Vec<String>,
    /// In one transaction.
    schema: Vec<String>,
}

/// What somebody else made to depend on the schema or on a column that goes: a line each. The first part finds what
/// lies in the schema, the second what lies outside and uses it, the third what uses an mtime that watch() added.
const IN_THE_WAY: &str = "
with ours as (
  select 'pg_class'::regclass as classid, c.oid as objid from pg_class c where c.relnamespace = 'rowcast'::regnamespace
  union all select 'pg_proc'::regclass, p.oid from pg_proc p where p.pronamespace = 'rowcast'::regnamespace
  union all select 'pg_type'::regclass, t.oid from pg_type t where t.typnamespace = 'rowcast'::regnamespace
), users as (
  select d.classid, d.objid, d.objsubid, d.refclassid, d.refobjid, r.ev_class as rule_of,
         coalesce(c.relnamespace, p.pronamespace, y.typnamespace, k.connamespace, rc.relnamespace, fc.relnamespace, tc.relnamespace) as home,
         coalesce(tp.pronamespace = 'rowcast'::regnamespace, false) as our_trigger
  from pg_depend d
  left join pg_class c on d.classid = 'pg_class'::regclass and c.oid = d.objid
  left join pg_proc p on d.classid = 'pg_proc'::regclass and p.oid = d.objid
  left join pg_type y on d.classid = 'pg_type'::regclass and y.oid = d.objid
  left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
  left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
  left join pg_class rc on rc.oid = r.ev_class
  left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
  left join pg_class fc on fc.oid = f.adrelid
  left join pg_trigger t on d.classid = 'pg_trigger'::regclass and t.oid = d.objid
  left join pg_class tc on tc.oid = t.tgrelid
  left join pg_proc tp on tp.oid = t.tgfoid
  where d.deptype in ('n', 'a')
)
select pg_describe_object('pg_class'::regclass, c.oid, 0) || ' in schema rowcast' from pg_class c
where c.relnamespace = 'rowcast'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c', 'S') and c.relname <> all ($1::text[])
  and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype in ('a', 'i') and c.relkind = 'S')
union
select pg_describe_object('pg_proc'::regclass, p.oid, 0) || ' in schema rowcast' from pg_proc p
where p.pronamespace = 'rowcast'::regnamespace and p.proname <> all ($1::text[])
union
select pg_describe_object('pg_type'::regclass, t.oid, 0) || ' in schema rowcast' from pg_type t
where t.typnamespace = 'rowcast'::regnamespace and t.typtype in ('d', 'e', 'r')
union
select coalesce(pg_describe_object('pg_class'::regclass, u.rule_of, 0), pg_describe_object(u.classid, u.objid, u.objsubid))
    || ', which uses ' || pg_describe_object(u.refclassid, u.refobjid, 0)
from users u join ours o on o.classid = u.refclassid and o.objid = u.refobjid
where u.home is distinct from 'rowcast'::regnamespace and not u.our_trigger
union
select coalesce(pg_describe_object('pg_class'::regclass, r.ev_class, 0), pg_describe_object(d.classid, d.objid, d.objsubid))
    || ', which uses ' || pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid)
from rowcast.watched w
join pg_attribute a on a.attrelid = w.relation and a.attname = 'mtime' and a.attnum > 0
join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = w.relation and d.refobjsubid = a.attnum and d.deptype in ('n', 'a')
left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
where w.mtime_added and (f.adnum = a.attnum) is not true and (k.contype = 'n') is not true
order by 1";

/// What the present role may not remove.
const NOT_OWNED: &str = "
select format('schema rowcast (its owner is %s)', n.nspowner::regrole) from pg_namespace n
where n.nspname = 'rowcast' and not pg_has_role(n.nspowner, 'usage')
union all
select format('table %s (its owner is %s)', c.oid::regclass, c.relowner::regrole) from pg_class c
where not pg_has_role(c.relowner, 'usage') and c.oid in (select t.tgrelid from pg_trigger t
  join pg_proc p on p.oid = t.tgfoid where p.pronamespace = 'rowcast'::regnamespace)
order by 1";

/// The role of the capture trigger belongs to the whole cluster: it goes with the last database that uses it.
const DROP_ROLE: &str = "do $$
declare
  users text;
begin
  if to_regrole('rowcast_capture') is null then
    return;
  end if;
  select string_agg(distinct coalesce(d.datname, 'the whole cluster'), ', ') into users
    from pg_shdepend s left join pg_database d on d.oid = s.dbid
    where s.refclassid = 'pg_authid'::regclass and s.refobjid = to_regrole('rowcast_capture');
  if users is not null then
    raise notice 'the role rowcast_capture stays: it is used in %', users;
    return;
  end if;
  drop role rowcast_capture;
exception
  when insufficient_privilege then
    raise notice 'the role rowcast_capture stays, because % may not drop it', current_user;
  when dependent_objects_still_exist then
    raise notice 'the role rowcast_capture stays: it is used in another database';
end
$$";

/// Looks what is to be removed; None where there is no schema rowcast. An error if something of somebody else's would go
/// with it, or the role may not.
pub fn plan(config: &Address) -> Result<Option<Plan>> {
    let mut client = connect(config)?;
    match state_of(&mut client)? {
        State::Nothing => return Ok(None),
        State::Foreign(what) => {
            return Err(Error::new(Kind::Conflict, format!("the schema rowcast here is none of ours: it holds {what}. It stays as it is")));
        }
        _ => {}
    }
    let not_owned = lines(&mut client, NOT_OWNED, &[])?;
    if !not_owned.is_empty() {
        return Err(Error::forbidden(format!("this role may not remove rowcast from {}: run it as the owner", not_owned.join(", "))));
    }
    let (tables, views, functions) = objects();
    let known: Vec<&String> = tables.iter().chain(&views).chain(&functions).collect();
    let in_the_way = lines(&mut client, IN_THE_WAY, &[&known])?;
    if !in_the_way.is_empty() {
        return Err(Error::new(
            Kind::Conflict,
            format!("what others made would be lost with rowcast: {}. Drop that first, then run this again", in_the_way.join("; ")),
        ));
    }
    let watched = client.query(
        "select format('%I.%I', n.nspname, c.relname), w.mtime_added from rowcast.watched w
         join pg_class c on c.oid = w.relation join pg_namespace n on n.oid = c.relnamespace order by 1",
        &[],
    )?;
    let watched: Vec<(String, bool)> = watched.iter().map(|row| (row.get(0), row.get(1))).collect();
    let unwatch = client.query(
        "select format('select rowcast.unwatch(%L)', c.oid::regclass) from rowcast.watched w join pg_class c on c.oid = w.relation
         where not c.relispartition order by c.oid",
        &[],
    )?;
    // Made by hand, left over after a row of rowcast.watched was deleted, or on a table that became a partition, whose mtime
    // is its root's by now: they stand in the way of their function's end.
    let left_over = client.query(
        "select format('drop trigger if exists %I on %s', t.tgname, t.tgrelid::regclass) from pg_trigger t join pg_proc p on p.oid = t.tgfoid
         where t.tgparentid = 0 and p.pronamespace = 'rowcast'::regnamespace
           and t.tgrelid not in (select w.relation from rowcast.watched w join pg_class c on c.oid = w.relation where not c.relispartition)
         order by 1",
        &[],
    )?;
    Ok(Some(Plan {
        watched,
        tables: unwatch.iter().chain(&left_over).map(|row| row.get(0)).collect(),
        schema: drop_schema(&mut client, &tables, &views, &functions)?,
    }))
}

/// Object by object, so that what is not ours keeps the schema from being dropped.
fn drop_schema(client: &mut Client, tables: &[String], views: &[String], functions: &[String]) -> Result<Vec<String>> {
    // A function may take the row of a view, and another view may name that function: so those go between the two.
    const DROPS: &str = "
        with views as (
          select c.oid, array(select d.objid from pg_depend d where d.classid = 'pg_proc'::regclass and d.refclassid = 'pg_type'::regclass
                                and d.refobjid = c.reltype) as takers
          from pg_class c where c.relnamespace = 'rowcast'::regnamespace and c.relkind = 'v' and c.relname = any ($1::text[])
        ), functions as (
          select p.oid, p.proname, p.oid in (select unnest(v.takers) from views v) as takes_a_view
          from pg_proc p where p.pronamespace = 'rowcast'::regnamespace and p.proname = any ($3::text[])
        )
        select format('drop view %s', v.oid::regclass) from views v where v.takers = '{}'
        union all
        select 'drop function ' || string_agg(f.oid::regprocedure::text, ', ' order by f.proname) from functions f where f.takes_a_view
        union all
        select format('drop view %s', v.oid::regclass) from views v where v.takers <> '{}'
        union all
        select 'drop table ' || string_agg(c.oid::regclass::text, ', ' order by c.relname) from pg_class c
        where c.relnamespace = 'rowcast'::regnamespace and c.relkind = 'r' and c.relname = any ($2::text[])
        union all
        select 'drop function ' || string_agg(f.oid::regprocedure::text, ', ' order by f.proname) from functions f where not f.takes_a_view";
    let mut statements: Vec<String> = lines(client, DROPS, &[&views, &tables, &functions])?;
    statements.push("drop schema rowcast".to_owned());
    statements.push(DROP_ROLE.to_owned());
    Ok(statements)
}

fn lines(client: &mut Client, query: &str, parameters: &[&(dyn postgres::types::ToSql + Sync)]) -> Result<Vec<String>> {
    let rows = client.query(query, parameters)?;
    Ok(rows.iter().filter_map(|row| row.get::<_, Option<String>>(0)).collect())
}

impl Plan {
    /// All of it as a script for psql.
    pub fn script(&self) -> String {
        let tables: String = self.tables.iter().map(|statement| format!("{statement};\n")).collect();
        let schema: String = self.schema.iter().map(|statement| format!("{statement};\n")).collect();
        format!("\\set ON_ERROR_STOP on\nset lock_timeout = '2s';\n{tables}begin;\n{schema}commit;\n")
    }

    /// Does it.
    pub fn run(&self, config: &Address) -> Result<()> {
        let mut client = connect(config)?;
        client.batch_execute("set lock_timeout = '200ms'")?;
        for statement in &self.tables {
            patiently("a watched table", || Ok(client.batch_execute(statement)?))?;
        }
        patiently("the schema rowcast", || {
            let mut transaction = client.transaction()?;
            for statement in &self.schema {
                transaction.batch_execute(statement)?;
            }
            Ok(transaction.commit()?)
        })
    }
}
