/** The poll that all tabs share, in the simulated browser. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Store } from '../../../static/js/storage.js';
import { until } from './sim/candidate.js';
import { Page } from './sim/page.js';
import { SimServer } from './sim/server.js';
import { World } from './sim/world.js';

/** So many tabs, settled. */
async function open(count, options = {}, seed = 7) {
  const world = new World(seed);
  const server = new SimServer(world);
  const pages = [];
  for (let i = 0; i < count; i++) {
    pages.push(new Page(world, { locks: true, ...options }));
    await world.pass(300);
  }
  await world.pass(2000);
  return { world, server, pages, master: pages.find(({ role }) => role === 'master') };
}

const only = (set) => {
  assert.equal(set.size, 1);
  return [...set][0];
};

test('one_poll_carries_everything_by_name', async () => {
  const { server, pages, world } = await open(3);
  pages[1].rowcast.live('b', { where: { v: 1 } });
  await world.pass(500);
  const { request } = only(server.parked);
  assert.deepEqual(request.subscriptions.map(({ id }) => id), ['a', 'b?v=eq.1']);
  assert.deepEqual(request.subscriptions[1].where, { v: 1 });
  assert.equal(request.browser.length, 32);
  assert.equal(request.term, pages[0].rowcast.state.term);
});

test('subscriptions_that_come_together_go_together', async () => {
  const { server, pages, world } = await open(1);
  const before = server.polls;
  for (const table of ['b', 'c', 'd', 'e']) pages[0].rowcast.live(table);
  await world.pass(1000);
  assert.equal(only(server.parked).request.subscriptions.length, 5);
  assert.ok(server.polls - before <= 2, `${server.polls - before} polls for what came together`);
});

test('heartbeat_is_quick_in_company_and_slow_alone', async () => {
  const { server, pages, world } = await open(1);
  assert.equal(only(server.parked).request.heartbeat, 15);
  const second = new Page(world, { locks: true });
  await world.pass(1000);
  assert.equal(only(server.parked).request.heartbeat, 2);
  second.process.close();
  await world.pass(31_000);
  assert.equal(only(server.parked).request.heartbeat, 15, 'from the next poll on');
  assert.equal(pages[0].rowcast.state.tabs, 1);
});

test('idle_tabs_write_half_a_time_a_second', async () => {
  const { world } = await open(6);
  const before = world.storage.writes;
  await world.pass(120_000);
  const rate = (world.storage.writes - before) / 120;
  assert.ok(rate <= 0.6, `${rate} writes a second`);
});

test('hand_over_costs_little_more_than_a_write_a_tab', async () => {
  const { world, master, pages } = await open(12);
  const before = world.storage.writes;
  master.process.close();
  await world.pass(1500);
  const written = world.storage.writes - before;
  assert.ok(written <= pages.length + 8, `${written} writes for ${pages.length} tabs`);
  const others = pages.filter((page) => page !== master);
  assert.ok(others.every(({ rowcast }) => rowcast.state.tabs === others.length), 'and all know how many there are');
});

for (const locks of [true, false]) {
  test(`master_that_hands_over_is_polled_for_as_before_${locks ? 'with' : 'without'}_locks`, async () => {
    const { server, world, pages, master } = await open(3, { locks });
    const lone = master.rowcast.live('b');
    await world.pass(1000);
    master.process.setVisible(false);
    await world.pass(70_000);
    server.insert('a', { v: 1 });
    await world.pass(2000);
    assert.equal(master.role, 'follower', 'it has handed over to a visible tab');
    server.insert('b', { v: 1 });
    await world.pass(1000);
    assert.equal(lone.rows.length, 1, 'what it alone follows is still followed');
    assert.ok(pages.every(({ rowcast }) => rowcast.state.tabs === 3));
  });
}

test('tab_whose_key_was_overwritten_says_again_what_it_wants', async () => {
  const { server, world, pages } = await open(3);
  const lone = pages[2].rowcast.live('b');
  await world.pass(1000);
  const foreign = new Store(world.spawn({ visible: false }).env, '/ ');
  for (const key of foreign.keys('tab:')) foreign.set(key, 'junk');
  await world.pass(1000);
  server.insert('b', { v: 1 });
  await world.pass(500);
  assert.equal(lone.rows.length, 1, 'it is polled for as before');
  assert.ok(pages.every(({ rowcast }) => rowcast.state.tabs === 3));
});

