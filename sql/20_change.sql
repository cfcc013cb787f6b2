-- The change log: what the capture triggers append, the tailer reads and the pruner deletes.

-- One row a change. `xid` is the top-level transaction, also inside a savepoint; `id` orders the changes of one
-- batch. There is no key on `id`: nothing looks a change up by it, and every index is paid for by the writers.
create table if not exists rowcast.change (
  id       bigint      not null generated always as identity,
  xid      xid8        not null default pg_current_xact_id(),
  relation oid         not null,
  op       "char"      not null,  -- I insert, U update, D delete, R reset
  old      json,
  new      json,
  time     timestamptz not null default clock_timestamp()
);
-- Columns that an update left out of both images, because they are large and it did not change them.
alter table rowcast.change add column if not exists elided text[];
comment on table rowcast.change is 'The change log: appended by triggers, read by the tailer, pruned by the server';

-- The tailer and the pruner ask for ranges of xid and for a few single ones.
create index if not exists change_xid on rowcast.change (xid);

-- Rows leave from the old end and come at the new one: vacuum early and by little, and never shorten the file,
-- which takes a lock that every writer would queue behind.
alter table rowcast.change set (
  autovacuum_vacuum_scale_factor = 0.05,
  autovacuum_vacuum_insert_scale_factor = 0.05,
  vacuum_truncate = false,
  toast.autovacuum_vacuum_scale_factor = 0.05,
  toast.vacuum_truncate = false
);
