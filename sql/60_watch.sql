-- watch(), unwatch() and watch_all(): which tables are captured.

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
    when c.relkind = 'p' or c.relispartition then 'partitioned tables and their partitions are not supported yet'
    when exists (select from pg_inherits i where c.oid in (i.inhrelid, i.inhparent)) then 'tables with inheritance are not supported yet'
    when c.relkind <> 'r' then 'it is not a table'
    when c.relpersistence = 'u' then 'it is unlogged: a crash empties it without a trace'
    when not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary) then 'it has no primary key'
    when exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary and not i.indimmediate)
      then 'its primary key is deferrable: two transactions may hold one key at once, and the log cannot tell which came first'
    when exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'mtime' and a.attnum > 0
                   and (a.atttypid <> 'timestamptz'::regtype or a.attgenerated <> ''))
      then 'it has a column mtime that is not a plain timestamp with time zone'
  end
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.oid = target
$$;

-- Watches a table: adds mtime where it is missing, without a rewrite, and the triggers. Doing it again is safe, and
-- is how the triggers of an older version or another `bulk_rows` (null: as it was, at first 1000) are replaced. The default is written into
-- existing rows as now(), once; rows to come get clock_timestamp(). Needs the table's owner, and waits for the table's
-- writers only as long as lock_timeout says, because they would wait behind it.
create or replace function rowcast.watch(target regclass, bulk_rows integer default null) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
#variable_conflict use_variable
declare
  refusal text := rowcast.refusal(target);
  add_column boolean;
  add_default boolean;
  limit_rows integer := coalesce(bulk_rows, (select w.bulk_rows from rowcast.watched w where w.relation = target), 1000);
begin
  if refusal is not null then
    raise exception 'rowcast cannot watch %: %', target, refusal using errcode = 'feature_not_supported';
  end if;
  select count(*) = 0, coalesce(bool_and(not a.atthasdef), false) into add_column, add_default
    from pg_attribute a where a.attrelid = target and a.attname = 'mtime' and a.attnum > 0;
  if add_column then
    execute format('alter table %s add column mtime timestamptz not null default now()', target);
  end if;
  if add_column or add_default then
    execute format('alter table %s alter column mtime set default clock_timestamp()', target);
  end if;
  delete from rowcast.watched x where not exists (select from pg_class c where c.oid = x.relation);
  insert into rowcast.watched as w (relation, bulk_rows, mtime_added, default_added)
    values (target, limit_rows, add_column, add_default)
    on conflict (relation) do update set
      bulk_rows = excluded.bulk_rows,
      shape = null,
      mtime_added = w.mtime_added or excluded.mtime_added,
      default_added = w.default_added or excluded.default_added;
  perform rowcast.drop_triggers(target);
  execute format('create trigger zz_rowcast_mtime before update on %s for each row execute function rowcast.touch()', target);
  -- A name that sorts before those of the application's triggers, so that a change is logged before what they do to it.
  execute format('create trigger "00_rowcast_capture" after insert or update or delete on %s for each row execute function rowcast.capture(%L)',
    target, limit_rows);
  execute format('create trigger "00_rowcast_truncate" after truncate on %s for each statement execute function rowcast.capture(%L)',
    target, limit_rows);
  -- What was written while nobody captured is not in the log: whoever has a copy reads it anew.
  insert into rowcast.change (relation, op) values (target, 'R');
  notify rowcast;
end
$$;

-- Takes our triggers off a table, where they are.
create or replace function rowcast.drop_triggers(target regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  trigger_name name;
begin
  for trigger_name in
    select t.tgname from pg_trigger t
    where t.tgrelid = target and not t.tgisinternal
      and t.tgfoid in ('rowcast.capture()'::regprocedure, 'rowcast.touch()'::regprocedure)
  loop
    execute format('drop trigger %I on %s', trigger_name, target);
  end loop;
end
$$;

-- Removes what watch() added, and nothing else. Subscribers get a reset, because nothing more will be told.
create or replace function rowcast.unwatch(target regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
declare
  w rowcast.watched;
begin
  delete from rowcast.watched x where x.relation = target returning * into w;
  if not found then
    raise exception 'rowcast does not watch %', target using errcode = 'undefined_object';
  end if;
  perform rowcast.drop_triggers(target);
  if w.mtime_added then
    execute format('alter table %s drop column if exists mtime', target);
  elsif w.default_added then
    execute format('alter table %s alter column mtime drop default', target);
  end if;
  delete from rowcast.pruned_mtime p where p.relation = target;
  insert into rowcast.change (relation, op) values (target, 'R');
  notify rowcast;
end
$$;

-- Watches every table of a schema that can be watched; tells, in a notice, of those that cannot. Returns their number.
create or replace function rowcast.watch_all(target_schema regnamespace default 'public') returns integer
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  target regclass;
  refusal text;
  watched integer := 0;
begin
  for target in
    select c.oid::regclass from pg_class c
    where c.relnamespace = target_schema and c.relkind in ('r', 'p', 'f') order by c.relname
  loop
    refusal := rowcast.refusal(target);
    if refusal is null then
      perform rowcast.watch(target);
      watched := watched + 1;
    else
      raise notice 'rowcast does not watch %: %', target, refusal;
    end if;
  end loop;
  return watched;
end
$$;

-- Notes what each watched table looks like. One that looks otherwise than it did has had its rows changed where no trigger
-- fires (a column added with a default, retyped, renamed, dropped): one reset, in the transaction that notes it, so that
-- it is logged once, by whichever server looks first, and reaches cursors from before a restart too. Run by every server
-- when it connects and every few seconds.
create or replace function rowcast.note_shapes() returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  changed record;
begin
  for changed in
    select w.relation, w.shape as before, now.shape
    from rowcast.watched w
    cross join lateral (
      select concat_ws(' ', (select i.indkey from pg_index i where i.indrelid = w.relation and i.indisprimary),
        string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod), ', ' order by a.attnum)) as shape
      from pg_attribute a where a.attrelid = w.relation and a.attnum > 0 and not a.attisdropped
    ) now
    where w.shape is distinct from now.shape
    for update of w skip locked
  loop
    update rowcast.watched w set shape = changed.shape where w.relation = changed.relation;
    if changed.before is not null then
      insert into rowcast.change (relation, op) values (changed.relation, 'R');
      notify rowcast;
    end if;
  end loop;
end
$$;