test('term_that_the_server_refuses_costs_the_browser_its_id_and_no_more', async () => {
  const { server, pages, world } = await open(3);
  const { browser } = only(server.parked).request;
  // What a foreign script wrote over the lease: a term that nobody counted to.
  const foreign = new Store(world.spawn({ visible: false }).env, '/ ');
  assert.notEqual(foreign.get('lease'), null);
  // More than once: a tab that has not heard of it yet may write its own over it.
  for (let beat = 1; beat <= 3; beat++) {
    foreign.set('lease', { term: 5e9, tab: 'junk', beat });
    await world.pass(50);
  }
  await world.pass(20_000);
  server.insert('a', { v: 1 });
  await world.pass(1000);
  for (const page of pages) page.checkCurrent();
  assert.notEqual(only(server.parked).request.browser, browser);
});

test('refused_subscription_does_not_silence_the_others', async () => {
  const { server, pages, world } = await open(2, { tables: ['a'] });
  const other = pages[1].rowcast.live('b');
  await world.pass(1000);
  server.unknown.add('b');
  server.setUp(false);
  server.setUp(true);
  await until(world, 40_000, 'the refusal', () => other.status === 'error');
  assert.equal(other.error.status, 404);
  server.insert('a', { v: 1 });
  await world.pass(1000);
  for (const page of pages) page.checkCurrent();
  server.unknown.delete('b');
  await until(world, 70_000, 'another try', () => other.status === 'live');
});

test('server_away_is_told_to_every_tab_and_comes_back', async () => {
  const { server, pages, world } = await open(3);
  server.setUp(false);
  await until(world, 3000, 'offline everywhere', () => pages.every(({ rowcast }) => rowcast.state.connection === 'offline'));
  for (const { rowcast, replicas } of pages) {
    assert.ok(rowcast.state.problem.retryAt, 'when it is tried again');
    assert.equal(replicas[0].status, 'stale');
  }
  server.insert('a', { v: 1 });
  await world.pass(20_000);
  server.setUp(true);
  await until(world, 32_000, 'online everywhere', () => pages.every(({ rowcast }) => rowcast.state.connection === 'online'));
  await world.pass(1000);
  for (const page of pages) page.checkCurrent();
  assert.equal(pages[0].rowcast.state.problem, null);
});

test('online_event_tries_at_once', async () => {
  const { server, world, master } = await open(2);
  server.setUp(false);
  await world.pass(60_000);
  server.setUp(true);
  assert.equal(master.rowcast.state.connection, 'offline');
  master.process.dispatch('online');
  await until(world, 700, 'a poll', () => master.rowcast.state.connection === 'online');
});

test('tries_spread_out_while_the_server_is_away', async () => {
  const { server, world } = await open(1);
  server.setUp(false);
  const { fetch } = server;
  let tries = 0;
  server.fetch = (...all) => {
    tries += 1;
    return fetch.apply(server, all);
  };
  await world.pass(300_000);
  assert.ok(tries > 8 && tries < 60, `${tries} tries in five minutes`);
});

test('tries_spread_out_while_the_server_refuses_every_term', async () => {
  const { server, world } = await open(1);
  let tries = 0;
  server.notify = (exchange) => {
    tries += 1;
    if (tries > 60) exchange.break();
    else exchange.problem(409, 'superseded');
  };
  server.supersede(only(server.parked));
  await world.pass(300_000);
  assert.ok(tries > 8 && tries < 60, `${tries} tries in five minutes`);
});

test('head_of_an_answer_does_not_make_a_server_count_as_back', async () => {
  const { server, world, master } = await open(1);
  server.notify = (exchange) => {
    exchange.head(200, {});
    exchange.finish('{"problem":{"type":"urn:rowcast:database","title":"the database does not answer","status":503}}');
  };
  server.setUp(false);
  server.setUp(true);
  await until(world, 2000, 'the tab to say so', () => master.rowcast.state.connection === 'offline');
  const seen = new Set();
  master.rowcast.addEventListener('state', () => seen.add(master.rowcast.state.connection));
  await world.pass(60_000);
  assert.deepEqual([...seen], ['offline']);
});

