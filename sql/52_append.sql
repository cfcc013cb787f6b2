-- What the triggers call.

-- Appends a change with these images. Always true.
create or replace function rowcast.append_images(target oid, op "char", old_image json, new_image json) returns boolean
language plpgsql volatile
as $$
begin
  insert into rowcast.change (relation, op, old, new) values (target, op, old_image, new_image);
  return true;
end
$$;

-- Appends a change that is not a usual row, and counts it where that is due; past the limit it appends a reset, once, and then
-- nothing. Returns whether anything was appended. `part` is the table of the trigger that calls, and `arguments` are that
-- trigger's, from 0 on. `before` counts for an update and a delete, `after` for an update and an insert. Where the table is
-- partitioned, the trigger is each partition's, and logs for the root, whose rows they are.
--
-- The counter is the number of changes that this transaction has logged for the table, kept in a setting that is
-- local to it: it ends with the transaction, and ROLLBACK TO takes it back together with the rows it counted. The
-- change past the limit is logged as one reset, and after that nothing more. Rows are counted over a transaction,
-- not a statement, so that a loop of single-row statements is bounded too.
--
-- A transaction of few rows need not count. PostgreSQL knows how many rows this session has written to the log since it
-- last reported its statistics, which it does between two transactions, once a second: as long as those are fewer than
-- 999, so are this transaction's. Beyond that, every row of the log has a command number (cmin): no more rows have been logged in its
-- transaction than that says, and counting begins with the eighth command. What was not counted until then is taken for
-- as many as both allow. So for a statement of small rows of one table the limit is exact, if its session has written nothing
-- else of late; otherwise it may come up to 1000 rows early, or late. With a limit below 1000 rows everything is counted,
-- as watch() tells the trigger, which makes each row dearer. Where track_counts is off there is no limit above that.
--
-- Runs with the rights and the settings of whoever calls, and so qualifies all names, as capture() does.
create or replace function rowcast.append_counted(
  part oid, op "char", before anyelement, after anyelement, arguments text[]) returns boolean
language plpgsql volatile
as $$
declare
  bulk_rows constant pg_catalog.int4 := arguments[0]::pg_catalog.int4;
  target pg_catalog.oid := part;
  counter pg_catalog.text;
  counted pg_catalog.int4;
  commands pg_catalog.int8;
  zone pg_catalog.text;
begin
  if arguments[2] operator(pg_catalog.~~) 'partitioned%' then
    target := coalesce(pg_catalog.pg_partition_root(part), part);
  end if;
  -- By the oid of this moment: one that was written down would be another table's after a dump and restore.
  counter := 'rowcast.rows_' operator(pg_catalog.||) target::pg_catalog.text;
  -- Null before a session's first count, and empty after the transaction that counted.
  counted := ('0' operator(pg_catalog.||) coalesce(pg_catalog.current_setting(counter, true), ''))::pg_catalog.int4;
  if counted operator(pg_catalog.>=) bulk_rows then
    zone := pg_catalog.set_config('rowcast.full', part::pg_catalog.text, true);
    if counted operator(pg_catalog.>) bulk_rows then
      return false;
    end if;
    insert into rowcast.change (relation, op) values (target, 'R');
  elsif greatest(pg_catalog.pg_column_size(before), pg_catalog.pg_column_size(after)) operator(pg_catalog.<=) 4096
     and (arguments[2] operator(pg_catalog.~~) '%pinned') is not true
     and pg_catalog.concat_ws(' ', pg_catalog.date '2000-01-02', pg_catalog.interval '1 day 1 second',
                              pg_catalog.bytea '\x01', pg_catalog.float8 '0.30000000000000004')
         operator(pg_catalog.=) '2000-01-02 1 day 00:00:01 \x01 0.30000000000000004' then
    if pg_catalog.current_setting('TimeZone') operator(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[]) then
      zone := pg_catalog.current_setting('TimeZone');
      perform pg_catalog.set_config('TimeZone', 'UTC', true);
    end if;
    insert into rowcast.change (relation, op, old, new)
      values (target, op,
        case when op operator(pg_catalog.<>) 'I' then pg_catalog.row_to_json(before) end,
        case when op operator(pg_catalog.<>) 'D' then pg_catalog.row_to_json(after) end)
      returning cmin::pg_catalog.text::pg_catalog.int8 into commands;
    if zone is not null then
      perform pg_catalog.set_config('TimeZone', zone, true);
    end if;
  else
    perform rowcast.append(target, part, op, before, after, arguments[1]::pg_catalog.int4);
  end if;
  if counted operator(pg_catalog.>) 0 or arguments[2] is not null or commands is null then
    counted := counted operator(pg_catalog.+) 1;
  elsif commands operator(pg_catalog.>=) 8 then
    -- At most the limit, for it is the row after that which logs the reset.
    counted := least(commands, bulk_rows, case
      when pg_catalog.pg_stat_get_xact_tuples_inserted('rowcast.change'::pg_catalog.regclass) operator(pg_catalog.=) 1000 then 1000
      else 8 end);
  end if;
  if counted operator(pg_catalog.>) 0 then
    -- Assigned, though nobody wants the answer: PERFORM is a query, and dearer.
    zone := pg_catalog.set_config(counter, counted::pg_catalog.text, true);
  end if;
  return true;
end
$$;

-- Appends a change whose row is large, or whose writer has settings of his own: those that the text of an image depends on
-- are pinned here to PostgreSQL's defaults, so that an image does not follow its writer's time zone. `image_bytes` is null in triggers of version 0.1.
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

-- Rings, which a trigger does after it has appended, and found a bed taken. Always true.
create or replace function rowcast.ring() returns boolean
language plpgsql volatile
as $$
begin
  -- A full queue would fail the writer's COMMIT; the slow timer of the sleeper comes instead.
  if pg_catalog.pg_notification_queue_usage() operator(pg_catalog.<) 0.9 then
    notify rowcast;
  end if;
  return true;
end
$$;
