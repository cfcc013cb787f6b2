/** Real tabs of Firefox, as far as its driver goes: what chromium/ does besides cannot be done here. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Firefox } from '../support/firefox.js';
import { CONTEXTS, House } from '../support/scene.js';
import { masterOf } from '../support/tab.js';
import { until } from '../support/until.js';

/** ms: looking on takes its time, too; benches/tabs has the figures themselves. */
const SLACK = 3000;

describe('firefox', { concurrency: 2 }, () => {
  const house = new House(Firefox);
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    const locks = context === 'secure';

    test(`three_tabs_share_one_poll_and_show_every_change_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(3);
      assert.equal(await master.page.evaluate(() => 'locks' in navigator), locks);
      await scene.write(50);
      await scene.proves();
    });

    test(`closed_master_is_replaced_and_nothing_is_lost_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(3);
      await scene.write(50);
      await master.page.close();
      scene.without(master);
      // What a page writes as it goes is often lost: then its death must be noticed.
      await scene.successor(master, (locks ? 250 : 6500) + SLACK);
      await scene.proves();
    });

    test(`new_tab_and_reload_lose_nothing_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(2);
      await scene.write(50);
      const added = await scene.tab();
      await scene.reload(master);
      await scene.reload(added);
      await masterOf(scene.tabs, 15_000);
      await scene.proves();
    });

    test(`storage_cleared_by_another_script_costs_nothing_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(3);
      const foreign = await scene.foreign();
      await scene.write(50);
      for (let i = 0; i < 5; i++) {
        await foreign.evaluate(() => localStorage.clear());
        await scene.batches(3, master);
      }
      assert.ok((await masterOf(scene.tabs)) === master, 'the master stays master');
      await scene.proves();
    });

    test(`two_containers_are_two_clients_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const mine = await scene.open(2);
      const other = await scene.program.browser.createBrowserContext();
      t.after(() => other.close());
      const theirs = [await scene.tab(other), await scene.tab(other)];
      const master = await masterOf(theirs);
      await scene.write(50);
      await mine[0].page.close();
      scene.without(mine[0]);
      await scene.successor(mine[0], (locks ? 250 : 6500) + SLACK, mine.slice(1));
      assert.ok((await masterOf(theirs)) === master, 'what happens in one is nothing to the other');
      await scene.proves({ profiles: 2 });
    });
  }
});

describe('firefox_killed', () => {
  const house = new House(Firefox);
  before(() => house.open());
  after(() => house.close());

  for (const [context, host] of CONTEXTS) {
    test(`killed_master_is_replaced_and_nothing_is_lost_${context}`, async (t) => {
      const scene = await house.scene(t, host);
      const [master] = await scene.open(2);
      const pid = await scene.program.rendererOf(master.page);
      await scene.write(50);
      // Whoever opens a tab asks the one in front whether it is hidden: no dead one can answer that.
      await scene.program.blank.bringToFront();
      process.kill(pid, 'SIGKILL');
      await until('the master to be dead', 5000, async () => !(await lives(master)));
      // Tabs of one site may share a process, and die together.
      const left = [];
      for (const tab of scene.tabs) if (await lives(tab)) left.push(tab);
      scene.tabs = left;
      await scene.tab();
      await until('a master among the living', 9000, async () => (await scene.states()).some(({ role }) => role === 'master'));
      await scene.proves();
    });
  }
});

/** @param {import('../support/tab.js').Tab} tab */
async function lives(tab) {
  const answer = tab.page.evaluate(() => true).catch(() => false);
  return Promise.race([answer, new Promise((resolve) => setTimeout(() => resolve(false), 2000))]);
}
