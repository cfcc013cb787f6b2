-- Which tables can be watched, and why others cannot.

-- The types that the text of a table's rows depends on: of its columns, and what those are arrays, domains, composites or
-- ranges of.
create or replace function rowcast.types_of(target oid) returns table (type oid)
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  with recursive types (type) as (
    select a.atttypid from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped
    union
    select part.type
    from types s join pg_type t on t.oid = s.type
    cross join lateral (
      select t.typelem
      union all select t.typbasetype
      union all select a.atttypid from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      union all select r.rngsubtype from pg_range r where r.rngtypid = t.oid
    ) part (type)
    where part.type <> 0
  )
  select s.type from types s
$$;

-- Why this table cannot be watched, as a sentence; null if it can.
create or replace function rowcast.refusal(target regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select case
    when n.nspname = 'rowcast' then 'it is part of rowcast itself'
    when n.nspname in ('pg_catalog', 'information_schema') then 'it is part of PostgreSQL itself'
    when c.relpersistence = 't' then 'it is a temporary table: only its own session sees it'
    when c.relkind = 'v' then 'it is a view; watch the tables that it reads'
    when c.relkind = 'm' then 'it is a materialized view, which is written by REFRESH alone'
    when c.relkind = 'f' then 'it is a foreign table: its rows change where no trigger of ours can see it'
    when c.relispartition
      then format('it is a partition: watch %s, and all of its partitions are watched', pg_partition_root(c.oid))
    when c.relkind not in ('r', 'p') then 'it is not a table'
    when c.relkind = 'p' and exists (select from pg_partition_tree(c.oid) t join pg_class p on p.oid = t.relid and p.relkind = 'f')
      then 'one of its partitions is a foreign table: its rows change where no trigger of ours can see it'
    when c.relkind = 'p' and exists (select from pg_partitioned_table p join pg_attribute a on a.attrelid = p.partrelid
           and a.attnum = any (p.partattrs) and a.attname = 'mtime' where p.partrelid = c.oid)
      then 'it is partitioned by mtime, which every update would move on'
    when c.relkind = 'r' and exists (select from pg_inherits i where i.inhparent = c.oid)
      then 'other tables inherit from it: their rows are seen through it, and no trigger of its own sees them; watch those instead'
    when exists (select from pg_attribute a where a.attrelid = c.oid and a.attgenerated = 'v' and not a.attisdropped)
      then 'it has a virtual generated column, which no trigger sees: make it a stored one'
    when c.reloftype <> 0 and not exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'mtime')
      then 'it is a typed table without a column mtime, which cannot be added to it alone'
    when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'mtime' and a.attnum > 0
                   and (a.atttypid <> 'timestamptz'::regtype or a.attgenerated <> '' or a.atttypmod between 0 and 5))
      then 'it has a column mtime that is not a plain timestamp with time zone, exact to the microsecond'
    -- It would run in the trigger, with the rights of the trigger's role and the search_path of whoever writes.
    when exists (select from rowcast.types_of(c.oid) t join pg_cast x on x.castsource = t.type and x.casttarget = 'json'::regtype
                   join pg_proc f on f.oid = x.castfunc join pg_language l on l.oid = f.prolang where l.lanname not in ('internal', 'c'))
      then 'a column has a type with a cast to json of the application''s own, which would run within our trigger: drop that cast'
  end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = target
$$;
