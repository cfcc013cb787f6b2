-- A few rows to look at, and the last word: every table of public is watched. Watching exposes nothing; what is seen
-- over HTTP is named in rowcast.toml.
insert into public.testtype (name, value)
  select v.name, v.value from (values ('hello', 1), ('world', 2)) v (name, value)
  where not exists (select from public.testtype);

select rowcast.watch_all('public');
