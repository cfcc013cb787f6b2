/** Updates that leave out large columns which they did not change: a replica's rows are whole all the same. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from './sim/candidate.js';
import { lonePage, Page } from './sim/page.js';

const BIG = 'x'.repeat(100);
const OTHER = 'y'.repeat(100);

/** A tab with a filtered table of one row that it holds and one that it does not; both are large. */
async function filtered(where = { v: 1 }, options = {}) {
  const page = await lonePage({ tables: ['z'], ...options });
  const { server, tab, world } = page;
  const update = (id, row) => ({ table: 'a', op: 'update', id, row: { id, ...row } });
  server.commit([update(1, { v: 1, text: BIG }), update(2, { v: 2, text: OTHER })]);
  const live = tab.rowcast.live('a', { where });
  const seen = [];
  live.addEventListener('change', () => {
    tab.check(live);
    seen.push(live.rows.map(({ id, v, text }) => [id, v, text.slice(0, 2)]));
  });
  await world.pass(500);
  seen.length = 0;
  server.lists = [];
  return { ...page, live, seen, update, listed: () => server.lists.splice(0) };
}

/** Lets something happen between a change and the answer to who asks for its row. */
function beforeNextList(server, happens) {
  server.list = (exchange, url) => {
    delete server.list;
    happens(exchange, url);
    server.list(exchange, url);
  };
}

test('column_that_was_left_out_stays_as_it_is_held', async () => {
  const { server, world, tab, live } = await lonePage();
  server.insert('a', { v: 1, text: BIG });
  await world.pass(200);
  server.lists = [];
  for (const v of [2, 3]) server.commit([{ table: 'a', op: 'update', id: 3, row: { id: 3, v, text: BIG } }]);
  await world.pass(200);
  assert.deepEqual(live.rows.map(({ v, text }) => [v, text?.length]), [[1, undefined], [2, undefined], [3, 100]]);
  tab.check(live);
  assert.deepEqual(server.lists, [], 'nothing was asked');
});

test('row_that_comes_into_a_filter_is_fetched_before_it_is_shown', async () => {
  const { server, world, seen, update, listed } = await filtered();
  server.commit([update(2, { v: 1, text: OTHER })]);
  await until(world, 200, 'the row', () => seen.length === 1);
  assert.deepEqual(seen, [[[1, 1, 'xx'], [2, 1, 'yy']]]);
  assert.deepEqual(listed(), ['a?id=eq.2&v=eq.1'], 'that row alone');
});

test('later_batches_wait_in_order', async () => {
  const { server, world, live, seen, update, listed } = await filtered();
  server.commit([update(2, { v: 1, text: OTHER })]);
  // Before its row has been fetched more happens: to it, and to others.
  await until(world, 100, 'the question for the row', () => live.awaiting !== null);
  const at = live.at;
  server.commit([update(1, { v: 1, text: OTHER })]);
  await world.pass(1);
  assert.deepEqual([live.at, seen], [at, []], 'nothing is taken in between');
  await until(world, 500, 'both', () => seen.length === 2);
  assert.deepEqual(seen, [[[1, 1, 'xx'], [2, 1, 'yy']], [[1, 1, 'yy'], [2, 1, 'yy']]]);
  assert.deepEqual(listed(), ['a?id=eq.2&v=eq.1']);
});

test('tables_of_one_transaction_are_shown_together', async () => {
  const { server, world, tab, live, update } = await filtered();
  const other = tab.rowcast.live('b');
  await world.pass(300);
  const moments = [];
  for (const feed of [live, other]) feed.addEventListener('change', () => moments.push([live.rows.length, other.rows.length]));
  let raw = null;
  tab.rowcast.subscribe('b', {}, () => (raw = live.at));
  await world.pass(300);
  server.commit([update(2, { v: 1, text: OTHER }), { table: 'b', op: 'insert', id: 9, row: { id: 9 } }]);
  await until(world, 200, 'both', () => moments.length === 2);
  const end = `c${server.position}`;
  assert.deepEqual([live.at, other.at, raw], [end, end, end]);
});

