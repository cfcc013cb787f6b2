-- Pruning: the log keeps what is younger than a retention, and the horizon says what is gone.

-- Snapshots taken now and then: the newest one that is old enough becomes the horizon. A snapshot, because no time
-- stamp and no id tells which transactions every cursor of a given age has seen.
create table if not exists rowcast.mark (
  taken_at timestamptz not null,
  snapshot pg_snapshot not null
);
comment on table rowcast.mark is 'Snapshots and when they were taken: from these the pruner picks the next horizon';

-- The time of the latest pruned change of each table, so that table_mtime outlives the log.
create table if not exists rowcast.pruned_mtime (
  relation oid primary key,
  mtime    timestamptz not null
);

-- Takes a mark, and moves the horizon to the newest mark that is older than `keep`. Returns whether there is anything
-- to delete. The horizon moves first and in a transaction of its own: a reader that finds its cursor on this side of
-- it after its read has missed nothing. Only one server at a time does this; another finds the row locked and leaves.
create or replace function rowcast.advance_horizon(keep interval) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  next pg_snapshot;
begin
  perform from rowcast.horizon h where h.epoch = rowcast.current_epoch() for update skip locked;
  if not found then
    return false;
  end if;
  insert into rowcast.mark (taken_at, snapshot) values (clock_timestamp(), pg_current_snapshot());
  select m.snapshot into next from rowcast.mark m
    where m.taken_at <= clock_timestamp() - keep order by m.taken_at desc limit 1;
  if not found then
    return false;
  end if;
  delete from rowcast.mark m where m.taken_at <= clock_timestamp() - keep;
  -- Never back: with a clock that was set back, the mark that seems newest may be an old one.
  update rowcast.horizon h set snapshot = next
    where pg_snapshot_xmax(next) >= pg_snapshot_xmax(h.snapshot)
      and not exists (select from pg_snapshot_xip(next) as running (xid) where pg_visible_in_snapshot(running.xid, h.snapshot));
  return exists (select from rowcast.change c, rowcast.horizon h
    where c.xid < pg_snapshot_xmax(h.snapshot) and pg_visible_in_snapshot(c.xid, h.snapshot));
end
$$;

-- Deletes at most `chunk_rows` of the changes that the horizon sees; returns how many it deleted.
create or replace function rowcast.prune(chunk_rows integer) returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  with gone as (
    delete from rowcast.change where ctid = any (array(
      select c.ctid from rowcast.change c, rowcast.horizon h
      where c.xid < pg_snapshot_xmax(h.snapshot) and pg_visible_in_snapshot(c.xid, h.snapshot)
      limit chunk_rows
      for update of c skip locked))
    returning relation, time
  ), kept as (
    insert into rowcast.pruned_mtime as p (relation, mtime)
      select g.relation, max(g.time) from gone g group by g.relation order by g.relation
      on conflict (relation) do update set mtime = greatest(p.mtime, excluded.mtime)
  )
  select count(*) from gone
$$;

-- The time of the latest change of each watched table, as the reader's own snapshot sees it; null if there was none.
create or replace view rowcast.table_mtime as
  select w.relation::text as name, greatest(p.mtime, l.mtime) as mtime
  from rowcast.watched w
  left join rowcast.pruned_mtime p on p.relation = w.relation
  left join (select c.relation, max(c.time) as mtime from rowcast.change c group by c.relation) l on l.relation = w.relation;
comment on view rowcast.table_mtime is 'Name and time of the latest change of each watched table';
