/** The election without Web Locks under every schedule of a few steps, where random ones would take long to come by. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { masters, nameOf, next, peace, start } from './sim/explore.js';

const CASES = [
  { tabs: 2, steps: Number(process.env.STEPS ?? 6) },
  { tabs: 3, steps: Number(process.env.STEPS ?? 5) },
];
/** ms after which peace has made one master of any muddle. */
const HEALED = 15_000;

for (const { tabs, steps } of CASES) {
  test(`every_schedule_of_${tabs}_tabs_heals_to_one_master`, (t) => {
    let situations = [start(tabs)];
    const seen = new Set();
    for (let n = 0; n < steps; n++) {
      const found = [];
      for (const situation of situations) {
        for (const after of next(situation)) {
          const name = nameOf(after);
          if (seen.has(name)) continue;
          seen.add(name);
          check(after);
          found.push(after);
        }
      }
      situations = found;
    }
    t.diagnostic(`${seen.size} situations`);
  });
}

/** @param {import('./sim/explore.js').Situation} situation */
function check(situation) {
  const told = () => JSON.stringify(situation);
  const leading = masters(situation);
  // Who was overtaken has not heard of it yet; after that it leads no more.
  const highest = Math.max(...leading.map(({ election }) => election.term));
  for (const { election, events } of leading) {
    assert.ok(election.term === highest || events.length > 0, `a stale master that knows all there is to know: ${told()}`);
  }
  const informed = leading.filter(({ events }) => events.length === 0);
  assert.ok(informed.length <= 1, `two masters that know all there is to know: ${told()}`);
  for (const { election, life } of situation.tabs) {
    const own = situation.lease?.tab === election.tab && !situation.lease.released;
    assert.ok(life !== 'frozen' || !own, `a lease held by who is frozen: ${told()}`);
  }
  const after = peace(situation, HEALED);
  const living = after.tabs.filter(({ life }) => life === 'running');
  if (living.length > 0) assert.equal(masters(after).length, 1, `no single master after peace: ${told()} became ${JSON.stringify(after)}`);
  // Who has never seen a lease, and finds none, counts from the beginning: that is what a cleared storage can do.
  if (situation.clears === 0) return;
  const led = new Map();
  for (const entry of after.led) {
    const [term = '', tab = ''] = entry.split(' ');
    assert.ok(!led.has(term) || led.get(term) === tab, `two led under term ${term}: ${told()}`);
    led.set(term, tab);
  }
}
