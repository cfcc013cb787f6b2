-- Shapes: what tells a server that a table changed in a way that no trigger sees.

-- What a table looks like, in two hashes: of its columns, their types, its key and our triggers, which somebody may disable and enable
-- again; and of where its rows and those of its partitions lie on disk, which TRUNCATE and every rewrite (ALTER TYPE …
-- USING, say) change, and coming and going partitions.
create or replace function rowcast.shape(target regclass) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
  select md5(concat_ws(' ',
      (select i.indkey from pg_index i where i.indrelid = target and i.indisprimary and i.indimmediate),
      (select string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod, a.attgenerated), ', ' order by a.attnum)
       from pg_attribute a where a.attrelid = target and a.attnum > 0 and not a.attisdropped),
      -- A label of an enum or an attribute of a composite that is renamed changes the text of rows that nobody writes.
      (select string_agg(concat_ws(' ', t.type,
           (select string_agg(quote_ident(e.enumlabel), ',' order by e.enumsortorder) from pg_enum e where e.enumtypid = t.type),
           (select string_agg(quote_ident(p.attname), ',' order by p.attnum) from pg_type y join pg_attribute p on p.attrelid = y.typrelid
            where y.oid = t.type and p.attnum > 0 and not p.attisdropped)), ', ' order by t.type)
       from rowcast.types_of(target) t),
      -- The transaction that wrote the trigger's row last tells what came and went between two looks.
      (select string_agg(concat_ws(' ', t.oid, t.xmin, t.tgenabled), ', ' order by t.oid) from pg_trigger t
       where t.tgfoid in ('rowcast.capture()'::regprocedure, 'rowcast.capture_update()'::regprocedure)
         and (t.tgrelid = target or t.tgrelid in (select p.relid from pg_partition_tree(target) p))),
      case when rowcast.is_blind(target) then 'blind' end))
    || ' ' || md5(
      (select string_agg(concat_ws(' ', c.oid, c.relfilenode), ', ' order by c.oid) from pg_class c
       where c.oid = target or c.oid in (select t.relid from pg_partition_tree(target) t)))
$$;

-- Notes what each watched table looks like. One that looks otherwise than it did has had its rows changed where no trigger
-- fires (a column added with a default, retyped, renamed, dropped; a partition attached or detached): one reset, in the
-- transaction that notes it, so that it is logged once, by whichever server looks first, and reaches cursors from before
-- a restart too; and one that has become blind is noted as such. Run by every server when it connects and every few seconds.
create or replace function rowcast.note_shapes() returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  changed record;
  told boolean;
begin
  for changed in
    select w.relation, w.shape as before, now.shape, moved.writer
    from rowcast.watched w
    -- Who moved all of it: the table, or every one of its partitions.
    cross join lateral (
      select case when count(distinct c.xmin::text) = 1 then min(c.xmin::text) end as writer from pg_class c
      where c.relkind = 'r' and (c.oid = w.relation or c.oid in (select p.relid from pg_partition_tree(w.relation) p))) moved
    cross join lateral (select rowcast.shape(w.relation) as shape) now
    where w.shape is distinct from now.shape
    for update of w skip locked
  loop
    update rowcast.watched w set shape = changed.shape, blind = rowcast.is_blind(w.relation) where w.relation = changed.relation;
    -- Only the place on disk is another, and the transaction that moved it has logged a reset: a TRUNCATE, told already.
    told := split_part(changed.before, ' ', 1) = split_part(changed.shape, ' ', 1)
      and exists (select from rowcast.change c where c.relation = changed.relation and c.op = 'R'
                  and c.xid::text::numeric % 4294967296 = changed.writer::numeric);
    if changed.before is not null and not told then
      insert into rowcast.change (relation, op) values (changed.relation, 'R');
      notify rowcast;
    end if;
  end loop;
end
$$;