test('answer_makes_up_for_the_failures_before_it', async () => {
  const { server, world, master } = await open(1);
  for (let round = 0; round < 5; round++) {
    server.setUp(false);
    await until(world, 2000, 'the tab to say so', () => master.rowcast.state.connection === 'offline');
    const wait = master.rowcast.state.problem.retryAt - master.process.env.wall();
    assert.ok(wait <= 500, `${wait} ms, as after many failures`);
    await world.pass(60_000);
    server.setUp(true);
    await until(world, 40_000, 'a poll', () => server.parked.size === 1);
    server.insert('a', { v: 1 });
    await world.pass(200);
  }
});

test('answer_makes_up_for_what_superseded_a_poll_before_it', async () => {
  const { server, world } = await open(1);
  const { browser } = only(server.parked).request;
  for (let round = 0; round < 6; round++) {
    server.supersede(only(server.parked));
    await until(world, 2000, 'a poll', () => server.parked.size === 1);
    server.insert('a', { v: 1 });
    await world.pass(200);
  }
  assert.equal(only(server.parked).request.browser, browser, 'no copy of the profile did that');
});

test('next_poll_waits_as_long_as_the_answer_says', async () => {
  const { server, world } = await open(1);
  const poll = only(server.parked);
  server.unpark(poll).exchange.finish('{"cursor":"c0","answers":[],"retry_after_ms":3000}');
  await world.pass(2900);
  assert.equal(server.parked.size, 0);
  await world.pass(200);
  assert.equal(server.parked.size, 1);
});

test('superseded_master_goes_on_with_a_higher_term', async () => {
  const { server, world, master } = await open(2);
  const { browser } = only(server.parked).request;
  // As after localStorage was put back to an older state: the server remembers a higher term.
  server.terms.set(browser, master.rowcast.state.term + 1);
  server.supersede(only(server.parked));
  await until(world, 3000, 'a poll', () => server.parked.size === 1);
  server.insert('a', { v: 1 });
  await world.pass(500);
  assert.equal(master.role, 'master');
  master.checkCurrent();
});

test('copied_profile_gets_an_id_of_its_own', async () => {
  const { server, world } = await open(1);
  const { browser } = only(server.parked).request;
  server.terms.set(browser, 1e9);
  server.supersede(only(server.parked));
  await until(world, 20_000, 'a poll', () => server.parked.size === 1);
  assert.notEqual(only(server.parked).request.browser, browser);
});

test('silent_connection_is_given_up', async () => {
  const { server, world, master } = await open(2);
  const dead = only(server.parked);
  dead.exchange.chunk = () => {};
  server.parked.delete(dead);
  await until(world, 15_000, 'another poll', () => server.parked.size === 1);
  server.insert('a', { v: 1 });
  await world.pass(500);
  master.checkCurrent();
});

test('tab_without_storage_polls_for_itself_and_says_so', async () => {
  const world = new World(3);
  const server = new SimServer(world);
  const [seen, hidden] = [true, false].map((visible) => new Page(world, { visible, storage: false }));
  await world.pass(2000);
  assert.deepEqual([seen.role, hidden.role], ['alone', 'alone']);
  assert.match(seen.rowcast.state.reason, /localStorage/);
  assert.equal(server.parked.size, 1, 'only the visible one holds a connection');
  assert.equal(only(server.parked).request.browser, undefined);
  server.insert('a', { v: 1 });
  await world.pass(500);
  seen.checkCurrent();
  const before = server.polls;
  await world.pass(62_000);
  assert.ok(server.polls - before <= 4, `${server.polls - before} polls in a minute`);
  hidden.checkCurrent();
  hidden.process.setVisible(true);
  seen.process.setVisible(false);
  await world.pass(500);
  assert.equal(server.parked.size, 1);
});

test('batches_of_a_busy_server_gather', async () => {
  const { server, world, pages } = await open(2);
  const before = server.polls;
  for (let i = 0; i < 1000; i++) {
    server.insert('a', { v: i });
    await world.pass(3);
  }
  await world.pass(1000);
  for (const page of pages) page.checkCurrent();
  assert.ok(server.polls - before < 3 * 40, `${server.polls - before} polls in 3 s`);
});

