//! Reads the exposed tables' description from the database's catalog. Names reach SQL only through here.

use std::collections::{BTreeMap, HashMap};

use tokio_postgres::Row;

use crate::catalog::{Catalog, Column, Table, TableKind};
use crate::change::Relation;
use crate::config::Access;

/// One row a column of every table that is one of the names in $1, those of public without a schema.
///
/// `readable` and `row_security` are about the server's own role: the log holds every row, so what a list would not show
/// must not be followed. `sql_name` is quoted by the database. `watched` is whether all its changes are logged, and as its
/// own: a partition's are its root's, a trigger may be disabled, and one that came with a dump is not known to be ours.
/// `refusal` is why it could not be watched any more, where it has changed since: it was made a partition, say. A table that
/// others inherit from by now is fine, for its own rows are listed and told alike.
pub const QUERY: &str = r#"
with named as materialized (
  select c.oid, e.name, n.nspname, c.relname, c.relkind,
         exists (select from rowcast.watched w where w.relation = c.oid)
           and not exists (
             select from (select c.oid as relid union all select p.relid from pg_partition_tree(c.oid) p) of_it
             -- 28 is inserts (4), deletes (8) and updates (16), by one row trigger (1) or by two.
             where coalesce((select bit_or(t.tgtype) from pg_trigger t
                             where t.tgrelid = of_it.relid and t.tgenabled in ('O', 'A') and t.tgtype & 1 = 1
                               and t.tgfoid in (to_regprocedure('rowcast.capture()'), to_regprocedure('rowcast.capture_update()'))
                               -- A column that prints by its writer's settings may have come since.
                               and (rowcast.needs(c.oid) like '%pinned' and encode(t.tgargs, 'escape') not like '%pinned%') is not true), 0)
                   & 28 <> 28) as watched,
         case when c.relkind in ('r', 'p') and (c.relkind = 'p' or not exists (select from pg_inherits i where i.inhparent = c.oid))
              then rowcast.refusal(c.oid) end as refusal,
         has_table_privilege(c.oid, 'select') as readable, row_security_active(c.oid) as row_security
  from unnest($1::text[]) as e (name)
  join pg_namespace n on n.nspname = case when strpos(e.name, '.') = 0 then 'public' else split_part(e.name, '.', 1) end
  join pg_class c on c.relnamespace = n.oid and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and c.relname = case when strpos(e.name, '.') = 0 then e.name else substr(e.name, strpos(e.name, '.') + 1) end
)
select c.oid, c.name, format('%I.%I', c.nspname, c.relname) as sql_name, c.relkind, a.attname::text as column_name,
       format_type(a.atttypid, a.atttypmod) as type_name,
       a.attgenerated = '' and a.attidentity <> 'a' as writable,
       array_position(k.indkey::int2[], a.attnum) as key_place,
       c.watched, c.refusal, c.readable, c.row_security
from named c
join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_index k on k.indrelid = c.oid and k.indisprimary and k.indimmediate
order by c.oid, a.attnum
"#;

/// Builds the catalog from the rows of [`QUERY`]. A table that is missing, not watched or hidden is told of in `missing`,
/// with what to do.
pub fn catalog(expose: &BTreeMap<String, Access>, rows: &[Row]) -> Catalog {
    struct Found {
        table: Table,
        key: Vec<(i32, usize)>,
        watched: bool,
        hidden: Option<String>,
    }
    let mut found: HashMap<Relation, Found> = HashMap::new();
    for row in rows {
        let name: String = row.get("name");
        let Some(&access) = expose.get(&name) else { continue };
        let entry = found.entry(row.get("oid")).or_insert_with(|| Found {
            table: Table {
                relation: row.get("oid"),
                exposed_name: name,
                sql_name: row.get("sql_name"),
                kind: match row.get::<_, i8>("relkind") as u8 {
                    b'r' => TableKind::Table,
                    b'p' => TableKind::Partitioned,
                    _ => TableKind::View,
                },
                columns: Vec::new(),
                key: Vec::new(),
                access,
            },
            key: Vec::new(),
            watched: row.get("watched"),
            hidden: if !row.get::<_, bool>("readable") {
                Some("the server's role may not select from it".to_owned())
            } else if row.get::<_, bool>("row_security") {
                Some("row security hides some of its rows from the server's role".to_owned())
            } else {
                row.get("refusal")
            },
        });
        if let Some(place) = row.get::<_, Option<i32>>("key_place") {
            entry.key.push((place, entry.table.columns.len()));
        }
        entry.table.columns.push(Column { name: row.get("column_name"), type_name: row.get("type_name"), writable: row.get("writable") });
    }
    let mut missing: Vec<String> = expose
        .keys()
        .filter(|name| !found.values().any(|one| one.table.exposed_name == **name))
        .map(|name| format!("the exposed table {name} does not exist"))
        .collect();
    let mut tables = Vec::new();
    for mut one in found.into_values() {
        if one.table.kind == TableKind::View && one.table.access != Access::Read {
            missing.push(format!("the exposed view {0} can only be read: expose {0} = \"r\"", one.table.exposed_name));
        } else if !one.watched && one.table.is_followed() {
            missing.push(format!("the exposed table {0} is not watched: run rowcast watch '{0}'", one.table.exposed_name));
        } else if let Some(why) = one.hidden {
            missing.push(format!("the exposed table {} is not served: {why}", one.table.exposed_name));
        } else {
            one.key.sort_unstable();
            one.table.key = one.key.into_iter().map(|(_, place)| place).collect();
            tables.push(one.table);
        }
    }
    missing.sort();
    Catalog::new(tables, missing)
}
