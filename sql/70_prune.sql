-- Pruning: the log keeps what is younger than a retention and no more than fits its size; the horizon says what is gone.

-- Snapshots taken now and then: one that is old enough, or has enough after it, becomes the horizon. A snapshot, because
-- no time stamp and no id tells which transactions every cursor of a given age has seen.
create table if not exists rowcast.mark (
  taken_at timestamptz not null,
  snapshot pg_snapshot not null
);
-- How much was logged since the mark before.
alter table rowcast.mark add column if not exists bytes bigint not null default 0;
comment on table rowcast.mark is 'Snapshots, when they were taken and what was logged since the one before: from these the pruner picks the next horizon';

-- How far below the horizon the log has been emptied: the next chunk begins there, not at what is deleted and not yet gone.
alter table rowcast.horizon add column if not exists emptied xid8 not null default '0';

-- The time of the latest pruned change of each table, so that table_mtime outlives the log.
create table if not exists rowcast.pruned_mtime (
  relation oid primary key,
  mtime    timestamptz not null
);

-- The form of version 0.1, which the one below would make ambiguous.
drop function if exists rowcast.advance_horizon(interval);

-- Takes a mark if anything was logged since the last one, and moves the horizon: to the newest mark that is older than
-- `keep`, or further, until what was logged after it fits `log_bytes` (null: no limit), though never into the last second:
-- whoever reads along is not cut off. Returns whether there is anything to delete.
--
-- The horizon moves first and in a transaction of its own: a reader that finds its cursor on this side of it after its read
-- has missed nothing. Only one server at a time does this; another finds the row locked and leaves. Where nothing is
-- logged nothing is written here, either.
create or replace function rowcast.advance_horizon(keep interval, log_bytes bigint default null) returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
declare
  -- So many changes are counted one by one; where more came since the last mark, the size of the file must do.
  most constant integer := 200000;
  last pg_snapshot;
  next rowcast.mark;
begin
  select coalesce((select m.snapshot from rowcast.mark m order by m.taken_at desc limit 1), h.snapshot) into last
    from rowcast.horizon h where h.epoch = rowcast.current_epoch();
  if not found then
    return false;
  end if;
  if exists (select from rowcast.change c where c.xid >= pg_snapshot_xmax(last) or c.xid = any (array(select pg_snapshot_xip(last))))
     or exists (select from rowcast.mark m where m.taken_at <= clock_timestamp() - keep)
     or (select sum(m.bytes) from rowcast.mark m) > log_bytes then
    perform from rowcast.horizon h where h.epoch = rowcast.current_epoch() for update skip locked;
    if not found then
      return false;
    end if;
    -- Another server may have taken one just before.
    last := coalesce((select m.snapshot from rowcast.mark m order by m.taken_at desc limit 1), last);
    insert into rowcast.mark (taken_at, snapshot, bytes)
      select clock_timestamp(), pg_current_snapshot(),
        case when count(*) < most then sum(l.bytes)
          else greatest(sum(l.bytes), pg_total_relation_size('rowcast.change') - (select coalesce(sum(m.bytes), 0) from rowcast.mark m)) end
      from (
        -- With the row's own header and its place in the index.
        select coalesce(pg_column_size(c.old), 0) + coalesce(pg_column_size(c.new), 0) + 120 as bytes from rowcast.change c
        where c.xid >= pg_snapshot_xmax(last) or c.xid = any (array(select pg_snapshot_xip(last))) limit most) l
      having count(*) > 0;
    select m.taken_at, m.snapshot, m.bytes into next
      from (select *, sum(bytes) over (order by taken_at desc) as and_newer from rowcast.mark) m
      where m.taken_at <= clock_timestamp() - keep or (m.and_newer > log_bytes and m.taken_at <= clock_timestamp() - interval '1 second')
      order by m.taken_at desc limit 1;
    if found then
      delete from rowcast.mark m where m.taken_at <= next.taken_at;
      -- Never back: with a clock that was set back, the mark that seems newest may be an old one.
      update rowcast.horizon h set snapshot = next.snapshot, emptied = '0'
        where pg_snapshot_xmax(next.snapshot) >= pg_snapshot_xmax(h.snapshot)
          and not exists (select from pg_snapshot_xip(next.snapshot) as running (xid) where pg_visible_in_snapshot(running.xid, h.snapshot));
    end if;
  end if;
  return exists (select from rowcast.change c, rowcast.horizon h
    where c.xid >= h.emptied and c.xid < pg_snapshot_xmax(h.snapshot) and pg_visible_in_snapshot(c.xid, h.snapshot));
end
$$;

-- Deletes at most `chunk_rows` of the changes that the horizon sees, the oldest first; returns how many it deleted.
create or replace function rowcast.prune(chunk_rows integer) returns bigint
language sql volatile
set search_path = pg_catalog, pg_temp
set enable_seqscan = off
set jit = off
as $$
  with gone as (
    delete from rowcast.change where ctid = any (array(
      select c.ctid from rowcast.change c, rowcast.horizon h
      where c.xid >= h.emptied and c.xid < pg_snapshot_xmax(h.snapshot) and pg_visible_in_snapshot(c.xid, h.snapshot)
      order by c.xid
      limit chunk_rows
      for update of c skip locked))
    returning xid, relation, time
  ), kept as (
    insert into rowcast.pruned_mtime as p (relation, mtime)
      select g.relation, max(g.time) from gone g group by g.relation order by g.relation
      on conflict (relation) do update set mtime = greatest(p.mtime, excluded.mtime)
  ), moved as (
    -- There is no max() of an xid8 before PostgreSQL 15.
    update rowcast.horizon h set emptied = g.xid from (select xid from gone order by xid desc limit 1) g where g.xid > h.emptied
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