for (const [deed, locks] of [['close', false], ['kill', true]]) {
  test(`hidden_successor_polls_for_all_at_once_after_${deed}`, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { server, world, pages, master } = await open(1, { locks }, seed);
      pages.push(...['b', 'c', 'd'].map((table) => new Page(world, { locks, visible: false, tables: [table] })));
      await world.pass(world.random.between(5000, 9000));
      master.process[deed]();
      const rest = pages.filter((page) => page !== master);
      await world.pass(200);
      assert.deepEqual(only(server.parked).request.subscriptions.map(({ id }) => id), ['b', 'c', 'd'], `seed ${seed}`);
      assert.deepEqual(rest.map(({ rowcast }) => rowcast.state.tabs), [3, 3, 3], `seed ${seed}: all know how many there are`);
    }
  });
}

test('hidden_master_of_a_busy_server_keeps_no_visible_tab_waiting', async () => {
  const { server, world, pages, master } = await open(2);
  master.process.setVisible(false);
  const [follower] = pages.filter((page) => page !== master);
  let longest = 0;
  let toldAt = world.now;
  follower.replicas[0].addEventListener('change', () => {
    longest = Math.max(longest, world.now - toldAt);
    toldAt = world.now;
  });
  const before = server.polls;
  for (let i = 0; i < 1000; i++) {
    server.insert('a', { v: i });
    await world.pass(3);
  }
  await world.pass(200);
  assert.equal(master.role, 'master');
  for (const page of pages) page.checkCurrent();
  assert.ok(longest < 150, `${Math.round(longest)} ms without a change`);
  follower.process.setVisible(false);
  await world.pass(1000);
  const watched = server.polls - before;
  for (let i = 0; i < 1000; i++) {
    server.insert('a', { v: i });
    await world.pass(3);
  }
  await world.pass(2000);
  for (const page of pages) page.checkCurrent();
  const unwatched = server.polls - before - watched;
  assert.ok(unwatched < 3 * 40, `${unwatched} polls in 3 s, though nobody looks`);
});

test('hidden_master_hands_over_to_a_visible_tab_without_loss', async () => {
  for (const locks of [true, false]) {
    const { server, world, pages, master } = await open(3, { locks });
    master.process.setVisible(false);
    await world.pass(90_000);
    server.insert('a', { v: 1 });
    await world.pass(1000);
    const now = pages.find(({ role }) => role === 'master');
    assert.ok(now && now !== master && now.process.visible, 'a visible tab leads');
    for (const page of pages) page.checkCurrent();
    assert.equal(server.parked.size, 1);
  }
});

test('silent_server_is_given_up', async () => {
  const { server, world, master } = await open(1);
  server.fetch = (_process, _url, { signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('AbortError'))));
  master.process.dispatch('online');
  await until(world, 80_000, 'the tab to say so', () => master.rowcast.state.connection === 'offline');
});

test('missed_events_are_made_up_from_the_log', async () => {
  for (const heardBy of ['the next batch', 'the next beat']) {
    const { server, world, pages, master } = await open(3);
    const [missing] = pages.filter((page) => page !== master);
    missing.process.deaf = true;
    for (let i = 0; i < 5; i++) {
      server.insert('a', { v: i });
      await world.pass(100);
    }
    missing.process.deaf = false;
    const before = server.polls;
    if (heardBy === 'the next batch') server.insert('a', { v: 9 });
    const limit = heardBy === 'the next batch' ? 200 : 2200;
    await until(world, limit, `what was missed, by ${heardBy}`, () => missing.replicas[0].at === master.replicas[0].at && missing.replicas[0].rows.length >= 5);
    missing.checkCurrent();
    assert.ok(server.polls - before <= 1, 'nothing is asked of the server that the log has');
  }
});

test('follower_that_hears_every_batch_need_not_read_the_log', async () => {
  const { server, world, pages, master } = await open(2);
  const { view } = pages.find((page) => page !== master).process;
  let reads = 0;
  const { getItem } = view;
  view.getItem = (key) => {
    if (key.includes(':log:')) reads += 1;
    return getItem.call(view, key);
  };
  for (let i = 0; i < 10; i++) {
    server.insert('a', { v: i });
    await world.pass(1000);
  }
  for (const page of pages) page.checkCurrent();
  assert.equal(reads, 0);
});

