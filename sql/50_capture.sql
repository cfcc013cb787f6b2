-- The triggers that watch() puts on a table.
--
-- Invariants: a trigger never reads what triggers write, names no column but mtime, and its append stands in no
-- EXCEPTION block. So a writer fails through us only where the database itself fails, and SERIALIZABLE writers
-- do not conflict over the log.

-- AFTER each row, and AFTER TRUNCATE: appends the change, then rings if somebody sleeps. The arguments are the table's
-- bulk_rows and image_bytes, and what else it needs (see rowcast.needs()): where the table is partitioned, the trigger is
-- each partition's, and logs for the root, whose rows they are.
--
-- The counter is the number of changes that this transaction has logged for the table, kept in a setting that is
-- local to it: it ends with the transaction, and ROLLBACK TO takes it back together with the rows it counted. The
-- change past the limit is logged as one reset, and after that nothing more. Rows are counted over a transaction,
-- not a statement, so that a loop of single-row statements is bounded too. rowcast.full is the table that was last found
-- to be past its limit.
--
-- A transaction of few rows need not count. PostgreSQL knows how many rows this session has written to the log since it
-- last reported its statistics, which it does between two transactions, once a second: as long as those are fewer than
-- 999, so are this transaction's. Beyond that, every row of the log has a command number (cmin): no more rows have been logged in its
-- transaction than that says, and counting begins with the eighth command. What was not counted until then is taken for
-- as many as both allow. So for a statement of small rows of one table the limit is exact, if its session has written nothing
-- else of late; otherwise it may come up to 1000 rows early, or late. With a limit below 1000 rows everything is counted,
-- as watch() tells the trigger, which makes each row dearer. Where track_counts is off there is no limit above that.
--
-- Row by row, because that needs no pairing of old and new rows, and is in order where a trigger of the application's
-- changes the same row again (the name sorts first).
--
-- Definer's rights, so that a writer needs none on the log. This function has no settings of its own, for setting and
-- unsetting them would cost as much as all the rest: so every name in it, of operators and types too, is qualified, or
-- a writer's search_path would decide what runs here. What needs settings, or care, is in append().
--
-- PL/pgSQL prepares every expression anew in each transaction, and looks up the rights on each function and operator in
-- it: for a single row that costs more than what they do. So the usual row passes one condition, of few calls.
create or replace function rowcast.capture() returns trigger
language plpgsql volatile security definer
as $$
declare
  target pg_catalog.oid;
  counter pg_catalog.text;
  counted pg_catalog.int4;
  commands pg_catalog.int8;
  zone pg_catalog.text;
