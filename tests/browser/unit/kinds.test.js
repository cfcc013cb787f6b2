/** Tables without a key, and views. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hold } from '../../../static/js/held.js';
import { until } from './sim/candidate.js';
import { lonePage, Page } from './sim/page.js';

const insert = (row) => ({ op: 'insert', key: null, old: null, new: row, mtime: '1' });
const remove = (row) => ({ op: 'delete', key: null, old: row, new: null, mtime: '1' });
const sorted = (held) => [...held.items].map(({ row }) => row.v).sort();

/** A tab that follows the table `k`, which has no key. */
async function keyless(options) {
  const page = await lonePage();
  const { tab, server, world } = page;
  const commit = (...changes) => server.commit(changes.map(([op, id, row]) => ({ table: 'k', op, id, row })));
  commit(['insert', 1, { v: 1, text: 'same' }], ['insert', 2, { v: 1, text: 'same' }], ['insert', 3, { v: 2, text: 'other' }]);
  const live = tab.rowcast.live('k', options);
  live.addEventListener('change', () => tab.check(live));
  await world.pass(500);
  return { ...page, commit, live, values: () => live.rows.map(({ v }) => v) };
}

test('equal_rows_without_a_key_are_counted', async () => {
  const { commit, values, world, server } = await keyless({ order: 'v' });
  assert.deepEqual(values(), [1, 1, 2]);
  const lists = server.lists.length;
  commit(['delete', 1]);
  await world.pass(200);
  assert.deepEqual(values(), [1, 2]);
  commit(['update', 3, { v: 1, text: 'same' }], ['insert', 4, { v: 3, text: 'same' }]);
  await world.pass(200);
  assert.deepEqual(values(), [1, 1, 3]);
  commit(['delete', 2], ['delete', 3]);
  await world.pass(200);
  assert.deepEqual(values(), [3]);
  assert.equal(server.lists.length, lists, 'all of it row by row');
});

test('only_the_sum_of_a_transaction_must_be_right', () => {
  const held = hold([{ v: 1, w: 0 }], null);
  // The second row goes before it has come; its columns stand in another order.
  held.draft([remove({ w: 0, v: 2 }), remove({ w: 0, v: 1 }), insert({ v: 2, w: 0 }), insert({ v: 3, w: 0 })])?.take();
  assert.deepEqual(sorted(held), [3]);
  assert.equal(held.draft([remove({ v: 1, w: 0 })]), null, 'that row is not held');
  assert.equal(held.draft([{ ...insert({ v: 4, w: 0 }), key: [4] }]), null, 'a change with a key is of another table');
  assert.equal(held.draft([{ ...insert({ v: 4, w: 0 }), op: 'update' }]), null, 'and so is an update');
  assert.deepEqual(sorted(held), [3], 'and a draft that was not taken changes nothing');
});

test('changes_that_do_not_go_with_the_rows_list_anew', async () => {
  const { server, live, world, commit } = await keyless();
  // The table gets a key: until the server has noticed, it tells changes of the other kind.
  server.keyless.delete('k');
  server.commit([{ table: 'k', op: 'truncate' }, { table: 'k', op: 'insert', id: 7, row: { id: 7, v: 7 } }]);
  await world.pass(500);
  assert.deepEqual(live.rows.map(({ id }) => id), [7]);
  server.keyless.add('k');
  commit(['insert', 8, { id: 8, v: 8 }]);
  await until(world, 500, 'another list', () => live.rows.length === 2);
  assert.equal(live.status, 'live');
  tellOfAMissingRow(server);
  await until(world, 1000, 'another list', () => live.rows.length === 3);

  function tellOfAMissingRow() {
    const { split } = server;
    server.split = (change) => [...split.call(server, change), remove({ v: 'nobody has it' })];
    commit(['insert', 9, { id: 9, v: 9 }]);
  }
});

test('rows_without_a_key_stand_in_one_order_everywhere', async () => {
  const { tab, commit, world, live } = await keyless({ order: 'v' });
  commit(['insert', 5, { v: 1, text: 'z' }], ['insert', 4, { v: 1, text: 'a' }]);
  await world.pass(300);
  const other = tab.rowcast.live('k', { order: 'v' });
  await world.pass(300);
  assert.deepEqual(live.rows.map(({ text }) => text), other.rows.map(({ text }) => text));
  assert.equal(live.rows.length, 5);
});

test('columns_in_another_order_are_the_same_row', async () => {
  const { server, world, live } = await lonePage();
  server.image = (row) => row && Object.fromEntries(Object.entries(row).reverse());
  server.commit([{ table: 'a', op: 'update', id: 1, row: { id: 1, v: 5 } }]);
  await world.pass(200);
  assert.deepEqual(live.rows.map(({ id, v }) => [id, v]), [[1, 5], [2, 2]]);
});

test('view_that_another_tab_was_refused_is_shown_all_the_same', async () => {
  const { server, world, tab } = await lonePage();
  const second = new Page(world, { locks: true });
  await world.pass(3000);
  server.views.add('view');
  server.insert('view', { v: 7 });
  server.list = (exchange, url) => {
    delete server.list;
    world.after(1000, () => server.list(exchange, url));
  };
  const late = second.rowcast.live('view');
  await world.pass(100);
  const early = tab.rowcast.live('view');
  await until(world, 500, 'the refusal', () => early.status === 'error');
  assert.equal(late.status, 'loading');
  await until(world, 2000, 'the refusal', () => late.status === 'error');
  assert.deepEqual(late.rows.map(({ v }) => v), [7]);
});

test('table_that_becomes_a_view_is_shown', async () => {
  const { server, world, tab } = await lonePage();
  server.unknown.add('view');
  const view = tab.rowcast.live('view');
  await until(world, 500, 'the refusal', () => view.status === 'error');
  server.unknown.delete('view');
  server.views.add('view');
  server.insert('view', { v: 7 });
  await until(world, 70_000, 'another try', () => view.rows.length === 1);
  await until(world, 1000, 'the refusal', () => view.status === 'error');
});

test('view_is_shown_and_says_that_it_cannot_be_followed', async () => {
  const { server, world, tab, live } = await lonePage();
  server.views.add('view');
  server.insert('view', { v: 7 });
  const view = tab.rowcast.live('view');
  const shown = [];
  view.addEventListener('status', () => shown.push(view.status));
  await until(world, 1000, 'the refusal', () => view.status === 'error');
  assert.deepEqual([view.rows.map(({ v }) => v), view.error.title], [[7], 'view']);
  const lists = server.lists.length;
  let refused = 0;
  const { notify } = server;
  server.notify = (exchange, request) => {
    if (request.subscriptions.length > 1) refused += 1;
    notify.call(server, exchange, request);
  };
  await world.pass(300_000);
  assert.deepEqual(shown, ['live', 'error'], 'it does not come and go');
  assert.equal(server.lists.length, lists, 'nothing is listed that cannot be followed');
  assert.equal(refused, 0, 'and the poll of the other tables is left alone');
  assert.deepEqual(view.rows.map(({ v }) => v), [7]);
  server.insert('a', { v: 3 });
  await world.pass(300);
  tab.check(live);
  server.views.delete('view');
  server.insert('view', { v: 8 });
  await until(world, 70_000, 'another try', () => view.status === 'live');
  assert.deepEqual(view.rows.map(({ v }) => v), [7, 8]);
});
