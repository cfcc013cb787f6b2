-- The triggers that watch() puts on a table.
--
-- Invariants: a trigger never reads what triggers write, names no column but mtime, and its append stands in no
-- EXCEPTION block. So a writer fails through us only where the database itself fails, and SERIALIZABLE writers
-- do not conflict over the log.
--
-- Row by row, because that needs no pairing of old and new rows, and is in order where a trigger of the application's
-- changes the same row again.
--
-- Definer's rights, so that a writer needs none on the log. These functions have no settings of their own, for setting and
-- unsetting them would cost as much as all the rest: so every name in them, of operators and types too, is qualified, or
-- a writer's search_path would decide what runs here. What needs settings, or care, is in append().
--
-- PL/pgSQL prepares every expression anew in each transaction, and looks up the rights on each function and operator in
-- it: for a single row that costs more than what they do. So the usual row passes one condition, of few calls: few rows were
-- logged before it (see append_counted()); the table needs nothing special, and so the trigger has two arguments; the writer's
-- DateStyle, IntervalStyle, bytea_output and extra_float_digits print as PostgreSQL's defaults do, which one value of each,
-- printed, tells at a fraction of what comparing the settings costs; and the row is small.

-- AFTER each row inserted or deleted, or updated where capture_update() would not do, and AFTER TRUNCATE: appends the change,
-- then rings if somebody sleeps. The arguments are the table's bulk_rows and image_bytes, and what else it needs (see
-- rowcast.needs()). rowcast.full is the table that was last found to be past its limit in this transaction.
create or replace function rowcast.capture() returns trigger
language plpgsql volatile security definer
as $$
declare
  zone pg_catalog.text;
  logged pg_catalog.bool;
begin
  if pg_catalog.pg_stat_get_xact_tuples_inserted('rowcast.change'::pg_catalog.regclass) operator(pg_catalog.<) 999
     and pg_catalog.concat_ws(' ', tg_nargs, pg_catalog.date '2000-01-02', pg_catalog.interval '1 day 1 second',
                              pg_catalog.bytea '\x01', pg_catalog.float8 '0.30000000000000004')
         operator(pg_catalog.=) '2 2000-01-02 1 day 00:00:01 \x01 0.30000000000000004'
     and greatest(pg_catalog.pg_column_size(old), pg_catalog.pg_column_size(new)) operator(pg_catalog.<=) 4096 then
    if pg_catalog.current_setting('TimeZone') operator(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[]) then
      zone := pg_catalog.current_setting('TimeZone');
      -- Assigned, though nobody wants the answer: PERFORM is a query, and dearer.
      logged := pg_catalog.set_config('TimeZone', 'UTC', true) is not null;
    end if;
    insert into rowcast.change (relation, op, old, new)
      values (tg_relid, tg_op::pg_catalog."char", pg_catalog.row_to_json(old), pg_catalog.row_to_json(new));
    if zone is not null then
      zone := pg_catalog.set_config('TimeZone', zone, true);
    end if;
  -- By way of int8, which is printed at half of what an oid costs: past the limit that is most of what a row costs.
  elsif pg_catalog.current_setting('rowcast.full', true) operator(pg_catalog.=) tg_relid::pg_catalog.int8::pg_catalog.text then
    return null;
  elsif tg_op operator(pg_catalog.=) 'INSERT' then
    logged := rowcast.append_counted(tg_relid, 'I', new, new, tg_argv);
  elsif tg_op operator(pg_catalog.=) 'DELETE' then
    logged := rowcast.append_counted(tg_relid, 'D', old, old, tg_argv);
  elsif tg_op operator(pg_catalog.=) 'UPDATE' then
    logged := rowcast.append_counted(tg_relid, 'U', old, new, tg_argv);
  else
    insert into rowcast.change (relation, op) values (tg_relid, 'R');
  end if;
  for bed in 1 .. rowcast.beds() loop
    if not pg_catalog.pg_try_advisory_xact_lock_shared(1919907683, bed) then
      logged := rowcast.ring();
      exit;
    end if;
  end loop;
  return null;
