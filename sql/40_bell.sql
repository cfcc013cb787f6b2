-- The sleeping bell: NOTIFY only when a tailer sleeps.
--
-- NOTIFY makes the transactions of the whole cluster commit one at a time, so it must be rare. There are n beds,
-- advisory locks (1919907683, 1) to (1919907683, n). A tailer holds one exclusively while it sleeps, and only then.
-- A writer tries each for a share after it has appended to the log: a refusal means that somebody sleeps, so it
-- rings; the shares that it got keep everybody from falling asleep until its transaction is visible.
--
-- Invariant: nobody ever waits for a bed.

-- The number of beds that the triggers know. A constant in a function is inlined into the triggers' plans and costs
-- nothing to read; rowcast.set_beds() changes it. Kept over an upgrade.
do $$
begin
  if to_regprocedure('rowcast.beds()') is null then
    create function rowcast.beds() returns integer language sql immutable as 'select 2';
  end if;
end
$$;

-- Sets the number of beds. Raise it here first, let the transactions end that were open then (prepared ones too), and
-- only then start servers that use the new ones: a writer that knows fewer beds than a tailer would not wake it.
create or replace function rowcast.set_beds(beds integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if beds not between 1 and 16 then
    raise exception 'the number of beds must be from 1 to 16, not %', beds;
  end if;
  execute format('create or replace function rowcast.beds() returns integer language sql immutable as %L', format('select %s', beds));
end
$$;

-- For a transaction that will be PREPAREd, which PostgreSQL refuses once it has rung: call this right after BEGIN,
-- outside any savepoint. True: all beds are held for a share, no later write in this transaction can ring. False:
-- somebody sleeps. Roll back, run `notify rowcast` in a transaction of its own, and try again.
create or replace function rowcast.prepare_quietly() returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  for bed in 1 .. rowcast.beds() loop
    if not pg_try_advisory_xact_lock_shared(1919907683, bed) then
      return false;
    end if;
  end loop;
  return true;
end
$$;
