/** A network that goes and comes, and clocks that leap. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';
import { until } from '../support/until.js';

const HOURS = 3_600_000;

describe('network', { concurrency: 3 }, () => {
  const house = new House();
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    test(`online_event_brings_the_poll_back_at_once_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(3);
      await scene.write();
      // The longest waits that there are, so that coming back early is no chance.
      await master.page.evaluate(() => (Math.random = () => 0.999));
      await scene.network(false);
      for (const tab of scene.tabs) await until('the tab to say so', 15_000, async () => (await tab.state()).connection === 'offline');
      const wait = async () => ((await master.state()).problem?.retryAt ?? 0) - Date.now();
      await until('a long wait', 30_000, async () => (await wait()) > 6000);
      await scene.network(true);
      const start = performance.now();
      await until('the tabs to be online', 3000, async () => (await scene.states()).every(({ connection }) => connection === 'online'));
      t.diagnostic(`online after ${Math.round(performance.now() - start)} ms`);
      assert.ok((await masterOf(scene.tabs)) === master);
      await scene.proves();
    });

    test(`clocks_that_leap_fool_nobody_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master, ahead, behind] = await scene.open(4);
      await scene.write();
      const watch = scene.watch();
      await master.leap('date', 7 * HOURS);
      await behind.leap('date', -7 * HOURS);
      // A monotonic clock that went on while the machine slept.
      await ahead.leap('monotonic', 3 * HOURS);
      await scene.batches(20, master);
      await master.leap('date', -7 * HOURS);
      // Longer than anybody would wait for a beat.
      const start = performance.now();
      await until('six seconds more', 10_000, () => performance.now() > start + 6000);
      assert.ok((await masterOf(scene.tabs)) === master, 'the master stays master');
      assert.ok((await scene.states()).every(({ handovers }) => handovers === 0));
      // For a master that is hidden this is a minute and more: a visible tab may take over.
      await master.leap('monotonic', 3 * HOURS);
      await scene.batches(20, behind);
      await scene.proves();
      await scene.oneAtATime(watch);
    });
  }
});