test('row_that_went_on_meanwhile_is_listed_anew', async () => {
  for (const [name, happens, shown] of [
    ['changed', (update) => [update(2, { v: 1, text: BIG })], [[1, 1, 'xx'], [2, 1, 'xx']]],
    ['left', (update) => [update(2, { v: 3, text: OTHER })], [[1, 1, 'xx']]],
    ['deleted', () => [{ table: 'a', op: 'delete', id: 2 }], [[1, 1, 'xx']]],
  ]) {
    const { server, world, seen, update, live } = await filtered();
    beforeNextList(server, () => server.commit(happens(update)));
    server.commit([update(2, { v: 1, text: OTHER })]);
    await world.pass(1000);
    assert.deepEqual(seen, [shown], name);
    assert.equal(live.at, `c${server.position}`);
  }
});

test('filter_on_a_column_that_was_left_out_is_decided_by_the_server', async () => {
  const { server, world, seen, update, live, listed } = await filtered({ text: BIG });
  server.commit([update(2, { v: 3, text: OTHER })]);
  await until(world, 500, 'the decision', () => live.at === `c${server.position}`);
  assert.deepEqual(seen.at(-1), [[1, 1, 'xx']], 'it never matched');
  assert.deepEqual(listed(), [`a?id=eq.2&text=eq.${BIG}`, 'a?id=eq.2'], 'the rows that match are not listed anew');
  server.commit([update(1, { v: 4, text: BIG })]);
  await world.pass(300);
  assert.deepEqual(seen.at(-1), [[1, 4, 'xx']]);
  assert.deepEqual(listed(), [], 'of a row that is held nothing is asked');
});

test('row_that_no_longer_matches_where_a_column_was_left_out_is_listed_anew', async () => {
  const { server, world, seen, update, live } = await filtered({ v: 1, text: OTHER });
  // It matched at the change and does not when it is asked for: what was true then cannot be known.
  beforeNextList(server, () => server.commit([update(2, { v: 1, text: BIG })]));
  server.commit([update(2, { v: 1, text: OTHER })]);
  await world.pass(1000);
  assert.deepEqual([seen, live.at], [[[]], `c${server.position}`]);
});

test('row_that_comes_and_goes_within_one_batch_is_not_asked_for', async () => {
  const { server, world, seen, update, listed } = await filtered();
  server.commit([update(2, { v: 1, text: OTHER }), update(2, { v: 2, text: OTHER }), update(1, { v: 1, text: OTHER })]);
  await world.pass(300);
  assert.deepEqual([seen, listed()], [[[[1, 1, 'yy']]], []]);
  // What it was when it left may not be what it is when it comes back.
  server.commit([update(2, { v: 1, text: BIG }), update(2, { v: 5, text: BIG }), update(2, { v: 6, text: OTHER }), update(2, { v: 1, text: OTHER })]);
  await world.pass(300);
  assert.deepEqual(seen.at(-1), [[1, 1, 'yy'], [2, 1, 'yy']]);
});

test('many_rows_at_once_are_one_list', async () => {
  const { server, world, update, live, listed } = await filtered();
  const ids = Array.from({ length: 50 }, (_, n) => n + 100);
  server.commit(ids.map((id) => ({ table: 'a', op: 'insert', id, row: { id, v: 2, text: BIG } })));
  await world.pass(300);
  server.commit(ids.map((id) => update(id, { v: 1, text: BIG })));
  await world.pass(1000);
  assert.equal(live.rows.length, 51);
  assert.deepEqual(listed(), ['a?v=eq.1']);
});

