/** The log: what goes into it, and how a tab finds its way through it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Channel, LARGEST, leadsOn, path, readBatch, SLOTS } from '../../../static/js/channel.js';
import { Demands } from '../../../static/js/demand.js';
import { Store } from '../../../static/js/storage.js';
import { World } from './sim/world.js';

const batch = (from, to, more = {}) => ({ id: 0, term: 1, tab: 't', from, to, answers: [], ...more });
const store = (world) => new Store(world.spawn().env, '/');

test('batch_leads_on_only_from_its_start', () => {
  const one = batch({ a: 'c1', 'a#2': 'c2', 'a?v=eq.1': 'c3' }, 'c9');
  assert.equal(leadsOn(one, 'a', 'c1'), 'a');
  assert.equal(leadsOn(one, 'a', 'c2'), 'a#2');
  assert.equal(leadsOn(one, 'a', 'c3'), null, 'that is where another subscription starts');
  assert.equal(leadsOn(one, 'a', 'c9'), null);
});

test('path_bridges_a_gap_in_any_order', () => {
  const steps = [batch({ a: 'c1' }, 'c2'), batch({ a: 'c2', b: 'c2' }, 'c3'), batch({ b: 'c1' }, 'c9'), batch({ a: 'c3' }, 'c4')];
  for (const log of [steps, [...steps].reverse()]) {
    assert.deepEqual(path(log, 'a', 'c1').map(({ to }) => to), ['c2', 'c3', 'c4']);
    assert.deepEqual(path(log, 'a', 'c9'), []);
  }
  assert.deepEqual(path([batch({ a: 'c1' }, 'c2'), batch({ a: 'c2' }, 'c1')], 'a', 'c1').length, 2, 'a circle ends');
});

test('log_keeps_the_last_batches_in_order', () => {
  const world = new World(1);
  const channel = new Channel(store(world), true);
  for (let n = 1; n <= SLOTS + 5; n++) channel.publish(batch({ a: `c${n}` }, `c${n + 1}`));
  const log = channel.read();
  assert.deepEqual(log.map(({ id }) => id), Array.from({ length: SLOTS }, (_, n) => n + 6));
  assert.equal(new Channel(store(world), true).head, 0, 'writes have not reached the other process');
});

test('new_master_goes_on_from_the_last_number', async () => {
  const world = new World(1);
  const first = new Channel(store(world), true);
  first.publish(batch({ a: 'c1' }, 'c2'));
  first.publish(batch({ a: 'c2' }, 'c3'));
  await world.pass(100);
  const second = new Channel(store(world), true);
  second.publish(batch({ a: 'c3' }, 'c4'));
  assert.deepEqual(second.read().map(({ id, to }) => [id, to]), [[1, 'c2'], [2, 'c3'], [3, 'c4']]);
});

test('large_batch_only_says_so', () => {
  const channel = new Channel(store(new World(1)), true);
  const answers = [{ id: 'a', changes: [{ text: 'x'.repeat(LARGEST) }] }];
  channel.publish(batch({ a: 'c1', b: 'c1' }, 'c2', { answers }));
  const [read] = channel.read();
  assert.deepEqual([read.answers, read.told, read.from, read.to], [null, ['a'], { a: 'c1', b: 'c1' }, 'c2']);
});

test('rows_stay_out_of_storage_if_told_so', () => {
  const world = new World(1);
  const process = world.spawn();
  const channel = new Channel(new Store(process.env, '/'), false);
  channel.publish(batch({ a: 'c1' }, 'c2', { answers: [{ id: 'a', changes: [{ new: { name: 'secret' } }] }] }));
  channel.publish(batch({ a: 'c2' }, 'c3'));
  assert.ok(![...process.view.map.values()].some((value) => value.includes('secret')));
  assert.deepEqual(channel.read().map(({ answers }) => answers), [null, []]);
});

test('full_storage_drops_the_log_first', () => {
  const world = new World(1);
  const process = world.spawn();
  const own = new Store(process.env, '/');
  const channel = new Channel(own, true);
  channel.publish(batch({ a: 'c1' }, 'c2'));
  process.view.setItem('somebody-else', 'x');
  const { setItem } = process.view;
  // Room for one more key only when another has gone.
  process.view.setItem = function (key, value) {
    if (this.length >= 2 && !this.map.has(key)) throw new Error('QuotaExceededError');
    return setItem.call(this, key, value);
  };
  assert.ok(own.set('lease', { term: 1 }));
  assert.deepEqual(channel.read(), []);
  assert.ok(!own.set('tab:1', {}), 'and then it says that there is no room');
});

test('foreign_values_in_the_log_are_no_batch', () => {
  for (const value of [null, 1, 'x', [], {}, { ...batch({}, 'c1'), to: 3 }, { ...batch({}, 'c1'), from: null }, { ...batch({}, 'c1'), answers: 'x' }]) {
    assert.equal(readBatch(value), null, JSON.stringify(value));
  }
});

test('tabs_that_stand_apart_meet_at_the_next_answer', () => {
  const demands = new Demands();
  const want = (since) => [{ id: 'a', table: 'a', since }];
  demands.set('t1', want('c1'), []);
  demands.set('t2', want('c2'), []);
  demands.set('t3', want('c2'), []);
  assert.deepEqual(demands.entries().map(({ id, since }) => [id, since]), [['a', 'c1'], ['a#2', 'c2']]);
  demands.advance(batch({ a: 'c1', 'a#2': 'c2' }, 'c5'));
  assert.deepEqual(demands.entries().map(({ id, since }) => [id, since]), [['a', 'c5']]);
});

test('demand_follows_what_is_on_its_way_to_the_tab', () => {
  const demands = new Demands();
  demands.set('t1', [{ id: 'a', table: 'a', since: 'c1' }], [batch({ a: 'c1' }, 'c2'), batch({ a: 'c2' }, 'c3')]);
  assert.equal(demands.entries()[0].since, 'c3');
});