begin
  -- The usual row: few were logged before it; the table needs nothing special; the writer's DateStyle, IntervalStyle,
  -- bytea_output and extra_float_digits print as PostgreSQL's defaults do; and the row is small. One value of each, printed,
  -- tells that at a fraction of what comparing the settings costs.
  if pg_catalog.pg_stat_get_xact_tuples_inserted('rowcast.change'::pg_catalog.regclass) operator(pg_catalog.<) 999
     and pg_catalog.concat_ws(' ', tg_nargs, pg_catalog.date '2000-01-02', pg_catalog.interval '1 day 1 second',
                              pg_catalog.bytea '\x01', pg_catalog.float8 '0.30000000000000004')
         operator(pg_catalog.=) '2 2000-01-02 1 day 00:00:01 \x01 0.30000000000000004'
     and greatest(pg_catalog.pg_column_size(old), pg_catalog.pg_column_size(new)) operator(pg_catalog.<=) 4096 then
    if pg_catalog.current_setting('TimeZone') operator(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[]) then
      zone := pg_catalog.current_setting('TimeZone');
      counter := pg_catalog.set_config('TimeZone', 'UTC', true);
    end if;
    insert into rowcast.change (relation, op, old, new)
      values (tg_relid, tg_op::pg_catalog."char", pg_catalog.row_to_json(old), pg_catalog.row_to_json(new));
    if zone is not null then
      zone := pg_catalog.set_config('TimeZone', zone, true);
    end if;
  else
    if pg_catalog.current_setting('rowcast.full', true) operator(pg_catalog.=) tg_relid::pg_catalog.text then
      return null;
    end if;
    target := tg_relid;
    if tg_argv[2] operator(pg_catalog.~~) 'partitioned%' then
      target := coalesce(pg_catalog.pg_partition_root(tg_relid), tg_relid);
    end if;
    -- By the oid of this moment: one that was written down would be another table's after a dump and restore.
    counter := 'rowcast.rows_' operator(pg_catalog.||) target::pg_catalog.text;
    -- Null before a session's first count, and empty after the transaction that counted.
    counted := ('0' operator(pg_catalog.||) coalesce(pg_catalog.current_setting(counter, true), ''))::pg_catalog.int4;
    if counted operator(pg_catalog.>=) tg_argv[0]::pg_catalog.int4 then
      perform pg_catalog.set_config('rowcast.full', tg_relid::pg_catalog.text, true);
      if counted operator(pg_catalog.>) tg_argv[0]::pg_catalog.int4 then
        return null;
      end if;
    end if;
    if counted operator(pg_catalog.=) tg_argv[0]::pg_catalog.int4 or tg_op operator(pg_catalog.=) 'TRUNCATE' then
      insert into rowcast.change (relation, op) values (target, 'R');
    elsif greatest(pg_catalog.pg_column_size(old), pg_catalog.pg_column_size(new)) operator(pg_catalog.<=) 4096
       and (tg_argv[2] operator(pg_catalog.~~) '%pinned') is not true
       and pg_catalog.concat_ws(' ', pg_catalog.date '2000-01-02', pg_catalog.interval '1 day 1 second',
                                pg_catalog.bytea '\x01', pg_catalog.float8 '0.30000000000000004')
           operator(pg_catalog.=) '2000-01-02 1 day 00:00:01 \x01 0.30000000000000004' then
      if pg_catalog.current_setting('TimeZone') operator(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[]) then
        zone := pg_catalog.current_setting('TimeZone');
        perform pg_catalog.set_config('TimeZone', 'UTC', true);
      end if;
      insert into rowcast.change (relation, op, old, new)
        values (target, tg_op::pg_catalog."char", pg_catalog.row_to_json(old), pg_catalog.row_to_json(new))
        returning cmin::pg_catalog.text::pg_catalog.int8 into commands;
      if zone is not null then
        perform pg_catalog.set_config('TimeZone', zone, true);
      end if;
    elsif tg_op operator(pg_catalog.=) 'INSERT' then
      perform rowcast.append(target, tg_relid, 'I', new, new, tg_argv[1]::pg_catalog.int4);
    elsif tg_op operator(pg_catalog.=) 'DELETE' then
      perform rowcast.append(target, tg_relid, 'D', old, old, tg_argv[1]::pg_catalog.int4);
    else
      perform rowcast.append(target, tg_relid, 'U', old, new, tg_argv[1]::pg_catalog.int4);
    end if;
    if counted operator(pg_catalog.>) 0 or tg_nargs operator(pg_catalog.>) 2 or commands is null then
      counted := counted operator(pg_catalog.+) 1;
    elsif commands operator(pg_catalog.>=) 8 then
      -- At most the limit, for it is the row after that which logs the reset.
      counted := least(commands, tg_argv[0]::pg_catalog.int4, case
        when pg_catalog.pg_stat_get_xact_tuples_inserted('rowcast.change'::pg_catalog.regclass) operator(pg_catalog.=) 1000 then 1000
        else 8 end);
    end if;
    if counted operator(pg_catalog.>) 0 then
      -- Assigned, though nobody wants the answer: PERFORM is a query, and dearer.
      counter := pg_catalog.set_config(counter, counted::pg_catalog.text, true);
    end if;
  end if;
  for bed in 1 .. rowcast.beds() loop
    if not pg_catalog.pg_try_advisory_xact_lock_shared(1919907683, bed) then
      -- A full queue would fail the writer's COMMIT; the slow timer of the sleeper comes instead.
      if pg_catalog.pg_notification_queue_usage() operator(pg_catalog.<) 0.9 then
        notify rowcast;
      end if;
      exit;
    end if;
  end loop;
  return null;