test('feed_that_ends_while_it_fetches_stays_ended', async () => {
  const { server, world, live, seen, update, tab } = await filtered();
  server.commit([update(2, { v: 1, text: OTHER })]);
  await until(world, 100, 'the question for the row', () => live.awaiting !== null);
  live.close();
  tab.rowcast.live('b');
  await world.pass(500);
  assert.deepEqual([seen, live.at], [[], null]);
  assert.deepEqual([...server.parked].map(({ request }) => request.subscriptions.map(({ id }) => id)), [['b', 'z']]);
});

test('feed_that_is_refused_while_it_fetches_waits_for_nothing_more', async () => {
  const { server, world, live, seen, update } = await filtered();
  // The answer never comes.
  server.list = () => delete server.list;
  server.commit([update(2, { v: 1, text: OTHER })]);
  await until(world, 100, 'the question for the row', () => live.awaiting !== null);
  live.refuse({ type: 'about:blank', title: 'not for now', status: 404 });
  assert.equal(live.awaiting, null);
  await until(world, 70_000, 'another try', () => live.status === 'live');
  assert.deepEqual(seen, [[[1, 1, 'xx'], [2, 1, 'yy']]]);
});

test('fetch_that_fails_lists_anew_when_the_server_is_back', async () => {
  const { server, world, live, seen, update } = await filtered();
  server.list = () => {
    delete server.list;
    server.setUp(false);
  };
  server.commit([update(2, { v: 1, text: OTHER })]);
  // The answer never comes: the feed does not wait for ever.
  await world.pass(3000);
  server.setUp(true);
  server.commit([update(1, { v: 1, text: OTHER })]);
  await until(world, 40_000, 'the rows', () => seen.length > 0 && live.at === `c${server.position}`);
  assert.deepEqual(seen, [[[1, 1, 'yy'], [2, 1, 'yy']]]);
});

test('page_that_freezes_while_it_fetches_goes_on_where_it_was', async () => {
  for (const locks of [true, false]) {
    const { server, world, tab, live, seen, update } = await filtered({ v: 1 }, { locks });
    const second = new Page(world, { locks });
    await world.pass(3000);
    server.commit([update(2, { v: 1, text: OTHER })]);
    await until(world, 100, 'the question for the row', () => live.awaiting !== null);
    tab.process.freeze();
    await world.pass(3000);
    server.commit([update(1, { v: 1, text: OTHER })]);
    await world.pass(8000);
    assert.equal(second.role, 'master');
    tab.process.resume();
    await until(world, 2000, 'what happened meanwhile', () => live.at === `c${server.position}`);
    assert.deepEqual(seen.at(-1), [[1, 1, 'yy'], [2, 1, 'yy']]);
    second.checkCurrent();
  }
});

test('raw_change_says_what_was_left_out_and_is_nobodys_to_alter', async () => {
  const { server, world, tab, update, seen } = await filtered();
  const told = [];
  tab.rowcast.subscribe('a', { where: { v: 1 } }, ({ changes }) => told.push(...changes));
  await world.pass(300);
  server.commit([update(2, { v: 1, text: OTHER })]);
  await world.pass(300);
  assert.deepEqual(told.map(({ elided, old, new: row }) => [elided, 'text' in old, 'text' in row]), [[['text'], false, false]]);
  assert.deepEqual(seen.at(-1)[1], [2, 1, 'yy']);
});

test('large_rows_reach_followers_and_rows_kept_out_of_storage', async () => {
  for (const rowsInStorage of [true, false]) {
    const { server, world, tab, update, live } = await filtered({ v: 1 }, { rowsInStorage });
    const follower = new Page(world, { locks: true, rowsInStorage, where: { v: 1 } });
    await world.pass(3000);
    for (const text of [OTHER, OTHER, BIG, BIG]) {
      server.commit([update(2, { v: 1, text })]);
      server.commit([update(2, { v: 2, text })]);
      await world.pass(500);
    }
    server.commit([update(2, { v: 1, text: BIG })]);
    await world.pass(1000);
    follower.checkCurrent();
    tab.check(live);
    assert.equal(live.rows.length, 2);
  }
});
