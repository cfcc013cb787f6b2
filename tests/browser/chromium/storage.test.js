/** What other scripts of the origin may do to localStorage, while a writer writes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { TIMES } from '../../../static/js/election.js';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';
import { until } from '../support/until.js';

describe('storage', { concurrency: 3 }, () => {
  const house = new House();
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    test(`storage_cleared_by_another_script_costs_nothing_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      await scene.open(3);
      const foreign = await scene.foreign();
      await scene.write();
      const watch = scene.watch();
      for (let i = 0; i < 10; i++) {
        await foreign.evaluate(() => localStorage.clear());
        await scene.batches(3, scene.tabs[i % 3]);
      }
      // By a script of one of the tabs themselves, which is told of it by no event.
      await scene.tabs[0].page.evaluate(() => localStorage.clear());
      await scene.tabs[1].page.evaluate(() => localStorage.clear());
      await masterOf(scene.tabs);
      await scene.proves();
      await scene.oneAtATime(watch);
      const { handovers } = await scene.tabs[0].state();
      assert.equal(handovers, 0, 'the master stays master');
    });

    test(`full_storage_makes_tabs_poll_for_themselves_and_say_so_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      await scene.open(3);
      const foreign = await scene.foreign();
      await scene.write();
      await foreign.evaluate(() => {
        window.filling = setInterval(() => {
          for (let size = 1 << 21, n = 0; size >= 1; size >>= 1) {
            try {
              for (;;) localStorage.setItem(`fill${Math.random()}`, 'x'.repeat(size)), (n += 1);
            } catch {
              // No room for so much: less of it.
            }
          }
        }, 20);
      });
      await until('a tab that says so', 30_000, async () => (await scene.states()).some(({ role, reason }) => role === 'alone' && /full/.test(reason)));
      // A hidden tab that polls for itself asks now and then: it is shown, and asks at once.
      for (const tab of scene.tabs) {
        await tab.page.bringToFront();
        await scene.proves({ tabs: [tab], profiles: 0 });
      }
      await foreign.evaluate(() => {
        clearInterval(window.filling);
        for (const key of Object.keys(localStorage)) if (key.startsWith('fill')) localStorage.removeItem(key);
      });
      // A minute after it found no room, a tab tries again: the clock leaps over that, and being shown makes it look at the clock.
      for (const tab of scene.tabs) {
        await tab.leap('monotonic', TIMES.full);
        await tab.page.bringToFront();
      }
      await masterOf(scene.tabs);
      await scene.write();
      await scene.proves();
    });

    test(`junk_under_our_keys_fools_nobody_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      await scene.open(3);
      const foreign = await scene.foreign();
      await scene.write();
      await foreign.evaluate(writeJunk);
      await masterOf(scene.tabs, 15_000);
      await scene.proves();
    });
  }
});

/** Runs in a page: each kind of junk under each key, those of the moment and some more. */
async function writeJunk() {
  const huge = Number.MAX_SAFE_INTEGER;
  const lease = { term: huge, tab: 'junk', beat: huge, head: huge, tabs: huge, roll: huge, since: huge };
  const far = { ...lease, term: 5e9, beat: 1 };
  const batch = { id: huge, term: huge, tab: 'junk', from: { testtype: 'junk' }, to: 'junk', answers: [{ id: 'testtype', reset: true }] };
  const subs = [null, 7, { id: 'testtype' }, { id: 'testtype', table: 'testtype', since: 'junk', where: 'junk' }, { id: 'x', table: 'testtype', since: 'now' }];
  const junk = ['', '{', 'null', '7', '"x"', '[]', '{}', '1e999', '\u0000', JSON.stringify(lease), JSON.stringify({ ...lease, term: 1e300 }), JSON.stringify(far), JSON.stringify(batch), JSON.stringify({ n: 1, visible: true, subs })];
  const prefix = Object.keys(localStorage).find((key) => key.endsWith(':lease')).replace(/lease$/, '');
  const more = ['lease', 'ping', 'browser', 'log:3', 'log:99', 'log:x', 'tab:', 'tab:junk', 'what'].map((name) => prefix + name);
  for (const value of junk) {
    for (const key of new Set([...Object.keys(localStorage), ...more])) localStorage.setItem(key, value);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
}
