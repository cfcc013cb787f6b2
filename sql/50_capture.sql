-- The triggers that watch() puts on a table.
--
-- Invariants: a trigger never reads what triggers write, names no column but mtime, and its append stands in no
-- EXCEPTION block. So a writer fails through us only where the database itself fails, and SERIALIZABLE writers
-- do not conflict over the log.

-- AFTER each row, and AFTER TRUNCATE: appends the change, then rings if somebody sleeps. The argument is the table's
-- bulk_rows.
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
  -- By the oid of this moment: one that was written down would be another table's after a dump and restore.
  counter constant text := 'rowcast.rows_' || tg_relid;
  counted integer := coalesce(nullif(current_setting(counter, true), '')::integer, 0);
  bulk_rows constant integer := tg_argv[0]::integer;
begin
  if counted > bulk_rows then
    return null;
  end if;
  perform set_config(counter, (counted + 1)::text, true);
  -- Rendering a row that expands past 1 GB would fail the writer, and one far below that nobody wants in a poll.
  if counted = bulk_rows or tg_op = 'TRUNCATE'
     or coalesce(pg_column_size(old), 0) + coalesce(pg_column_size(new), 0) > 8388608 then
    insert into rowcast.change (relation, op) values (tg_relid, 'R');
  else
    insert into rowcast.change (relation, op, old, new)
      values (tg_relid, left(tg_op, 1)::"char", row_to_json(old), row_to_json(new));
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
