/** The invariants of static/js/election.js, by their names there. Random histories name their seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { initial, leads, step, TIMES } from '../../../static/js/election.js';
import { readLease } from '../../../static/js/lease.js';
import { Candidate, until } from './sim/candidate.js';
import { World } from './sim/world.js';

const FIRST = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));
const SEEDS = Number(process.env.SEEDS ?? 40);

/** A lease as another tab would have written it. */
const lease = (fields) => ({ term: 5, tab: 'other', beat: 1, visible: true, released: false, heir: null, ...fields });

/** Takes a tab through events; `at` is its clock. */
class Driver {
  constructor({ locks = false, visible = true } = {}) {
    this.at = 0;
    this.lease = null;
    this.effects = [];
    this.state = initial('me', { locks, visible, now: 0 });
  }

  send(type, { after = 0, lease: stored = this.lease, heir = null } = {}) {
    this.at += after;
    const { state, effects } = step(this.state, { type, now: this.at, random: 0.5, lease: stored, company: true, heir });
    this.lease = stored;
    for (const effect of effects) if (effect.type === 'write') this.lease = effect.lease;
    this.state = state;
    this.effects = effects;
    return this;
  }

  /** The timer fires, so late. */
  timer(late = 0) {
    return this.send('timer', { after: this.state.dueAt - this.at + late });
  }

  did(type, how) {
    return this.effects.some((effect) => effect.type === type && (!how || effect.how === how));
  }
}

/** A tab that leads under term 1. */
function master(options) {
  const tab = new Driver(options).send('start');
  if (options?.locks) return tab.send('granted');
  return tab.timer().timer();
}

test('outranked_tab_stands_down_at_any_event', () => {
  const events = ['lease', 'ping', 'timer', 'chunk', 'tell', 'answer', 'superseded', 'visible', 'hidden'];
  for (const locks of [true, false]) {
    for (const type of events) {
      for (const term of [1, 2, 9]) {
        const tab = master({ locks });
        assert.ok(leads(tab.state));
        tab.send(type, { lease: lease({ term }) });
        assert.ok(!leads(tab.state), `${type}, term ${term}`);
        assert.ok(!tab.did('write'), `${type} must not overwrite the other's lease`);
      }
    }
  }
});

test('lower_term_does_not_move_a_master', () => {
  const tab = master();
  tab.send('superseded');
  assert.equal(tab.state.term, 2);
  tab.send('lease', { lease: lease({ term: 1 }) });
  assert.ok(leads(tab.state));
});

test('master_whose_timers_are_throttled_beats_on_the_poll_s_heartbeat', () => {
  const tab = master();
  const { beat } = tab.lease;
  tab.send('chunk', { after: 100 });
  assert.equal(tab.lease.beat, beat, 'the timer has beaten just now');
  tab.send('chunk', { after: TIMES.beat - 100 });
  assert.equal(tab.lease.beat, beat + 1);
});

test('master_rewrites_its_lease', () => {
  for (const found of [null, lease({ term: 0 })]) {
    const tab = master().send('lease', { lease: found });
    assert.equal(tab.lease?.tab, 'me', 'cleared, or overwritten by a lower term');
    assert.ok(!tab.lease.released);
  }
});

test('terms_only_grow', () => {
  const tab = new Driver().send('start', { lease: lease({ term: 41, released: true }) });
  tab.timer().timer();
  assert.equal(tab.lease.term, 42);
  // Storage was cleared while somebody else led under a higher term.
  tab.send('lease', { lease: lease({ term: 50 }) });
  tab.send('lease', { lease: null }).timer().timer().timer();
  assert.ok(leads(tab.state));
  assert.equal(tab.lease.term, 51);
});

test('late_timer_asks_again', () => {
  const quiet = () => new Driver({ locks: true }).send('start').send('lease', { lease: lease() }).timer();
  for (const phase of ['seeking', 'asking', 'stealing']) {
    const tab = quiet();
    while (tab.state.phase !== phase) tab.timer();
    tab.timer(TIMES.late + 1);
    assert.equal(tab.state.phase, 'seeking', `late while ${phase}`);
    assert.ok(tab.did('ping') && !tab.did('lock'));
  }
  for (const phase of ['waiting', 'seeking']) {
    const tab = new Driver().send('start');
    assert.equal(tab.state.phase, 'waiting');
    if (phase === 'seeking') tab.send('lease', { lease: lease() }).timer();
    tab.timer(TIMES.late + 1);
    assert.equal(tab.state.phase, 'seeking', `late while ${phase}, without locks`);
    assert.ok(tab.did('ping') && !tab.did('write'));
  }
});

