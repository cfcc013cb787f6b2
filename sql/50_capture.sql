-- The triggers that watch() puts on a table.
--
-- Invariants: a trigger never reads what triggers write, names no column but mtime, and its append stands in no
-- EXCEPTION block. So a writer fails through us only where the database itself fails, and SERIALIZABLE writers
-- do not conflict over the log.

-- AFTER each row, and AFTER TRUNCATE: appends the change, then rings if somebody sleeps. The arguments are the table's
-- bulk_rows and image_bytes, and a third one where the table is partitioned: the trigger is then each partition's, and
-- logs for the root, whose rows they are.
--
-- The counter is the number of changes that this transaction has logged for the table, kept in a setting that is
-- local to it: it ends with the transaction, and ROLLBACK TO takes it back together with the rows it counted. The
-- change past the limit is logged as one reset, and after that nothing more. Rows are counted over a transaction,
-- not a statement, so that a loop of single-row statements is bounded too.
--
-- Row by row, because that needs no pairing of old and new rows, and is in order where a trigger of the application's
-- changes the same row again (the name sorts first).
--
-- The settings that the text of an image depends on are pinned, so that an image does not follow its writer's
-- time zone. Definer's rights, so that a writer needs none on the log.
create or replace function rowcast.capture() returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = 'iso_8601'
set bytea_output = 'hex'
set extra_float_digits = 1
as $$
declare
  target constant oid := case when tg_nargs > 2 then coalesce(pg_partition_root(tg_relid), tg_relid) else tg_relid end;
  -- By the oid of this moment: one that was written down would be another table's after a dump and restore.
  counter constant text := 'rowcast.rows_' || target;
  counted integer := coalesce(nullif(current_setting(counter, true), '')::integer, 0);
  bulk_rows constant integer := tg_argv[0]::integer;
  old_image json;
  new_image json;
  elided text[];
begin
  if counted > bulk_rows then
    return null;
  end if;
  perform set_config(counter, (counted + 1)::text, true);
  if counted = bulk_rows or tg_op = 'TRUNCATE' then
    insert into rowcast.change (relation, op) values (target, 'R');
  elsif coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0) <= 8192 then
    insert into rowcast.change (relation, op, old, new)
      values (target, left(tg_op, 1)::"char", row_to_json(old), row_to_json(new));
  else
    -- A row that cannot be rendered, such as one that expands past 1 GB, must not fail its writer. The block writes
    -- nothing and so takes no transaction id.
    begin
      if tg_op = 'UPDATE' then
        select u.old, u.new, u.elided into old_image, new_image, elided from rowcast.large_update(target, tg_relid, old, new) u;
      else
        old_image := row_to_json(old);
        new_image := row_to_json(new);
      end if;
    exception when others then
      old_image := null;
      new_image := null;
    end;
    if coalesce(octet_length(old_image::text), 0) + coalesce(octet_length(new_image::text), 0)
       between 1 and coalesce(tg_argv[1]::integer, 4194304) then
      insert into rowcast.change (relation, op, old, new, elided)
        values (target, left(tg_op, 1)::"char", old_image, new_image, elided);
    else
      insert into rowcast.change (relation, op) values (target, 'R');
    end if;
  end if;
  for bed in 1 .. rowcast.beds() loop
    if not pg_try_advisory_xact_lock_shared(1919907683, bed) then
      -- A full queue would fail the writer's COMMIT; the slow timer of the sleeper comes instead.
      if pg_notification_queue_usage() < 0.9 then
        notify rowcast;
      end if;
      exit;
    end if;
  end loop;
  return null;
end
$$;

-- The images of an update of a large row, without the columns that are large (2 kB as stored) and that it did not change:
-- a counter beside a long text would otherwise log the text twice for each count. `target` is the watched table, whose key
-- counts, `part` the table that holds the row, whose columns these are. A row that changes its key, or has none, keeps
-- all: whoever gets it could not look up what is missing.
create or replace function rowcast.large_update(
  target oid, part oid, before anyelement, after anyelement, out old json, out new json, out elided text[])
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  -- By name: a partition has its columns in an order of its own.
  key_columns constant text[] := array(
    select a.attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = target and i.indisprimary and i.indimmediate);
  same_key boolean := false;
  columns text;
begin
  elided := '{}';
  if key_columns <> '{}' then
    execute (
      select format('select record_image_eq(row(%s), row(%s))',
        string_agg(format('($1).%I', k.name), ', '), string_agg(format('($2).%I', k.name), ', '))
      from unnest(key_columns) k (name)) into same_key using before, after;
  end if;
  if same_key then
    select string_agg(format(
        'case when pg_column_size(($2).%1$I) > 2048 and record_image_eq(row(($1).%1$I), row(($2).%1$I)) then %1$L end', a.attname), ', ')
      into columns from pg_attribute a
      where a.attrelid = part and a.attnum > 0 and not a.attisdropped and a.attlen = -1 and a.attname <> all (key_columns);
    if columns is not null then
      execute format('select array_remove(array[%s]::text[], null)', columns) into elided using before, after;
    end if;
  end if;
  execute (
    select format('select row_to_json(o.*), row_to_json(n.*) from (select %s) as o, (select %s) as n',
      string_agg(format('($1).%I', a.attname), ', ' order by a.attnum), string_agg(format('($2).%I', a.attname), ', ' order by a.attnum))
    from pg_attribute a
    where a.attrelid = part and a.attnum > 0 and not a.attisdropped and a.attname <> all (elided)
  ) into old, new using before, after;
  elided := nullif(elided, '{}');
end
$$;

-- BEFORE UPDATE of each row: mtime, which never goes backwards. The one trigger that names a column, so it has to
-- bear that the column is renamed, dropped or of another type by now: the block writes nothing and takes no xid.
create or replace function rowcast.touch() returns trigger
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  new.mtime := greatest(clock_timestamp(), old.mtime + interval '1 microsecond');
  return new;
exception when others then
  return new;
end
$$;
