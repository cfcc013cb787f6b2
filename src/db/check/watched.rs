//! Findings about the watched tables: their triggers, their mtime, and whether they can still be watched at all.

use std::collections::BTreeMap;

use postgres::{Client, Row};

use super::{By, Finding, Mend};
use crate::error::Result;

/// One row a trigger that should be there, with nulls where it is not. `type` is `pg_trigger.tgtype`: after each row inserted (4) or
/// deleted (8), after TRUNCATE (32), before each row updated (19); and where updates are logged afterwards, which an older
/// version did and some tables need, after those too (16).
const TRIGGERS: &str = r"
select format('%I.%I', n.nspname, c.relname), x.name, t.tgname::text, t.tgenabled in ('O', 'A'),
       t.tgtype = x.type and (t.tgqual is null
         -- Those that an older version made have none.
         or x.function = 'capture' and strpos(pg_get_triggerdef(t.oid),
           format(' WHEN ((%L::regclass IS NOT NULL)) EXECUTE ', 'rowcast.capturing'::regclass::text)) > 0),
       x.function = 'touch' or
         array_remove(string_to_array(encode(t.tgargs, 'escape'), '\000'), '') in (
           array_remove(array[w.bulk_rows::text, w.image_bytes::text, rowcast.needs(c.oid)], null),
           -- Of version 0.1.0, whose triggers had one argument; the other has its default.
           case when w.image_bytes = 4194304 and rowcast.needs(c.oid) is null then array[w.bulk_rows::text] end),
       w.always and t.tgenabled <> 'A',
       x.function = 'capture_update' and not c.relispartition and not rowcast.row_is_final(c.oid),
       x.function = 'touch' and rowcast.row_is_final(c.oid)
from rowcast.watched w join pg_class c on c.oid = w.relation join pg_namespace n on n.oid = c.relnamespace
cross join lateral (select exists (
  select from pg_trigger t join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'rowcast'::regnamespace
  where t.tgrelid = c.oid and (p.proname = 'capture_update' or p.proname = 'capture' and t.tgtype & 49 = 1)) as before) updates
join (values (null, '00_rowcast_truncate', 'capture', 32),
             (true, '00_rowcast_capture', 'capture', 13), (true, '~rowcast_update', 'capture_update', 19),
             (false, '00_rowcast_capture', 'capture', 29), (false, 'zz_rowcast_mtime', 'touch', 19))
  as x (before, name, function, type) on coalesce(x.before = updates.before, true)
left join pg_trigger t on t.tgrelid = c.oid and not t.tgisinternal
  and t.tgfoid = (select p.oid from pg_proc p where p.proname = x.function and p.pronamespace = 'rowcast'::regnamespace)
  and (t.tgtype & 32 = 32) = (x.type = 32)
order by 1, 2";

/// Partitions on which a trigger of ours does not fire.
const PARTITIONS: &str = r#"
select format('%I.%I', n.nspname, c.relname), string_agg(p.relid::regclass::text, ', ' order by p.relid::regclass::text)
from rowcast.watched w join pg_class c on c.oid = w.relation and c.relkind = 'p' join pg_namespace n on n.oid = c.relnamespace,
     pg_partition_tree(w.relation) p
where p.isleaf and (select count(*) from pg_trigger t where t.tgrelid = p.relid and t.tgparentid <> 0
    and t.tgenabled = any (case when w.always then array['A'] else array['O', 'A'] end::"char"[])
  and t.tgfoid = any (rowcast.trigger_functions())) < 2
group by 1 order by 1"#;

const COLUMNS: &str = "
select format('%I.%I', n.nspname, c.relname), r.rolname::text, a.attname is null,
       coalesce(a.atttypid <> 'timestamptz'::regtype or a.attgenerated <> '', false), coalesce(not a.attnotnull, false),
       coalesce(not a.atthasdef, false), w.mtime_added, rowcast.refusal(c.oid),
       array(select format('%I.%I', h.nspname, k.relname) from pg_inherits i join pg_class k on k.oid = i.inhrelid
             join pg_namespace h on h.oid = k.relnamespace where i.inhparent = c.oid and c.relkind = 'r' order by 1),
       array(select i.indexrelid::regclass::text from pg_index i where i.indrelid = c.oid and a.attnum = any (i.indkey::int2[]) order by 1),
       case when c.relispartition then (select format('%I.%I', h.nspname, k.relname) from pg_class k
         join pg_namespace h on h.oid = k.relnamespace where k.oid = pg_partition_root(c.oid)) end,
       (select string_agg(format('drop trigger %I on %s; ', t.tgname, c.oid::regclass), '') from pg_trigger t
        where t.tgrelid = c.oid and t.tgparentid = 0 and t.tgfoid = any (rowcast.trigger_functions()))
       || format('delete from rowcast.watched where relation = %L::regclass', c.oid::regclass)
from rowcast.watched w join pg_class c on c.oid = w.relation join pg_namespace n on n.oid = c.relnamespace
join pg_roles r on r.oid = c.relowner
left join pg_attribute a on a.attrelid = c.oid and a.attname = 'mtime' and a.attnum > 0
order by 1";

