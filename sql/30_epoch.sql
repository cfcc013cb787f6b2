-- The epoch: which history of transaction ids a cursor belongs to.
--
-- Transaction ids go backwards after a crash, a failover or the restoring of a copy. PostgreSQL empties an
-- UNLOGGED table in crash recovery and on promotion and keeps it over a clean restart, so an id in such a table
-- lives exactly as long as the history does. A dump, a template or a copied database carries the id along:
-- therefore the cluster's identifier, the database's oid and the table's oid go into the hash as well.

create unlogged table if not exists rowcast.epoch (
  only_row boolean primary key default true check (only_row),
  id       uuid not null default gen_random_uuid()
);
comment on table rowcast.epoch is 'A random id that PostgreSQL itself forgets when the history of transaction ids breaks';

-- What the log has been pruned to, and the epoch that it was written in.
create table if not exists rowcast.horizon (
  only_row boolean primary key default true check (only_row),
  epoch    bigint      not null,
  snapshot pg_snapshot not null
);
comment on table rowcast.horizon is 'The snapshot up to which the log has been pruned; a cursor that has not seen all of it gets a reset';

-- The present epoch, or null if a new one has yet to begin.
create or replace function rowcast.current_epoch() returns bigint
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select hashtextextended(concat_ws(':', s.system_identifier, d.oid, 'rowcast.epoch'::regclass::oid, e.id), 0)
  from rowcast.epoch e, pg_control_system() s, pg_database d
  where d.datname = current_database()
$$;

-- Begins a new epoch if the old one is over, with an empty log; returns the present one. Run by every server
-- before it reads. Changes of transactions that are still running are not visible here: they stay, and are told
-- in the new epoch.
create or replace function rowcast.begin_epoch() returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  present bigint;
begin
  insert into rowcast.epoch default values on conflict do nothing;
  present := rowcast.current_epoch();
  -- Two servers that start at once: the second waits here for the first, and then finds the work done.
  lock table rowcast.horizon in share row exclusive mode;
  if not exists (select from rowcast.horizon h where h.epoch = present) then
    delete from rowcast.mark;
    delete from rowcast.horizon;
    insert into rowcast.horizon (epoch, snapshot) values (present, pg_current_snapshot());
    insert into rowcast.pruned_mtime as p (relation, mtime)
      select c.relation, max(c.time) from rowcast.change c group by c.relation
      on conflict (relation) do update set mtime = greatest(p.mtime, excluded.mtime);
    delete from rowcast.change;
  end if;
  return present;
end
$$;
