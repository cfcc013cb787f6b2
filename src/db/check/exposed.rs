//! Findings about the tables that the configuration exposes.

use std::collections::BTreeMap;

use postgres::{Client, Row};

use super::{Finding, Mend};
use crate::config::{Access, nearest};
use crate::error::Result;

/// One row a name, with nulls where there is no such table.
const EXPOSED: &str = "
select e.name, c.oid is not null, coalesce(c.relkind in ('r', 'p'), false), case when c.oid is not null then format('%I.%I', n.nspname, c.relname) end, r.rolname::text,
       exists (select from rowcast.watched w where w.relation = c.oid), rowcast.refusal(c.oid), row_security_active(c.oid),
       quote_ident(current_user),
       concat_ws('; ',
         case when not has_schema_privilege(n.oid, 'usage') then format('grant usage on schema %I to %I', n.nspname, current_user) end,
         (select format('grant %s on %I.%I to %I', string_agg(p.need, ', '), n.nspname, c.relname, current_user)
          from unnest(case when e.writable then array['select', 'insert', 'update', 'delete'] else array['select'] end) as p (need)
          where not has_table_privilege(c.oid, p.need) having count(*) > 0),
         (select format('grant usage on sequence %s to %I', string_agg(distinct d.refobjid::regclass::text, ', '), current_user)
          from pg_attrdef f join pg_depend d on d.classid = 'pg_attrdef'::regclass and d.objid = f.oid and d.refclassid = 'pg_class'::regclass
          join pg_class s on s.oid = d.refobjid
          where e.writable and f.adrelid = c.oid and case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'usage') end having count(*) > 0))
from unnest($1::text[], $2::boolean[]) as e (name, writable)
left join pg_namespace n on n.nspname = case when strpos(e.name, '.') = 0 then 'public' else split_part(e.name, '.', 1) end
left join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
  and c.relname = case when strpos(e.name, '.') = 0 then e.name else substr(e.name, strpos(e.name, '.') + 1) end
left join pg_roles r on r.oid = c.relowner
order by e.name";

/// All tables and views, as the configuration would call them.
const KNOWN: &str = "
select case when n.nspname = 'public' then '' else n.nspname || '.' end || c.relname
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast', 'rowcast')";

pub fn look(client: &mut Client, expose: &BTreeMap<String, Access>) -> Result<Vec<Finding>> {
    if expose.is_empty() {
        let mend = "name tables in rowcast.toml: [expose] testtype = \"r\"";
        return Ok(vec![Finding::hint("the configuration exposes no table: nothing is seen over HTTP", Mend::hand(mend))]);
    }
    let names: Vec<&String> = expose.keys().collect();
    let writable: Vec<bool> = expose.values().map(|access| *access == Access::ReadWrite).collect();
    let known: Vec<String> = client.query(KNOWN, &[])?.iter().map(|row| row.get(0)).collect();
    let rows = client.query(EXPOSED, &[&names, &writable])?;
    Ok(rows.iter().zip(writable).flat_map(|(row, writable)| of_one(row, writable, &known)).collect())
}

fn of_one(row: &Row, writable: bool, known: &[String]) -> Vec<Finding> {
    let name: String = row.get(0);
    if !row.get::<_, bool>(1) {
        return vec![missing(&name, known)];
    }
    let (is_table, sql_name, owner, watched): (bool, String, String, bool) = (row.get(2), row.get(3), row.get(4), row.get(5));
    let mut findings = Vec::new();
    if !is_table && writable {
        findings.push(Finding::new(
            format!("the view {name} is exposed as \"rw\", but a view can only be read: it is not served"),
            Mend::hand(format!("in rowcast.toml, under [expose], write \"{name}\" = \"r\"")),
        ));
    }
    if is_table && !watched {
        let mend = match row.get::<_, Option<String>>(6) {
            None => Mend::rowcast(&["watch", &sql_name]),
            Some(refusal) => Mend::hand(format!("take it out of [expose] in rowcast.toml: it cannot be watched, for {refusal}")),
        };
        findings.push(Finding::new(format!("the exposed table {name} is not watched: it is not served"), mend));
    }
    let grants: String = row.get(9);
    if !grants.is_empty() {
        let what = format!("the server's role lacks rights on the exposed table {name}");
        findings.push(Finding::new(what, Mend::by_role(&owner, grants)));
    }
    if row.get(7) {
        let role: String = row.get(8);
        findings.push(Finding::new(
            format!("row security hides rows of the exposed table {name} from the server's role: it is not served"),
            // Not a matter of the table: a policy that lets the role see all would still count as hiding.
            Mend::by_superuser(format!("alter role {role} bypassrls")),
        ));
    }
    findings
}

fn missing(name: &str, known: &[String]) -> Finding {
    // A table of the same name in another schema is as near as can be.
    let same_table = |other: &&String| name.rsplit('.').next() == other.rsplit('.').next();
    let near = known.iter().find(same_table).map(String::as_str).or_else(|| nearest(name, known.iter().map(String::as_str)));
    let mend = match near {
        Some(near) => format!("in rowcast.toml, under [expose], write \"{near}\" instead of \"{name}\""),
        None => format!("create the table, or take \"{name}\" out of [expose] in rowcast.toml"),
    };
    Finding::new(format!("the exposed table {name} does not exist"), Mend::hand(mend))
}
