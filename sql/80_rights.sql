-- Who may do what.

-- A stranger who could attach a trigger's function to a table of his own would forge changes of another's; writers need no
-- right on it, because a trigger's function is checked when the trigger is made.
revoke all on schema rowcast from public;
revoke all on all tables in schema rowcast from public;
revoke execute on all functions in schema rowcast from public;
-- Called inside the writers' transactions, and constant.
grant execute on function rowcast.beds() to public;

-- Who may call shape(), as a server's role may, may call what came later: so a server goes on while its schema is upgraded.
do $$
declare
  server text;
begin
  for server in
    select a.grantee::regrole from pg_proc p, aclexplode(p.proacl) a
    where p.oid = 'rowcast.shape(regclass)'::regprocedure and a.privilege_type = 'EXECUTE' and a.grantee not in (0, p.proowner)
  loop
    execute format('grant execute on function rowcast.is_blind(oid), rowcast.row_is_final(oid), rowcast.trigger_functions() to %s', server);
  end loop;
end
$$;

-- capture() and capture_update() run with their owner's rights, and what an application defined may run inside them: a cast to
-- json, or the check of a domain that was made the type of mtime. So their owner is a role that can append to the log and
-- nothing else. Where the installer may not create roles the functions stay his.
do $$
begin
  if not exists (select from pg_roles where rolname = 'rowcast_capture') then
    create role rowcast_capture nologin;
  end if;
  -- From 16 on, who makes a role is a member of it that may not yet act as it.
  if not pg_has_role(current_user, 'rowcast_capture',
                     case when current_setting('server_version_num')::integer >= 160000 then 'set' else 'member' end) then
    execute format('grant rowcast_capture to %I', current_user);
  end if;
  -- To be given a function a role must be able to create in its schema, for as long as that takes.
  grant usage, create on schema rowcast to rowcast_capture;
  grant insert on rowcast.change to rowcast_capture;
  -- Of its own new row it may see the command number, which tells it when to count.
  grant select (cmin) on rowcast.change to rowcast_capture;
  grant execute on function rowcast.tick(rowcast.capturing_parts) to rowcast_capture;
  grant execute on function rowcast.ring() to rowcast_capture;
  grant execute on function rowcast.append_images(oid, "char", json, json) to rowcast_capture;
  grant execute on function rowcast.append_counted(oid, "char", anyelement, anyelement, text[]) to rowcast_capture;
  grant execute on function rowcast.append(oid, oid, "char", anyelement, anyelement, integer) to rowcast_capture;
  grant execute on function rowcast.large_update(oid, oid, anyelement, anyelement, bigint) to rowcast_capture;
  alter function rowcast.capture() owner to rowcast_capture;
  alter function rowcast.capture_update() owner to rowcast_capture;
  revoke create on schema rowcast from rowcast_capture;
exception when insufficient_privilege then
  raise warning 'rowcast.capture() and rowcast.capture_update() stay owned by %, because that role may not create or use the role rowcast_capture',
      current_user
    using hint = 'A role with CREATEROLE can run: create role rowcast_capture nologin; grant rowcast_capture to ' || quote_ident(current_user) || '; then install again.';
end
$$;

-- What comes after in the same transaction has something to say again.
set local client_min_messages to default;
