-- The epoch: which history of transaction ids a cursor belongs to.
--
-- Transaction ids go backwards after a crash, a failover or the restoring of a copy. PostgreSQL empties an
-- UNLOGGED table in crash recovery and on promotion and keeps it over a clean restart, so an id in such a table
-- lives at most as long as the history does. A dump, a template or a copied database carries the id along:
-- therefore the cluster's identifier, the database's oid and the table's oid go into the hash as well.
--
-- The files of a cluster that was shut down can be copied, and both go on with all of that the same. So each run of
-- PostgreSQL has an epoch of its own, drawn by the first server that comes, and remembers those of the runs that led to
-- it. Cursors of these are as good as its own: all were handed out before their run ended, when there was one history.

create unlogged table if not exists rowcast.epoch (
  only_row boolean primary key default true check (only_row),
  id       uuid not null default gen_random_uuid()
);
-- The run of PostgreSQL that the id was drawn in, by its start, and the epochs before it, the latest first.
alter table rowcast.epoch add column if not exists run timestamptz not null default pg_postmaster_start_time();
alter table rowcast.epoch add column if not exists past bigint[] not null default '{}';
comment on table rowcast.epoch is 'A random id that PostgreSQL itself forgets when the history of transaction ids breaks';

-- What the log has been pruned to, and the epoch that it was written in.
create table if not exists rowcast.horizon (
  only_row boolean primary key default true check (only_row),
  epoch    bigint      not null,
  snapshot pg_snapshot not null
);
comment on table rowcast.horizon is 'The snapshot up to which the log has been pruned; a cursor that has not seen all of it gets a reset';

-- The epoch that an id stands for in this table of this database of this cluster.
create or replace function rowcast.epoch_of(id uuid) returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select hashtextextended(concat_ws(':', s.system_identifier, d.oid, 'rowcast.epoch'::regclass::oid, id), 0)
  from pg_control_system() s, pg_database d
  where d.datname = current_database()
$$;

-- The present epoch, or null if a new one has yet to begin.
create or replace function rowcast.current_epoch() returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select rowcast.epoch_of(e.id) from rowcast.epoch e where e.run = pg_postmaster_start_time()
$$;

-- Begins a new epoch if the old one is over, and returns the present one. Run by every server before it reads. After a
-- clean restart the history goes on, and the log with it. In another history the log is emptied. Changes of transactions
-- that are still running are not visible here: they stay, and are told in the new epoch.
create or replace function rowcast.begin_epoch() returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  known rowcast.epoch;
  goes_on boolean;
begin
  insert into rowcast.epoch default values on conflict do nothing;
  -- Two servers that start at once: the second waits here for the first, and then finds the work done.
  lock table rowcast.horizon in share row exclusive mode;
  select * into known from rowcast.epoch;
  goes_on := exists (select from rowcast.horizon h where h.epoch = rowcast.epoch_of(known.id));
  if goes_on and known.run = pg_postmaster_start_time() then
    return rowcast.current_epoch();
  end if;
  update rowcast.epoch e set
    id = gen_random_uuid(),
    run = pg_postmaster_start_time(),
    -- As many restarts as anybody may sleep through; who slept through more gets a reset.
    past = case when goes_on then (array_prepend(rowcast.epoch_of(known.id), e.past))[1:100] else '{}' end;
  if goes_on then
    update rowcast.horizon set epoch = rowcast.current_epoch();
  else
    delete from rowcast.mark;
    delete from rowcast.horizon;
    insert into rowcast.horizon (epoch, snapshot) values (rowcast.current_epoch(), pg_current_snapshot());
    insert into rowcast.pruned_mtime as p (relation, mtime)
      select c.relation, max(c.time) from rowcast.change c group by c.relation
      on conflict (relation) do update set mtime = greatest(p.mtime, excluded.mtime);
    delete from rowcast.change;
  end if;
  return rowcast.current_epoch();
end
$$;
