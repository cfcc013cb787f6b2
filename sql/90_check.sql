-- Which schema this is, for the commands that look at it.

-- The version of the schema: raised in a release whose schema is another. One without this function is of 0.1.0, and
-- counts as 1. Older files must not go over a newer schema: they would take back half of it.
do $$
declare
  version constant integer := 3;
  present integer := 0;
begin
  if to_regprocedure('rowcast.version()') is not null then
    execute 'select rowcast.version()' into present;
  end if;
  if present > version then
    raise exception 'the schema rowcast here is of version %, newer than version %, which is to be installed', present, version
      using hint = 'Install with the newer rowcast that it came with.';
  end if;
  execute format('create or replace function rowcast.version() returns integer language sql immutable as %L', format('select %s', version));
end
$$;

revoke execute on function rowcast.version() from public;
