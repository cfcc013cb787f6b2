/** The small parts: names, order, waiting. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoff } from '../../../static/js/backoff.js';
import { canonical, entryId, query, subscriptionId, subscriptionOf } from '../../../static/js/filter.js';
import { compare, merged, ordering } from '../../../static/js/order.js';
import { poll } from '../../../static/js/poll.js';
import { isFinal, problemOf } from '../../../static/js/problem.js';
import { Roster } from '../../../static/js/roster.js';

test('same_meaning_has_the_same_id', () => {
  assert.equal(subscriptionId('t', { b: 1, a: 'x' }), subscriptionId('t', { a: 'x', b: 1 }));
  assert.equal(subscriptionId('t', {}), subscriptionId('t'));
  assert.notEqual(subscriptionId('t', { a: null }), subscriptionId('t', { a: 'null' }));
  assert.deepEqual(Object.keys(canonical({ b: 1, a: 2 })), ['a', 'b']);
});

test('id_survives_any_name', () => {
  const id = subscriptionId('a#b', { 'c#&=': '#1' });
  assert.ok(!id.includes('#'), id);
  assert.equal(subscriptionOf(entryId(id, 3)), id);
  assert.equal(query({ 'a b': 'c&d' }), 'a%20b=eq.c%26d');
});

test('where_refuses_what_cannot_be_equal', () => {
  for (const value of [undefined, {}, [], () => 1]) assert.throws(() => canonical({ a: value }), TypeError);
});

test('merged_runs_are_as_sorted_and_cost_little', () => {
  let compared = 0;
  const order = (a, b) => (compared++, a.n - b.n);
  const items = (...ns) => ns.map((n, at) => ({ n, at }));
  for (const [run, more] of [[[], []], [[], [1]], [[1], []], [[1, 3, 5], [0, 2, 2, 6]], [[1, 1, 2], [1, 1, 2]], [[5, 6], [1, 2]]]) {
    const [first, second] = [items(...run), items(...more)];
    assert.deepEqual(merged(first, second, order), [...first, ...second].sort(order), 'equal ones stay in turn');
  }
  const many = items(...Array.from({ length: 10_000 }, (_, n) => n));
  compared = 0;
  assert.equal(merged(many, items(5000), order).length, 10_001);
  assert.ok(compared < 20, `${compared} comparisons`);
});

test('order_is_total_and_as_people_expect', () => {
  const sorted = (order, rows) => rows.map((row) => ({ row, key: [row.id] })).sort(ordering(order)).map(({ key }) => key[0]);
  const rows = [{ id: 10, n: 'b', v: null }, { id: 9, n: 'Ä', v: 2 }, { id: 2, n: 'a', v: 1 }, { id: 1, n: 'B', v: 2 }];
  assert.deepEqual(sorted(undefined, rows), [1, 2, 9, 10], 'numbers by size');
  assert.deepEqual(sorted('-id', rows), [10, 9, 2, 1]);
  assert.deepEqual(sorted('v', rows), [2, 1, 9, 10], 'null last, equal ones by key');
  assert.deepEqual(sorted('-v', rows), [10, 1, 9, 2]);
  assert.deepEqual(sorted('n', rows), [2, 9, 10, 1], 'by the alphabet');
  assert.deepEqual(sorted(['-v', '-id'], rows), [10, 9, 1, 2]);
  assert.deepEqual(sorted((a, b) => a.n.length - b.n.length, rows), [1, 2, 9, 10]);
});

test('times_sort_by_time', () => {
  const times = ['2026-01-01T12:00:05+00:00', '2026-01-01T12:00:05.1+00:00', '2026-01-01T12:00:05.12+00:00', '2026-01-01T12:00:06+00:00'];
  assert.deepEqual([...times].reverse().sort(compare), times);
});

test('backoff_grows_jitters_and_ends', () => {
  assert.deepEqual([1, 2, 3].map((failures) => backoff(failures, 1)), [500, 1000, 2000]);
  assert.equal(backoff(50, 1), 30_000);
  assert.equal(backoff(3, 0), 0);
  assert.equal(backoff(1, 0, 4000), 4000, 'never sooner than it was told');
  assert.ok(backoff(9, 1, 4000) > 4000);
});

test('problem_is_told_whatever_the_body', async () => {
  const response = (status, text, headers = {}) => ({ status, statusText: 'Bad Gateway', text: async () => text, headers: { get: (name) => headers[name] ?? null } });
  const told = await problemOf(response(404, '{"type":"urn:rowcast:not-found","title":"no such table","status":404}'));
  assert.deepEqual([told.problem.title, isFinal(told.problem)], ['no such table', true]);
  const proxy = await problemOf(response(502, '<html>', { 'Retry-After': '7' }));
  assert.deepEqual([proxy.problem.title, isFinal(proxy.problem), proxy.retryAfterMs], ['The server answered 502 Bad Gateway', false, 7000]);
});

test('poll_of_a_page_that_slept_is_not_taken_for_dead', async () => {
  for (const slept of [true, false]) {
    let now = 0;
    /** @type {(() => void) | null} */
    let timer = null;
    let hear = (/** @type {object} */ _part) => {};
    const read = () => new Promise((resolve) => (hear = resolve));
    const env = {
      now: () => now,
      setTimeout: (run) => (timer = run),
      clearTimeout: () => (timer = null),
      fetch: async (_url, { signal }) => {
        signal.addEventListener('abort', () => hear({ done: true }));
        return { ok: true, body: { getReader: () => ({ read }) } };
      },
    };
    const outcome = poll(env, '/notify', { wait: 30, heartbeat: 2, subscriptions: [] });
    await new Promise((resolve) => setImmediate(resolve));
    // Four heartbeats are missing: it was silent, or this page has not been there to hear them.
    now += slept ? 60_000 : 8000;
    timer?.();
    hear({ done: false, value: new TextEncoder().encode('{"cursor":"c1","answers":[]}') });
    await new Promise((resolve) => setImmediate(resolve));
    hear({ done: true });
    assert.equal((await outcome).kind, slept ? 'answer' : 'problem');
  }
});

test('heir_is_a_visible_tab_or_the_last_that_was_heard_of', () => {
  const roster = new Roster(/** @type {any} */ ({ keys: () => [] }), 'me');
  const key = (visible) => ({ n: 1, term: 1, roll: 0, visible, subs: [] });
  assert.equal(roster.heir, null);
  for (const tab of ['a', 'b', 'me', 'a']) roster.note(tab, key(tab === 'me'));
  assert.equal(roster.heir, 'a');
  for (const tab of ['c', 'd', 'b']) roster.note(tab, key(tab !== 'b'));
  assert.equal(roster.heir, 'd');
  roster.note('d', null);
  assert.equal(roster.heir, 'c', 'who has left is no heir');
});
