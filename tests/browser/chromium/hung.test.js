/** Tabs that stop without a word, sleep, or are throttled, while a writer writes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';
import { THROTTLED, throttled } from '../support/throttled.js';
import { until } from '../support/until.js';

/** Above the 32 that the log keeps. */
const WRAPPED = 50;
/** ms: looking on takes its time, too; benches/tabs has the figures themselves. */
const SLACK = 3000;

describe('hung', { concurrency: 3 }, () => {
  const house = new House();
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    const locks = context === 'secure';

    test(`stopped_master_is_replaced_and_stands_down_when_it_wakes_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [old, ...rest] = await scene.open(3);
      await scene.write();
      const watch = scene.watch();
      const wake = await scene.stop(old);
      const next = await scene.successor(old, (locks ? 11_000 : 6500) + SLACK);
      await next.page.bringToFront();
      const { term } = await next.state();
      await scene.batches(WRAPPED, next);
      wake();
      await until('the old master to follow', 3000, async () => (await old.state()).role === 'follower');
      assert.ok((await masterOf([old, ...rest])) === next, 'the new master was left alone');
      assert.equal((await next.state()).term, term, 'under the term that it had');
      await scene.proves();
      await scene.oneAtATime(watch);
    });

    for (const way of ['frozen', 'stopped']) {
      test(`${way}_follower_catches_up_after_the_log_has_wrapped_${context}`, async (t) => {
        const scene = await house.scene(t, host);
        const [master, sleeper] = await scene.open(3);
        await scene.write();
        const watch = scene.watch();
        const wake = await (way === 'frozen' ? scene.freeze(sleeper) : scene.stop(sleeper));
        await scene.batches(WRAPPED, master);
        await wake();
        assert.ok((await masterOf(scene.tabs)) === master);
        await scene.proves();
        await scene.oneAtATime(watch);
      });
    }

    test(`throttled_tabs_replace_a_killed_master_${context}`, async (t) => {
      const scene = await house.scene(t, host, THROTTLED);
      const [old, ...rest] = await scene.open(3);
      await (await scene.profile.newPage()).bringToFront();
      await Promise.all(scene.tabs.map(throttled));
      await scene.write();
      assert.ok((await Promise.all(scene.tabs.map((tab) => tab.state()))).every(({ visible }) => !visible), 'all are hidden');
      await scene.program.killRenderer(old.page);
      scene.without(old);
      await scene.successor(old, (locks ? 1500 : 10_000) + SLACK);
      await scene.proves();
    });

    test(`hidden_tabs_replace_a_master_that_leaves_though_no_timer_runs_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [old, ...rest] = await scene.open(3);
      await (await scene.profile.newPage()).bringToFront();
      await scene.write(100);
      for (const { page } of rest) await page.evaluate(() => (window.setTimeout = () => 0));
      await old.page.goto(`${scene.origin}/static/css/hello.css`);
      scene.without(old);
      await scene.successor(old, SLACK);
      await scene.proves();
    });

    test(`laptop_that_slept_goes_on_where_it_was_${context}`, async (t) => {
      const scene = await house.scene(t, host, []);
      await scene.open(3);
      await scene.write();
      await scene.sleep(7000);
      await until('one master', 5000, () => masterOf(scene.tabs));
      await scene.proves();
    });
  }
});