test('gap_beyond_the_log_is_made_up_from_the_server', async () => {
  const { server, world, pages, master } = await open(3);
  const [missing] = pages.filter((page) => page !== master);
  missing.process.deaf = true;
  for (let i = 0; i < 40; i++) {
    server.insert('a', { v: i });
    await world.pass(100);
  }
  missing.process.deaf = false;
  server.insert('a', { v: 9 });
  await world.pass(300);
  missing.checkCurrent();
  assert.equal(missing.heard, 41, 'each once');
});

test('cleared_storage_is_written_again', async () => {
  const { world, pages, master } = await open(3);
  const keys = () => [...world.storage.truth.keys()].filter((key) => !/:(log:.*|ping)$/.test(key)).sort();
  const before = keys();
  for (const page of pages) {
    page.process.view.clear();
    // Who clears hears of it by nothing but the next beat.
    await world.pass(2200);
    assert.deepEqual(keys(), before.filter((key) => !key.endsWith(':browser')), 'the lease and one key a tab');
    assert.equal(master.role, 'master');
  }
});

test('stale_master_publishes_no_more', async () => {
  for (const moment of ['before the answer', 'between its last two parts']) {
    const { server, world, pages, master } = await open(2);
    const other = pages.find((page) => page !== master);
    const key = [...world.storage.truth.keys()].find((name) => name.endsWith(':lease'));
    const lease = JSON.stringify({ term: 99, tab: 'elsewhere', beat: 1, released: false, visible: true });
    master.process.deaf = true;
    if (moment === 'before the answer') {
      other.process.view.setItem(key, lease);
      await world.pass(50);
    } else {
      const { exchange } = only(server.parked);
      const { push } = exchange;
      exchange.push = (item) => {
        if (item.done) master.process.view.map.set(key, lease);
        push.call(exchange, item);
      };
    }
    server.insert('a', { v: 1 });
    await world.pass(100);
    assert.notEqual(master.role, 'master');
    const log = [...world.storage.truth].filter(([name]) => name.includes(':log:')).map(([, value]) => JSON.parse(value));
    assert.ok(!log.some(({ tab, answers }) => tab === master.rowcast.state.tab && answers.length > 0), `what it was told, it kept to itself: ${moment}`);
  }
});

test('new_master_numbers_on_even_if_it_missed_batches', async () => {
  const { server, world, pages, master } = await open(2);
  const other = pages.find((page) => page !== master);
  other.process.deaf = true;
  for (let i = 0; i < 5; i++) {
    server.insert('a', { v: i });
    await world.pass(100);
  }
  const numbers = () => [...world.storage.truth].filter(([name]) => name.includes(':log:')).map(([, value]) => JSON.parse(value).id);
  const last = Math.max(...numbers());
  master.process.kill();
  await until(world, 1000, 'another master', () => other.role === 'master');
  server.insert('a', { v: 9 });
  await world.pass(300);
  assert.ok(Math.max(...numbers()) > last);
  other.checkCurrent();
});

for (const deed of ['close', 'kill']) {
  test(`new_master_polls_for_everybody_at_once_after_${deed}`, async () => {
    for (const locks of [true, false]) {
      for (let seed = 1; seed <= 10; seed++) {
        const { server, world, pages, master } = await open(1, { locks }, seed);
        pages.push(...['b', 'c', 'd'].map((table) => new Page(world, { locks, tables: [table] })));
        await world.pass(3000);
        master.process[deed]();
        const rest = pages.filter((page) => page !== master);
        await until(world, 6500, 'another master', () => rest.some(({ role }) => role === 'master'));
        await world.pass(150);
        const { request } = only(server.parked);
        assert.deepEqual(request.subscriptions.map(({ id }) => id), ['b', 'c', 'd'], `seed ${seed}`);
        assert.deepEqual(rest.map(({ rowcast }) => rowcast.state.tabs), [3, 3, 3], `seed ${seed}`);
      }
    }
  });
}