end
$$;

-- Appends a change whose row is large, or whose writer has settings of his own: those that the text of an image depends on
-- are pinned here to PostgreSQL's defaults, so that an image does not follow its writer's time zone. `before` counts for an
-- update and a delete, `after` for an update and an insert. `image_bytes` is null in triggers of version 0.1.
create or replace function rowcast.append(
  target oid, part oid, op "char", before anyelement, after anyelement, image_bytes integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set datestyle = 'ISO, MDY'
set intervalstyle = 'postgres'
set bytea_output = 'hex'
set extra_float_digits = 1
set lc_monetary = 'C'
set quote_all_identifiers = off
as $$
#variable_conflict use_variable
declare
  is_large constant boolean := pg_column_size(before)::bigint + pg_column_size(after) > 8192;
  -- Nothing stored prints much shorter than it is, so what is beyond this need not be rendered to be found too large.
  most constant bigint := 8 * coalesce(image_bytes, 4194304)::bigint;
  old_image json;
  new_image json;
  elided text[];
begin
  if not is_large then
    insert into rowcast.change (relation, op, old, new)
      values (target, op, case when op <> 'I' then row_to_json(before) end, case when op <> 'D' then row_to_json(after) end);
    return;
  end if;
  -- A row that cannot be rendered, such as one that expands past 1 GB, must not fail its writer. The block writes
  -- nothing and so takes no transaction id.
  begin
    if op = 'U' then
      select u.old, u.new, u.elided into old_image, new_image, elided from rowcast.large_update(target, part, before, after, most) u;
    elsif pg_column_size(after) <= most then
      if op = 'D' then
        old_image := row_to_json(before);
      else
        new_image := row_to_json(after);
      end if;
    end if;
  exception when others then
    old_image := null;
    new_image := null;
  end;
  if coalesce(octet_length(old_image::text), 0) + coalesce(octet_length(new_image::text), 0)
     between 1 and coalesce(image_bytes, 4194304) then
    insert into rowcast.change (relation, op, old, new, elided) values (target, op, old_image, new_image, elided);
  else
    insert into rowcast.change (relation, op) values (target, 'R');
  end if;
end
$$;

-- The images of an update of a large row, without the columns that are large (above 2 kB) and that it did not change:
-- a counter beside a long text would otherwise log the text twice for each count. `target` is the watched table, whose key
-- counts, `part` the table that holds the row, whose columns these are. A row that changes its key, or has none, keeps
-- all: whoever gets it could not look up what is missing. Where the rest is more than `most` bytes as stored, no image.
create or replace function rowcast.large_update(
  target oid, part oid, before anyelement, after anyelement, most bigint, out old json, out new json, out elided text[])
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
  size bigint;
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
    select 'select ' || string_agg(format(
      'coalesce(pg_column_size(($1).%1$I), 0)::bigint + coalesce(pg_column_size(($2).%1$I), 0)', a.attname), ' + ')
    from pg_attribute a
    where a.attrelid = part and a.attnum > 0 and not a.attisdropped and a.attname <> all (elided)
  ) into size using before, after;
  if size > most then
    return;
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
-- bear that the column is renamed, dropped or of another type by now: the block writes nothing and takes no xid. Its
-- names are qualified, as in capture().
create or replace function rowcast.touch() returns trigger
language plpgsql volatile
as $$
begin
  new.mtime := greatest(pg_catalog.clock_timestamp(), old.mtime operator(pg_catalog.+) pg_catalog.interval '1 microsecond');
  return new;
exception when others then
  return new;
end
$$;