end
$$;

-- BEFORE UPDATE of each row, as the last of its triggers: sets mtime, which never goes backwards, and appends the change, as
-- capture() does. It is right where what it sees is what will be stored (see row_is_final()): whatever fails between here and
-- there fails the statement, and takes the log's row back. One trigger instead of two is cheaper; above all, past the limit
-- nothing is left for PostgreSQL to remember until the statement's end, and to read again then.
--
-- Stable, though what it calls is not: so its expressions need no snapshot of their own, each of which costs past the limit as
-- much as all that is looked at there.
--
-- mtime is the one column that is named, so this has to bear that the column is renamed, dropped or of another type by
-- now: the block writes nothing and takes no transaction id.
--
-- Whatever takes the row as a whole makes it whole: a value that is stored out of line (TOAST) is brought into NEW, and would
-- be written once more, changed or not. So NEW is looked at only where OLD, made whole, is below 2000 bytes: PostgreSQL stores
-- values of longer rows out of line, and where a table's toast_tuple_target has it do so earlier, little is written twice. What
-- is larger goes to append_counted(), as an argument, which is a copy.
create or replace function rowcast.capture_update() returns trigger
language plpgsql stable security definer
as $$
declare
  zone pg_catalog.text;
  logged pg_catalog.bool;
begin
  begin
    new.mtime := greatest(pg_catalog.clock_timestamp(), old.mtime operator(pg_catalog.+) rowcast.tick());
  exception when others then
    -- Somebody dropped what follows from here on, and tick() went with it: see rowcast.capturing.
    if pg_catalog.to_regclass('rowcast.capturing') is null then
      return new;
    end if;
  end;
  if pg_catalog.pg_stat_get_xact_tuples_inserted('rowcast.change'::pg_catalog.regclass) operator(pg_catalog.<) 999
     and pg_catalog.concat_ws(' ', tg_nargs, pg_catalog.date '2000-01-02', pg_catalog.interval '1 day 1 second',
                              pg_catalog.bytea '\x01', pg_catalog.float8 '0.30000000000000004')
         operator(pg_catalog.=) '2 2000-01-02 1 day 00:00:01 \x01 0.30000000000000004'
     and pg_catalog.pg_column_size(old) operator(pg_catalog.<=) 2000
     and pg_catalog.pg_column_size(new) operator(pg_catalog.<=) 4096 then
    if pg_catalog.current_setting('TimeZone') operator(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[]) then
      zone := pg_catalog.current_setting('TimeZone');
      logged := pg_catalog.set_config('TimeZone', 'UTC', true) is not null;
    end if;
    logged := rowcast.append_images(tg_relid, 'U', pg_catalog.row_to_json(old), pg_catalog.row_to_json(new));
    if zone is not null then
      zone := pg_catalog.set_config('TimeZone', zone, true);
    end if;
  elsif pg_catalog.current_setting('rowcast.full', true) operator(pg_catalog.=) tg_relid::pg_catalog.int8::pg_catalog.text then
    return new;
  else
    logged := rowcast.append_counted(tg_relid, 'U', old, new, tg_argv);
  end if;
  for bed in 1 .. rowcast.beds() loop
    if not pg_catalog.pg_try_advisory_xact_lock_shared(1919907683, bed) then
      logged := rowcast.ring();
      exit;
    end if;
  end loop;
  return new;
end
$$;

-- BEFORE UPDATE of each row, where capture() logs updates: mtime alone, as in capture_update().
create or replace function rowcast.touch() returns trigger
language plpgsql stable
as $$
begin
  new.mtime := greatest(pg_catalog.clock_timestamp(), old.mtime operator(pg_catalog.+) pg_catalog.interval '1 microsecond');
  return new;
exception when others then
  return new;
end
$$;