test('steals_are_bounded', () => {
  const tab = new Driver({ locks: true }).send('start', { lease: lease() });
  const steals = [];
  while (tab.at < 10 * 60_000) {
    tab.timer();
    if (tab.did('lock', 'steal')) steals.push(tab.at);
  }
  assert.ok(steals.length >= 8, `it keeps trying: ${steals}`);
  for (let i = 1; i < steals.length; i++) assert.ok(steals[i] - steals[i - 1] >= TIMES.steal, `${steals}`);
});

test('resting_tab_holds_nothing', () => {
  for (const locks of [true, false]) {
    for (const type of ['rest', 'full']) {
      const tab = master({ locks }).send(type);
      assert.ok(!leads(tab.state));
      assert.ok(tab.lease.released);
      assert.equal(tab.did('lock', 'release'), locks);
    }
    const late = new Driver({ locks: true }).send('start').send('rest').send('granted');
    assert.ok(late.did('lock', 'release') && !leads(late.state), 'a lock that is granted too late is given back');
  }
});

test('hidden_master_yields_to_a_visible_tab', () => {
  for (const locks of [true, false]) {
    const tab = master({ locks }).send('hidden').send('answer', { after: TIMES.yield - 1, heir: 'other' });
    assert.ok(leads(tab.state), 'not before a minute');
    tab.send('answer', { after: 1 });
    assert.ok(leads(tab.state), 'not without a visible tab');
    tab.send('answer', { heir: 'other' });
    assert.ok(!leads(tab.state));
    assert.deepEqual([tab.lease.released, tab.lease.heir], [true, 'other']);
  }
  const heir = new Driver().send('start', { lease: lease() }).send('lease', { lease: lease({ beat: 2, released: true, heir: 'me' }) });
  assert.equal(heir.lease.tab, 'me', 'the heir claims at once');
  const stealing = new Driver({ locks: true }).send('start', { lease: lease() }).send('lease', { lease: lease({ beat: 2, released: true, heir: 'me' }) });
  assert.ok(stealing.did('lock', 'steal'));
  const hidden = master({ locks: true }).send('hidden').send('answer', { after: TIMES.yield, heir: 'dead' }).timer();
  assert.ok(hidden.did('lock', 'queue'), 'an heir that is dead is not waited for: the lock goes to the next');
});

test('follower_asks_at_once_where_the_lease_is_gone', () => {
  const tab = new Driver().send('start', { lease: lease() }).send('lease', { lease: lease({ beat: 2 }) });
  tab.send('lease', { lease: null });
  assert.ok(tab.did('ping'));
  assert.ok(tab.state.dueAt - tab.at < TIMES.dead);
});

test('tab_that_is_looked_at_asks_at_once_whether_the_master_lives', () => {
  for (const locks of [true, false]) {
    const tab = new Driver({ locks, visible: false }).send('start', { lease: lease() }).send('lease', { lease: lease({ beat: 2 }) });
    assert.equal(tab.state.phase, 'following');
    assert.ok(tab.send('visible').did('ping'));
    assert.ok(tab.state.dueAt - tab.at < TIMES.dead);
  }
});

test('claim_that_was_overwritten_is_made_again', () => {
  for (const found of [null, lease({ term: 0 })]) {
    const tab = new Driver().send('start').timer();
    assert.equal(tab.state.phase, 'claimed');
    tab.send('timer', { after: TIMES.settle, lease: found });
    assert.deepEqual([tab.state.phase, tab.lease.tab], ['claimed', 'me'], 'written again, and watched for as long again');
    assert.ok(leads(tab.timer().state));
  }
});

test('lock_that_is_granted_too_late_is_let_go', async () => {
  const world = new World(1);
  const requests = [];
  const tab = new Candidate(world, { locks: true, fakeLocks: { request: (...all) => (requests.push(all.at(-1)), new Promise(() => {})) } });
  tab.elector.send('rest');
  const held = requests[0]();
  assert.ok(!tab.leads);
  // Hangs, and with it the lock of all tabs, if it is held on to.
  await Promise.race([held, new Promise((_, reject) => setTimeout(() => reject(new Error('still held')), 1000))]);
});

