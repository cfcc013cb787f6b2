-- The schema rowcast: where everything of ours in this database lives.
--
-- These files are loaded in name order, in one transaction, by psql and by the binary alike. They hold the
-- present state: loading them twice changes nothing, and loading newer ones over older ones upgrades in place.
-- They need no superuser, no extension and no change of wal_level; PostgreSQL 13 or later.

-- "already exists, skipping" is what a second load says of everything: it would bury the notices that matter.
set local client_min_messages = warning;

do $$
begin
  if current_setting('server_version_num')::int < 130000 then
    raise exception 'rowcast needs PostgreSQL 13 or later; this server is %', current_setting('server_version')
      using hint = 'pg_current_snapshot() and xid8, which the cursor is made of, came with 13.';
  end if;
end
$$;

create schema if not exists rowcast;
comment on schema rowcast is 'rowcast: the change log, its triggers and what reads it';

-- The watched tables, one row each. `regclass` is dumped and restored by name.
create table if not exists rowcast.watched (
  relation      regclass primary key,
  kind          text     not null default 'table' check (kind in ('table', 'view', 'channel')),
  bulk_rows     integer  not null default 1000 check (bulk_rows >= 0),
  mtime_added   boolean  not null,  -- watch() added the column, so unwatch() drops it
  default_added boolean  not null   -- watch() gave an existing mtime column its default, so unwatch() takes it back
);
-- What the table looked like when a server last looked: see note_shapes().
alter table rowcast.watched add column if not exists shape text;
-- A change whose images are larger than this, as text, is logged as a reset.
alter table rowcast.watched add column if not exists image_bytes integer not null default 4194304 check (image_bytes >= 0);
-- Whether its triggers fire in sessions with session_replication_role = replica, too.
alter table rowcast.watched add column if not exists always boolean not null default false;
-- Whether what is logged of its updates may be other than what is stored, as a server has noticed (see is_blind()): whoever
-- reads the log takes each for a reset, until the table is watched again, or what came is gone.
alter table rowcast.watched add column if not exists blind boolean not null default false;
comment on table rowcast.watched is 'Tables that rowcast.watch() has been run on, and what it added to them';
