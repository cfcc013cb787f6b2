/** What chromium/hung.test.js does, by the wall clock: past the server's own waits and what it remembers of a browser. */
import { after, before, describe, test } from 'node:test';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';

/** ms: the server ends a poll after 30 s, and forgets a browser's term 60 s after its last. */
const LONG = 100_000;

describe('asleep', { concurrency: 6 }, () => {
  const house = new House();
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    for (const way of ['frozen', 'stopped']) {
      for (const who of ['master', 'follower']) {
        test(`${who}_${way}_for_long_goes_on_where_it_was_${context}`, async (t) => {
          const scene = await house.scene(t, host);
          const [master, follower] = await scene.open(3);
          await scene.write(100);
          const sleeper = who === 'master' ? master : follower;
          const wake = await (way === 'frozen' ? scene.freeze(sleeper) : scene.stop(sleeper));
          await new Promise((resolve) => setTimeout(resolve, LONG));
          await wake();
          await masterOf(scene.tabs, 15_000);
          await scene.proves();
        });
      }
    }

    test(`laptop_that_slept_for_long_goes_on_where_it_was_${context}`, async (t) => {
      const scene = await house.scene(t, host, []);
      await scene.open(3);
      await scene.write(100);
      await scene.sleep(LONG);
      await masterOf(scene.tabs, 15_000);
      await scene.proves();
    });
  }
});