pub fn look(client: &mut Client) -> Result<Vec<Finding>> {
    let mut wrong: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut dear = Vec::new();
    for row in &client.query(TRIGGERS, &[])? {
        if let Some(what) = of_trigger(row) {
            wrong.entry(row.get(0)).or_default().push(what);
        } else if row.get::<_, bool>(8) {
            dear.push(row.get::<_, String>(0));
        }
    }
    for row in &client.query(PARTITIONS, &[])? {
        wrong.entry(row.get(0)).or_default().push(format!("its triggers do not fire on {}", row.get::<_, String>(1)));
    }
    let again = |(table, wrong): (String, Vec<String>)| {
        Finding::new(
            format!("the watched table {table} is not captured as it should be: {}", wrong.join("; ")),
            Mend::rowcast(&["watch", &table]),
        )
    };
    dear.retain(|table| !wrong.contains_key(table));
    let mut findings: Vec<Finding> = wrong.into_iter().map(again).collect();
    findings.extend(dear.iter().map(|table| {
        let what = format!("updates of the watched table {table} cost their writers more than they need to, until it is watched again");
        Finding::hint(what, Mend::rowcast(&["watch", table]))
    }));
    for row in &client.query(COLUMNS, &[])? {
        findings.extend(of_columns(row));
    }
    Ok(findings)
}

fn of_trigger(row: &Row) -> Option<String> {
    let name: String = row.get(1);
    let Some(present) = row.get::<_, Option<String>>(2) else { return Some(format!("the trigger {name} is missing")) };
    if present != name {
        return Some(format!("the trigger {name} is called {present}, and fires in another order"));
    }
    if !row.get::<_, bool>(3) {
        return Some(format!("the trigger {name} is disabled"));
    }
    if row.get::<_, bool>(6) {
        return Some(format!("the trigger {name} does not fire always, as it was asked to"));
    }
    if !row.get::<_, bool>(4) {
        return Some(format!("the trigger {name} does not fire for all that it should"));
    }
    if row.get::<_, bool>(7) {
        return Some(format!(
            "the trigger {name} does not see rows as they are stored any more, for a generated column or a later trigger has come: \
             updates are told as resets"
        ));
    }
    // Null where the arguments are neither of the forms that there are.
    let fits = row.get::<_, Option<bool>>(5).unwrap_or(false);
    (!fits).then(|| format!("the trigger {name} has other limits than rowcast.watched says"))
}

fn of_columns(row: &Row) -> Vec<Finding> {
    let (table, owner): (String, String) = (row.get(0), row.get(1));
    let [gone, retyped, nullable, no_default, added]: [bool; 5] = std::array::from_fn(|place| row.get(place + 2));
    let (refusal, children, indexes): (Option<String>, Vec<String>, Vec<String>) = (row.get(7), row.get(8), row.get(9));
    let mut findings = Vec::new();
    if gone {
        let what = format!("the watched table {table} has lost its column mtime");
        findings.push(Finding::new(what, Mend::rowcast(&["watch", &table])));
    } else if retyped {
        findings.push(Finding::new(
            format!("the column mtime of the watched table {table} is no plain timestamp with time zone any more: it stays as it is"),
            Mend::by_role(
                &owner,
                format!(
                    "alter table {table} alter mtime drop default, alter mtime type timestamptz using mtime::timestamptz, \
                     alter mtime set default clock_timestamp()"
                ),
            ),
        ));
    } else if !children.is_empty() {
        let what =
            format!("{} inherit from the watched table {table}: their rows are seen through it, and not captured", children.join(", "));
        let mut commands = vec!["unwatch".to_owned(), table.clone()];
        commands.extend(["&&", "rowcast", "watch"].map(str::to_owned));
        commands.extend(children);
        findings.push(Finding::new(what, Mend::Rowcast(commands)));
    } else if let Some(root) = row.get::<_, Option<String>>(10) {
        // Its mtime is the root's by now, so it cannot be unwatched in the ordinary way.
        let forget: String = row.get::<_, Option<String>>(11).unwrap_or_default();
        findings.push(Finding::new(
            format!("the watched table {table} became a partition of {root}, which has to be watched instead"),
            Mend::SqlThenRowcast(forget, By::Role(owner.clone()), vec!["watch".to_owned(), root]),
        ));
    } else if let Some(refusal) = refusal {
        findings.push(Finding::new(
            format!("the watched table {table} can be watched no longer: {refusal}"),
            Mend::rowcast(&["unwatch", &table]),
        ));
    }
    if !gone && !retyped && nullable {
        let mend = Mend::by_role(
            &owner,
            format!("update {table} set mtime = clock_timestamp() where mtime is null; alter table {table} alter mtime set not null"),
        );
        let what = format!("the column mtime of the watched table {table} may be null");
        // A column of the application's own is as the application made it.
        findings.push(Finding { what, mend, hint: !added });
    }
    if !gone && !retyped && no_default {
        let what = format!("the column mtime of the watched table {table} has no default: new rows have none, or are refused");
        findings.push(Finding::new(what, Mend::rowcast(&["watch", &table])));
    }
    if !indexes.is_empty() {
        findings.push(Finding::hint(
            format!("an index on mtime makes every update of {table} write to all of its indexes: {}", indexes.join(", ")),
            Mend::by_role(&owner, format!("drop index {}", indexes.join(", "))),
        ));
    }
    findings
}

/// Triggers of ours on tables that are not watched.
pub fn left_over(client: &mut Client) -> Result<Vec<Finding>> {
    const LEFT_OVER: &str = "
        select t.tgrelid::regclass::text, min(r.rolname)::text, string_agg(format('drop trigger %I on %s', t.tgname, t.tgrelid::regclass), '; ' order by t.tgname)
        from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_roles r on r.oid = c.relowner
        where t.tgparentid = 0 and t.tgfoid = any (rowcast.trigger_functions())
          and t.tgrelid not in (select w.relation from rowcast.watched w)
        group by t.tgrelid order by 1";
    let finding = |row: &Row| {
        let what = format!("the table {} has triggers of rowcast, but is not watched", row.get::<_, String>(0));
        Finding::new(what, Mend::by_role(row.get(1), row.get::<_, String>(2)))
    };
    Ok(client.query(LEFT_OVER, &[])?.iter().map(finding).collect())
}
