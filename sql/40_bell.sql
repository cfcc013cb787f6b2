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

-- Sets the number of beds, at any time: servers may run, and writers write. A writer that knew fewer beds than the
-- tailers would leave one of them asleep; so would a tailer in a bed that no writer tries any more.
--
-- A writer reads the number after it has locked the log, which it keeps to its end, as a prepared transaction does. So
-- under this lock there is nobody who tried the old number and is not visible yet, and whoever comes after it sees the
-- new one. Beds that go must be empty, and stay so until the new number is there; a tailer that meets us looks again
-- after it has got one (see take_bed in the server).
create or replace function rowcast.set_beds(beds integer) returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
set lock_timeout = '2s'
as $$
begin
  if beds not between 1 and 16 then
    raise exception 'the number of beds must be from 1 to 16, not %', beds;
  end if;
  begin
    lock table rowcast.change in share row exclusive mode;
  exception when lock_not_available then
    raise exception using errcode = 'lock_not_available',
      message = 'transactions are open that have written to watched tables: try again when they have ended, prepared ones too';
  end;
  for bed in beds + 1 .. 16 loop
    if not pg_try_advisory_xact_lock(1919907683, bed) then
      raise exception using errcode = 'object_in_use',
        message = format('a server sleeps in bed %s: stop servers until no more than %s are left, or try again later', bed, beds);
    end if;
  end loop;
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
