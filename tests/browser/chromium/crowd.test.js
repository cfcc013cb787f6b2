/** Many tabs at once, and two profiles, while a writer writes. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Chromium } from '../support/chromium.js';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';
import { until } from '../support/until.js';

const CROWD = 20;

describe('crowd', () => {
  const house = new House();
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    test(`twenty_tabs_are_one_client_${context}`, async (t) => {
      const scene = await house.scene(t, host);

      await t.test(`twenty_tabs_opened_at_once_share_one_poll_${context}`, async () => {
        await Promise.all(Array.from({ length: CROWD }, () => scene.tab()));
        await scene.write(50);
        await masterOf(scene.tabs, 30_000);
        await scene.proves();
      });

      await t.test(`reload_storm_loses_nothing_${context}`, async () => {
        await scene.write(50);
        for (let round = 0; round < 2; round++) {
          await Promise.all(scene.tabs.map((tab) => scene.reload(tab)));
        }
        await masterOf(scene.tabs, 30_000);
        await scene.proves();
        const keys = await scene.tabs[0].page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes(':tab:')));
        assert.equal(keys.length, CROWD, 'a key for each tab, and none for those that it was before');
      });

      await t.test(`server_killed_under_twenty_tabs_comes_back_to_one_poll_${context}`, async () => {
        await scene.write(50);
        await scene.server.down();
        for (const tab of scene.tabs) await until('the tab to say so', 5000, async () => (await tab.state()).connection === 'offline');
        const watch = scene.watch();
        await scene.server.up();
        await until('the tabs to be online', 35_000, async () => {
          const states = await Promise.all(scene.tabs.map((tab) => tab.state()));
          return states.every(({ connection }) => connection === 'online');
        });
        await scene.proves();
        await scene.oneAtATime(watch);
      });
    });
  }

  test('two_profiles_are_two_clients', async (t) => {
    const scene = await house.scene(t, 'localhost');
    const other = await Chromium.launch();
    t.after(() => other.close());
    const mine = await scene.open(3);
    const theirs = [];
    for (let i = 0; i < 3; i++) theirs.push(await scene.tab(other.browser.defaultBrowserContext()));
    const master = await masterOf(theirs);
    await scene.write(50);
    const watch = scene.watch(2);
    await mine[0].page.close();
    scene.without(mine[0]);
    await scene.successor(mine[0], 3000, mine.slice(1));
    assert.ok((await masterOf(theirs)) === master, 'what happens in one profile is nothing to the other');
    assert.equal((await master.state()).handovers, 0);
    await scene.proves({ profiles: 2 });
    await scene.oneAtATime(watch, 2);
  });
});