test('foreign_values_in_the_lease_are_no_lease', () => {
  for (const value of [null, 7, 'x', {}, { term: '5', tab: 'a', beat: 1 }, { term: 5, tab: 7, beat: 1 }, { term: -1, tab: 'a', beat: 1 }, { term: 1e300, tab: 'a', beat: 1 }, { term: Number.MAX_SAFE_INTEGER, tab: 'a', beat: 1 }]) {
    assert.equal(readLease(value), null, JSON.stringify(value));
  }
});

for (const locks of [true, false]) {
  const how = locks ? 'with' : 'without';

  test(`peace_has_exactly_one_master_${how}_locks`, async (t) => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const world = new World(seed);
      const tabs = await turmoil(world, locks);
      await world.pass(130_000);
      const running = tabs.filter(({ process }) => process.life === 'running');
      assert.equal(running.filter((tab) => tab.leads).length, 1, `seed ${seed}: ${running.map(({ elector }) => elector.state.phase)}`);
      for (const { process, terms } of tabs) {
        assert.ok(terms.every((term, i) => i === 0 || term > terms[i - 1]), `seed ${seed}: ${process.name} led under ${terms}`);
      }
    }
    t.diagnostic(`seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
  });

  test(`live_master_is_left_alone_${how}_locks`, async (t) => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const world = new World(seed);
      const first = new Candidate(world, { locks });
      await until(world, 2000, 'the first tab to lead', () => first.leads);
      const sleeper = new Candidate(world, { locks });
      const late = [];
      for (let round = 0; round < 10; round++) {
        late.push(new Candidate(world, { locks, visible: world.random.chance(0.5), speed: world.random.between(0.8, 1.25) }));
        sleeper.process.stop();
        world.random.pick(world.processes).setClock(world.random.between(-1e8, 1e8));
        world.random.pick([sleeper, ...late]).process.leap(world.random.between(0, 3_600_000));
        await world.pass(world.random.between(0, 20_000));
        sleeper.process.cont();
        world.random.pick(world.processes).setVisible(world.random.chance(0.5));
        await world.pass(world.random.between(0, 2000));
      }
      assert.deepEqual([first.leads, first.terms, world.locks.steals.length], [true, [1], 0], `seed ${seed}`);
    }
    t.diagnostic(`seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
  });

  const LIMITS = locks ? { close: 100, freeze: 100, kill: 200, stop: 11_000 } : { close: 250, freeze: 250, kill: 6500, stop: 6500 };
  for (const [deed, limit] of Object.entries(LIMITS)) {
    test(`dead_master_is_replaced_in_time_${deed}_${how}_locks`, async (t) => {
      let worst = 0;
      for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
        const world = new World(seed);
        const tabs = [1, 2, 3].map(() => new Candidate(world, { locks }));
        await until(world, 3000, 'a master', () => tabs.some((tab) => tab.leads));
        await world.pass(world.random.between(500, 9000));
        const old = tabs.find((tab) => tab.leads);
        old.process[deed]();
        worst = Math.max(worst, await until(world, limit, `another master after ${deed}`, () => tabs.some((tab) => tab !== old && tab.leads)));
      }
      t.diagnostic(`worst ${Math.round(worst)} ms, seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
    });
  }

  test(`stale_master_stands_down_when_it_wakes_${how}_locks`, async () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const world = new World(seed);
      const tabs = [1, 2].map(() => new Candidate(world, { locks }));
      await until(world, 3000, 'a master', () => tabs.some((tab) => tab.leads));
      const old = tabs.find((tab) => tab.leads);
      old.process.stop();
      await until(world, 12_000, 'another master', () => tabs.some((tab) => tab !== old && tab.leads));
      await world.pass(world.random.between(100, 5000));
      old.process.cont();
      assert.ok(!old.elector.check(), `seed ${seed}: it speaks no more, from its first look at the lease on`);
      await world.pass(10_000);
      assert.equal(tabs.filter((tab) => tab.leads).length, 1, `seed ${seed}`);
    }
  });
}

for (const deed of ['close', 'freeze']) {
  test(`hidden_heir_leads_at_once_${deed}`, async (t) => {
    let worst = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const { world, old, tabs } = await family(seed);
      const heir = world.random.pick(tabs).process.name;
      old.heir = () => heir;
      // Somebody who comes just now, and knows nothing yet, is a rival.
      world.after(world.random.between(0, 100), () => tabs.push(new Candidate(world, { locks: false, visible: world.random.chance(0.5) })));
      await world.pass(world.random.between(0, 100));
      old.process[deed]();
      worst = Math.max(worst, await until(world, 100, 'the heir to lead', () => tabs.some((tab) => tab.leads)));
      for (let ms = 0; ms < 3000; ms++) {
        assert.ok(tabs.filter((tab) => tab.leads).length <= 1, `seed ${seed}: two at once, ${ms} ms after`);
        await world.pass(1);
      }
      assert.equal(tabs.filter((tab) => tab.leads).length, 1, `seed ${seed}`);
    }
    t.diagnostic(`worst ${Math.round(worst)} ms, seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
  });
}

