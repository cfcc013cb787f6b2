-- watch(), unwatch() and watch_all(): which tables are captured.

-- Locks a table against everybody, in tries so short that its writers hardly queue behind them: watching a busy table
-- takes patience, which is here. The lock is kept to the end of the transaction.
create or replace function rowcast.lock_table(target regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '100ms'
as $$
declare
  give_up constant timestamptz := clock_timestamp() + interval '30 seconds';
  holders text;
begin
  loop
    begin
      execute format('lock table %s in access exclusive mode', target);
      return;
    exception when lock_not_available then
      if clock_timestamp() > give_up then
        select string_agg(format('process %s (%s, %s)', l.pid, coalesce(s.usename::text, s.backend_type), coalesce(s.state, 'at work')), ', ')
          into holders
          from pg_locks l left join pg_stat_activity s on s.pid = l.pid
          where l.relation = target and l.granted and l.database = (select d.oid from pg_database d where d.datname = current_database());
        raise exception 'rowcast could not lock % for a moment, though it tried for 30 seconds', target
          using errcode = 'lock_not_available', detail = format('It is held by %s.', coalesce(holders, 'nobody any more')),
                hint = 'Try again when those have ended: the lock is needed to put triggers on the table or take them off.';
      end if;
    end;
    -- Longer than a try, so that whoever queued behind it gets by.
    perform pg_sleep(0.1 + random() * 0.1);
  end loop;
end
$$;

-- What the capture triggers need, in one place: each AFTER trigger depends on the view capturing, and through it on all that is
-- named here, by its FROM or its WHEN. So nothing of that can be dropped on its own, and with CASCADE those triggers go along: a
-- writer never meets half of it. Only a WHEN could make a BEFORE trigger depend on something, and every update would pay for it:
-- so capture_update() calls tick() where it bears an error, and tick() goes with the rest.
-- The one column of each view stays as it is, so that a later version can name other things here, and then drop what it replaced.
create or replace view rowcast.capturing_parts as
  select row(c.id, c.xid, c.relation, c.op, c.old, c.new, c.time, c.elided) is not null
     and 'rowcast.append_images(oid,"char",json,json)'::regprocedure is not null
     and 'rowcast.append_counted(oid,"char",anyelement,anyelement,text[])'::regprocedure is not null
     and 'rowcast.append(oid,oid,"char",anyelement,anyelement,integer)'::regprocedure is not null
     and 'rowcast.large_update(oid,oid,anyelement,anyelement,bigint)'::regprocedure is not null
     and 'rowcast.ring()'::regprocedure is not null
     and 'rowcast.beds()'::regprocedure is not null as whole
  from rowcast.change c;
comment on view rowcast.capturing_parts is 'What the capture triggers need, so that they depend on it';

-- The least by which a row's mtime grows. A constant, which costs nothing where it is called. The argument is there for nothing but
-- its type: it makes the function depend on the view, and so on all that this names.
create or replace function rowcast.tick(parts rowcast.capturing_parts default null) returns interval
language sql immutable
as $$
  select interval '1 microsecond'
$$;

create or replace view rowcast.capturing as
  select p.whole and 'rowcast.tick(rowcast.capturing_parts)'::regprocedure is not null as whole from rowcast.capturing_parts p;
comment on view rowcast.capturing is 'What the capture triggers need, by way of what makes them depend on it';

-- Forms of earlier versions, which the one below would make ambiguous.
drop function if exists rowcast.watch(regclass, integer);
drop function if exists rowcast.watch(regclass, integer, integer);

-- The functions of our triggers.
create or replace function rowcast.trigger_functions() returns oid[]
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select array(select p.oid from pg_proc p where p.pronamespace = 'rowcast'::regnamespace and p.prorettype = 'trigger'::regtype)
$$;

-- The comment on a column that watch() added, by which unwatch() knows that it is still the same.
create or replace function rowcast.mark_of_ours() returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
  select 'When the row was written last; added by rowcast.watch()'
$$;

-- What somebody made to use a table's column mtime: an index, a constraint, a view. It would go with the column.
create or replace function rowcast.users_of_mtime(target regclass) returns setof text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select distinct coalesce(pg_describe_object('pg_class'::regclass, r.ev_class, 0), pg_describe_object(d.classid, d.objid, d.objsubid))
  from pg_attribute a
  join pg_depend d on d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum and d.deptype in ('n', 'a')
  left join pg_rewrite r on d.classid = 'pg_rewrite'::regclass and r.oid = d.objid
  left join pg_constraint k on d.classid = 'pg_constraint'::regclass and k.oid = d.objid
  left join pg_attrdef f on d.classid = 'pg_attrdef'::regclass and f.oid = d.objid
  where a.attrelid = target and a.attname = 'mtime' and a.attnum > 0 and not a.attisdropped
    -- But its own default and NOT NULL.
    and (f.adnum = a.attnum) is not true and (k.contype = 'n') is not true
$$;

-- What its trigger must know of a table besides the limits, as the third argument: that it is partitioned, so that changes
-- are its own and not the partition's; that rows are counted from the first on, because its limit is below 1000; that rows
-- are rendered with pinned settings only, because the text of some type follows the search_path or lc_monetary of whoever
-- writes. Null of an ordinary table.
create or replace function rowcast.needs(target oid) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select nullif(concat_ws(' ',
    case when exists (select from pg_class c where c.oid = target and c.relkind = 'p') then 'partitioned' end,
    case when exists (select from rowcast.watched w where w.relation = target and w.bulk_rows < 1000) then 'counted' end,
    case when exists (select from rowcast.types_of(target) t join pg_type y on y.oid = t.type
                      where y.typnamespace = 'pg_catalog'::regnamespace and (y.typname ~ '^reg[a-z]+$' or y.typname = 'money'))
      then 'pinned' end), '')
$$;

-- Whether a trigger of ours that fires before an update, as the last of them, sees the row as it is stored. Not where a column
-- is generated, which comes after; where a trigger of a later name may change the row again; nor where the table is
-- partitioned or a partition, for then an update may move a row. There capture() logs updates, afterwards.
create or replace function rowcast.row_is_final(target oid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_class c where c.oid = target and c.relkind = 'r' and not c.relispartition)
    and not exists (select from pg_attribute a where a.attrelid = target and a.attgenerated <> '' and not a.attisdropped)
    -- 19 is a row's (1), before (2) its update (16).
    and not exists (select from pg_trigger t where t.tgrelid = target and t.tgtype & 19 = 19 and t.tgname > '~rowcast_update')
$$;

-- Whether a table's updates are logged before they happen though rowcast.row_is_final() no longer holds: what is logged may be
-- other than what is stored.
create or replace function rowcast.is_blind(target oid) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select exists (select from pg_trigger t where t.tgrelid = target and t.tgfoid = 'rowcast.capture_update()'::regprocedure)
    and not rowcast.row_is_final(target)
$$;

-- Watches a table: adds mtime where it is missing, without a rewrite, and the triggers. Doing it again is safe, and
-- is how another limit is set (null: as it was; at first 1000 rows, 4 MiB, and not always). The default is written into
-- existing rows as now(), once; rows to come get clock_timestamp(). Needs the table's owner.
create or replace function rowcast.watch(
  target regclass, bulk_rows integer default null, image_bytes integer default null, always boolean default null) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_variable
declare
  refusal text := rowcast.refusal(target);
  add_column boolean;
  add_default boolean;
  limits record;
  arguments text;
  events text;
begin
  if refusal is not null then
    raise exception 'rowcast cannot watch %: %', target, refusal using errcode = 'feature_not_supported';
  end if;
  perform rowcast.lock_table(target);
  select count(*) = 0, coalesce(bool_and(not a.atthasdef), false) into add_column, add_default
    from pg_attribute a where a.attrelid = target and a.attname = 'mtime' and a.attnum > 0;
  if add_column then
    execute format('alter table %s add column mtime timestamptz not null default now()', target);
    execute format('comment on column %s.mtime is %L', target, rowcast.mark_of_ours());
  end if;
  if add_column or add_default then
    execute format('alter table %s alter column mtime set default clock_timestamp()', target);
  end if;
  delete from rowcast.watched x where not exists (select from pg_class c where c.oid = x.relation);
  insert into rowcast.watched as w (relation, bulk_rows, image_bytes, always, mtime_added, default_added)
    values (target, coalesce(bulk_rows, 1000), coalesce(image_bytes, 4194304), coalesce(always, false), add_column, add_default)
    on conflict (relation) do update set
      bulk_rows = coalesce(bulk_rows, w.bulk_rows),
      image_bytes = coalesce(image_bytes, w.image_bytes),
      always = coalesce(always, w.always),
      mtime_added = w.mtime_added or excluded.mtime_added,
      default_added = w.default_added or excluded.default_added
    returning w.bulk_rows, w.image_bytes, w.always into limits;
  perform rowcast.drop_triggers(target);
  arguments := concat_ws(', ', quote_literal(limits.bulk_rows), quote_literal(limits.image_bytes), quote_literal(rowcast.needs(target)));
  if rowcast.row_is_final(target) then
    events := 'insert or delete';
    -- A name that sorts after all that begin with a letter, so that it is the last to see the row.
    execute format('create trigger "~rowcast_update" before update on %s
      for each row execute function rowcast.capture_update(%s)', target, arguments);
  else
    events := 'insert or update or delete';
    execute format('create trigger zz_rowcast_mtime before update on %s for each row execute function rowcast.touch()', target);
  end if;
  -- A name that sorts before those of the application's triggers, so that a change is logged before what they do to it.
  if (select c.relkind from pg_class c where c.oid = target) = 'p' then
    -- Whoever makes a partition would need a right on what is named in FROM.
    execute format('create trigger "00_rowcast_capture" after %s on %s for each row
      when (%L::regclass is not null) execute function rowcast.capture(%s)', events, target, 'rowcast.capturing', arguments);
  else
    -- A constraint trigger, which constrains nothing: it may have a FROM, and a WHEN is read anew at every statement.
    execute format('create constraint trigger "00_rowcast_capture" after %s on %s from %s
      for each row execute function rowcast.capture(%s)', events, target, 'rowcast.capturing', arguments);
  end if;
  execute format('create trigger "00_rowcast_truncate" after truncate on %s for each statement
    when (%L::regclass is not null) execute function rowcast.capture(%s)', target, 'rowcast.capturing', arguments);
  if limits.always then
    perform rowcast.fire_always(target);
  end if;
  update rowcast.watched w set shape = rowcast.shape(target), blind = false where w.relation = target;
  -- What was written while nobody captured is not in the log: whoever has a copy reads it anew.
  insert into rowcast.change (relation, op) values (target, 'R');
  notify rowcast;
end
$$;

-- Has our triggers on a table and its partitions fire whatever session_replication_role says.
create or replace function rowcast.fire_always(target regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  ours record;
begin
  for ours in
    select t.tgname, t.tgrelid::regclass as relation from pg_trigger t
    where t.tgfoid = any (rowcast.trigger_functions())
      and (t.tgrelid = target or t.tgrelid in (select p.relid from pg_partition_tree(target) p))
    order by t.tgrelid, t.tgname
  loop
    execute format('alter table only %s enable always trigger %I', ours.relation, ours.tgname);
  end loop;
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
      and t.tgfoid = any (rowcast.trigger_functions())
  loop
    execute format('drop trigger %I on %s', trigger_name, target);
  end loop;
end
$$;

-- Removes what watch() added, and nothing else. Subscribers get a reset, because nothing more will be told.
create or replace function rowcast.unwatch(target regclass) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  w rowcast.watched;
  mtime record;
  in_the_way text;
begin
  perform rowcast.lock_table(target);
  delete from rowcast.watched x where x.relation = target returning * into w;
  if not found then
    raise exception 'rowcast does not watch %', target using errcode = 'undefined_object';
  end if;
  perform rowcast.drop_triggers(target);
  select coalesce(col_description(target, a.attnum) = rowcast.mark_of_ours(), true) as marked,
         pg_get_expr(f.adbin, f.adrelid) = 'clock_timestamp()' as ours
    into mtime
    from pg_attribute a left join pg_attrdef f on f.adrelid = a.attrelid and f.adnum = a.attnum
    where a.attrelid = target and a.attname = 'mtime' and not a.attisdropped and a.attinhcount = 0;
  -- A column or a default that is somebody else's by now stays: the table was made a partition, say, or the column made anew.
  if w.mtime_added and mtime.marked and mtime.ours then
    select string_agg(u.u, ', ') into in_the_way from rowcast.users_of_mtime(target) u (u);
    if in_the_way is not null then
      raise exception 'the column mtime, which was added to %, cannot be dropped: % would go with it', target, in_the_way
        using errcode = 'dependent_objects_still_exist',
              hint = format('Drop that first; or keep the column, by a comment of your own: comment on column %s.mtime is ''mine''', target);
    end if;
    execute format('alter table %s drop column mtime', target);
  elsif w.default_added and not w.mtime_added and mtime.ours then
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
    where c.relnamespace = target_schema and c.relkind in ('r', 'p', 'f') and not c.relispartition order by c.relname
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
