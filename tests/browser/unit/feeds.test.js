/** The rule by which batches reach a tab's feeds, and a replica's own work. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Feeds } from '../../../static/js/feeds.js';
import { until } from './sim/candidate.js';
import { lonePage, Page } from './sim/page.js';
import { SimServer } from './sim/server.js';
import { World } from './sim/world.js';

const batch = (from, to, answers = []) => ({ id: 1, term: 1, tab: 't', from, to, answers });

test('old_batch_is_no_gap_and_an_unknown_one_is', async () => {
  const { live, world } = await lonePage();
  let moved = 0;
  const feeds = new Feeds(world.processes[0].env, '/', { log: () => [], onMoved: () => (moved += 1) });
  feeds.add(live);
  const start = live.at;
  feeds.take(batch({ a: start }, 'c5'));
  feeds.take(batch({ a: start }, 'c5'));
  feeds.take(batch({ a: start }, 'c4'));
  assert.deepEqual([live.at, moved], ['c5', 0]);
  feeds.take(batch({ a: 'c7' }, 'c8'));
  assert.deepEqual([live.at, moved], ['c5', 1]);
});

test('answer_is_taken_in_whole_before_anybody_hears', async () => {
  const { server, tab, world } = await lonePage({ tables: ['a', 'b'] });
  const [a, b] = tab.replicas;
  const seen = [];
  for (const live of [a, b]) live.addEventListener('change', () => seen.push([a.at, b.at]));
  server.commit([
    { table: 'a', op: 'insert', id: 50, row: { id: 50 } },
    { table: 'b', op: 'insert', id: 51, row: { id: 51 } },
  ]);
  await world.pass(200);
  assert.deepEqual(seen, [['c3', 'c3'], ['c3', 'c3']]);
});

test('what_was_taken_in_is_told_before_a_reset_leads_on', () => {
  const reset = [{ id: 'a', reset: true }];
  const later = batch({ a: 'c2' }, 'c3', reset);
  const feeds = new Feeds({}, '/', { log: () => [later], onMoved() {} });
  const told = [];
  // A reset makes the tab look into the log, and there is one for the other table, too.
  const feed = (id) => ({
    id,
    at: 'c1',
    awaiting: null,
    prepare: () => 'ready',
    advance(to, answer) {
      this.at = answer.reset ? null : to;
      if (answer.reset) feeds.catchUp();
      return !answer.reset;
    },
    tell() {
      told.push([id, this.at]);
    },
  });
  for (const id of ['a', 'b']) feeds.add(feed(id));
  feeds.take(batch({ a: 'c1', b: 'c1' }, 'c2', [{ id: 'a', changes: [{}] }, { id: 'b', reset: true }]));
  assert.deepEqual(told, [['a', 'c2']]);
});

test('step_that_the_log_has_taken_already_is_not_taken_again', () => {
  const both = batch({ a: 'c1', b: 'c1' }, 'c2', ['a', 'b'].map((id) => ({ id, reset: true })));
  const feeds = new Feeds({}, '/', { log: () => [both], onMoved() {} });
  const reset = [];
  // The first reset makes the tab look into the log, which leads the second feed on by the very same batch.
  const feed = (id) => ({
    id,
    at: 'c1',
    awaiting: null,
    prepare: () => 'ready',
    advance() {
      reset.push(id);
      this.at = null;
      feeds.catchUp();
      return false;
    },
    tell() {},
  });
  for (const id of ['a', 'b']) feeds.add(feed(id));
  feeds.take(both);
  assert.deepEqual(reset, ['a', 'b']);
});

test('row_that_leaves_the_filter_is_gone', async () => {
  const { server, world, live } = await lonePage({ where: { v: 1 } });
  assert.deepEqual(live.rows.map(({ id }) => id), [1]);
  server.commit([{ table: 'a', op: 'update', id: 1, row: { id: 1, v: 3 } }]);
  await world.pass(200);
  assert.deepEqual(live.rows, []);
  server.commit([{ table: 'a', op: 'update', id: 2, row: { id: 2, v: 1 } }]);
  await world.pass(200);
  assert.deepEqual(live.rows.map(({ id }) => id), [2]);
});

test('rows_are_a_new_array_each_time_and_cut_at_the_limit', async () => {
  const { server, world, tab } = await lonePage();
  const live = tab.rowcast.live('a', { order: '-id', limit: 2 });
  await world.pass(500);
  const before = live.rows;
  const copy = structuredClone(before);
  server.insert('a', { v: 3 });
  server.commit([{ table: 'a', op: 'update', id: 2, row: { id: 2, v: 20 } }]);
  await world.pass(500);
  assert.deepEqual(live.rows.map(({ id, v }) => [id, v]), [[3, 3], [2, 20]]);
  assert.deepEqual(before, copy);
  server.commit([{ table: 'a', op: 'delete', id: 3 }]);
  await world.pass(500);
  assert.deepEqual(live.rows.map(({ id }) => id), [2, 1], 'the next one moves up');
});

test('truncate_lists_anew_and_tells_once', async () => {
  const { server, world, tab, live } = await lonePage();
  const told = tab.told;
  server.commit([{ table: 'a', op: 'truncate' }]);
  await until(world, 500, 'an empty table', () => live.rows.length === 0);
  await world.pass(1000);
  assert.deepEqual([tab.told - told, live.status], [1, 'live']);
});

test('large_batch_reaches_every_tab_once', async () => {
  const world = new World(5);
  const server = new SimServer(world);
  const tabs = [1, 2, 3].map(() => new Page(world, { locks: true }));
  await world.pass(3000);
  server.insert('a', { v: 1, text: 'x'.repeat(100_000) });
  server.insert('a', { v: 2 });
  await world.pass(2000);
  for (const tab of tabs) {
    tab.checkCurrent();
    assert.equal(tab.heard, 2);
  }
});

test('refused_list_is_an_error_and_is_tried_again', async () => {
  const { server, world, tab } = await lonePage();
  server.unknown.add('z');
  const live = tab.rowcast.live('z');
  await until(world, 500, 'the refusal', () => live.status === 'error');
  assert.equal(live.error.status, 404);
  assert.equal(tab.rowcast.state.connection, 'online', 'that is not the connection\'s fault');
  server.unknown.delete('z');
  await until(world, 70_000, 'another try', () => live.status === 'live');
  assert.equal(live.error, null);
});

test('closed_feed_hears_nothing_and_is_polled_for_no_more', async () => {
  const { server, world, tab, live } = await lonePage();
  tab.raw.close();
  live.close();
  const told = tab.told;
  const other = tab.rowcast.live('b');
  await world.pass(500);
  server.insert('a', { v: 3 });
  await world.pass(500);
  assert.equal(tab.told, told);
  assert.deepEqual([...server.parked].map(({ request }) => request.subscriptions.map(({ id }) => id)), [['b']]);
  other.close();
});

test('closed_connection_leaves_nothing_behind', async () => {
  const { world, server, tab } = await lonePage();
  tab.rowcast.close({ wipe: true });
  await world.pass(200);
  assert.deepEqual([...world.storage.truth.keys()], []);
  assert.equal(server.parked.size, 0);
});