test('busy_heir_is_waited_for_a_moment', async () => {
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const { world, old, tabs } = await family(seed, true);
    const [heir] = tabs;
    old.heir = () => heir.process.name;
    heir.process.stop();
    old.process.close();
    await world.pass(250);
    heir.process.cont();
    await until(world, 200, 'a master', () => tabs.some((tab) => tab.leads));
    await world.pass(1000);
    assert.deepEqual(tabs.map((tab) => tab.terms.length), [1, 0, 0], `seed ${seed}: nobody else tried`);
  }
});

test('dead_heir_is_not_waited_for', async (t) => {
  for (const [visible, limit] of [[true, 700], [false, 3100]]) {
    let worst = 0;
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const { world, old, tabs } = await family(seed, visible);
      old.heir = () => 'dead';
      old.process.close();
      worst = Math.max(worst, await until(world, limit, 'another master', () => tabs.some((tab) => tab.leads)));
    }
    t.diagnostic(`${visible ? 'visible' : 'hidden'}: worst ${Math.round(worst)} ms, seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
  }
});

test('visible_tab_comes_first_without_locks', async () => {
  let first = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const world = new World(seed);
    const old = new Candidate(world, { locks: false });
    await until(world, 2000, 'a master', () => old.leads);
    const tabs = [false, false, true, false].map((visible) => new Candidate(world, { locks: false, visible }));
    await world.pass(5000);
    old.process.close();
    await until(world, 3000, 'another master', () => tabs.some((tab) => tab.leads));
    if (tabs[2].leads) first += 1;
  }
  // A preference, not a promise: an event may come 30 ms late.
  assert.ok(first >= SEEDS * 0.9, `${first} of ${SEEDS}`);
});

/** A master without locks, and three followers. */
async function family(seed, visible = false) {
  const world = new World(seed);
  const old = new Candidate(world, { locks: false });
  await until(world, 2000, 'a master', () => old.leads);
  const tabs = [1, 2, 3].map(() => new Candidate(world, { locks: false, visible }));
  await world.pass(world.random.between(2000, 9000));
  return { world, old, tabs };
}

/** Everything that can happen to tabs, for a while; then all that still live are awake. */
async function turmoil(world, locks) {
  const { random } = world;
  const tabs = [new Candidate(world, { locks })];
  const some = (life) => random.pick(tabs.filter(({ process }) => process.life === life))?.process;
  const deeds = [
    () => tabs.push(new Candidate(world, { locks, visible: random.chance(0.6), speed: random.between(0.8, 1.25) })),
    () => some('running')?.close(),
    () => some('running')?.kill(),
    () => some('running')?.stop(),
    () => some('stopped')?.cont(),
    () => some('running')?.freeze(),
    () => some('frozen')?.resume(),
    () => some('running')?.setVisible(random.chance(0.5)),
    () => random.chance(0.3) && some('running')?.view.clear(),
    () => some('running')?.leap(random.between(0, 3_600_000)),
    () => some('running')?.setClock(random.between(-1e8, 1e8)),
    () => (world.storage.full = random.chance(0.2)),
  ];
  for (let i = 0; i < 60; i++) {
    random.pick(deeds)();
    await world.pass(random.chance(0.6) ? random.between(0, 100) : random.between(0, 15_000));
  }
  world.storage.full = false;
  for (const { process } of tabs) {
    process.cont();
    process.resume();
  }
  tabs.push(new Candidate(world, { locks }));
  return tabs;
}
