/** Real tabs, the real server, the real psql: with Web Locks on localhost, without on a plain http host. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { PLAIN_HOST, Server } from '../support/server.js';
import { masterOf, Tab } from '../support/tab.js';
import { until } from '../support/until.js';

/** @type {Cluster} */
let cluster;
/** @type {Server} */
let server;
before(async () => {
  cluster = await Cluster.start();
  server = await Server.start(cluster.url);
});
after(async () => {
  await server?.stop();
  await cluster?.stop();
});

for (const [context, host] of [['secure', 'localhost'], ['plain_http', PLAIN_HOST]]) {
  describe(context, () => {
    /** @type {Chromium} */
    let chromium;
    /** @type {Tab[]} */
    let tabs;
    const origin = () => `http://${host}:${server.port}`;
    const open = async () => {
      const tab = await Tab.open(chromium.browser, origin());
      tabs.push(tab);
      return tab;
    };

    before(async () => (chromium = await Chromium.launch()));
    after(() => chromium?.close());
    beforeEach(async () => {
      for (const page of (await chromium.browser.pages()).slice(1)) await page.close();
      await cluster.psql('truncate testtype restart identity');
      tabs = [];
    });

    test(`three_tabs_share_one_poll_and_show_every_change_${context}`, async () => {
      for (let i = 0; i < 3; i++) await open();
      await masterOf(tabs);
      assert.equal(await tabs[0].page.evaluate(() => 'locks' in navigator), context === 'secure');
      await until('exactly one open poll', 3000, async () => (await server.pollsOpen()) === 1);
      await cluster.psql("insert into testtype (name, value) values ('Ann', 1), ('Bob', 2)");
      await shown(tabs, ['1 Ann 1', '2 Bob 2']);
      await cluster.psql("update testtype set value = 3 where name = 'Ann'");
      await shown(tabs, ['1 Ann 3', '2 Bob 2']);
      await cluster.psql("delete from testtype where name = 'Bob'");
      await shown(tabs, ['1 Ann 3']);
      await cluster.psql('truncate testtype');
      await shown(tabs, []);
      const told = ['insert 1', 'insert 2', 'update 1', 'delete 2', 'reset'];
      for (const tab of tabs) await until('the reset', 3000, async () => assert.deepEqual(await tab.told(), told) ?? true);
      assert.equal(await server.pollsOpen(), 1);
    });

    test(`closed_master_is_replaced_and_nothing_is_lost_${context}`, async (t) => {
      for (let i = 0; i < 3; i++) await open();
      const master = await masterOf(tabs);
      const writing = write(300);
      await until('some changes', 5000, async () => (await tabs[0].told()).length > 20);
      const rest = tabs.filter((tab) => tab !== master);
      const start = performance.now();
      await master.page.close();
      await until('another master', 3000, async () => (await Promise.all(rest.map((tab) => tab.state()))).some(({ role }) => role === 'master'));
      t.diagnostic(`another master after ${Math.round(performance.now() - start)} ms, looking on included`);
      await writing;
      await toldOnce(rest, 300);
      await masterOf(rest);
      await until('exactly one open poll', 3000, async () => (await server.pollsOpen()) === 1);
    });

    test(`killed_master_is_replaced_and_nothing_is_lost_${context}`, async (t) => {
      for (let i = 0; i < 3; i++) await open();
      const master = await masterOf(tabs);
      const rest = tabs.filter((tab) => tab !== master);
      const writing = write(300);
      await until('some changes', 5000, async () => (await rest[0].told()).length > 20);
      await chromium.killRenderer(master.page);
      const start = performance.now();
      const limit = context === 'secure' ? 3000 : 9000;
      await until('another master', limit, async () => (await Promise.all(rest.map((tab) => tab.state()))).some(({ role }) => role === 'master'));
      t.diagnostic(`another master after ${Math.round(performance.now() - start)} ms, looking on included`);
      await writing;
      await toldOnce(rest, 300);
      await until('exactly one open poll', 9000, async () => (await server.pollsOpen()) === 1);
    });

    test(`new_tab_and_reload_lose_nothing_${context}`, async () => {
      await open();
      const writing = write(300);
      await until('some changes', 5000, async () => (await tabs[0].told()).length > 20);
      await open();
      // The master's own reload is a hand-over, too.
      await tabs[0].reload();
      await open();
      await tabs[2].reload();
      await writing;
      const expected = (await cluster.psql("select id || ' ' || name || ' ' || value from testtype order by id")).trim().split('\n');
      await shown(tabs, expected);
      await masterOf(tabs);
      await until('exactly one open poll', 3000, async () => (await server.pollsOpen()) === 1);
    });

    test(`server_away_and_back_loses_nothing_${context}`, async () => {
      for (let i = 0; i < 2; i++) await open();
      await masterOf(tabs);
      await server.down();
      for (const tab of tabs) {
        await until('the tab to say so', 5000, async () => (await tab.state()).connection === 'offline');
        assert.ok((await tab.state()).problem?.retryAt);
        assert.equal(await tab.page.evaluate(() => window.live.status), 'stale');
      }
      await cluster.psql("insert into testtype (name, value) values ('meanwhile', 1)");
      await server.up();
      await shown(tabs, ['1 meanwhile 1'], 35_000);
      for (const tab of tabs) {
        await until('the tab to be online', 5000, async () => (await tab.state()).connection === 'online');
        assert.deepEqual(await tab.told(), ['insert 1'], 'from the cursor on, without a reset');
      }
      assert.equal(await server.pollsOpen(), 1);
    });
  });
}

describe('without_storage', () => {
  /** @type {Chromium} */
  let chromium;
  before(async () => (chromium = await Chromium.launch({ storage: false })));
  after(() => chromium?.close());

  test('tabs_without_storage_poll_for_themselves_and_say_so', async () => {
    await cluster.psql('truncate testtype restart identity');
    const tabs = [];
    for (let i = 0; i < 2; i++) tabs.push(await Tab.open(chromium.browser, `http://localhost:${server.port}`));
    for (const tab of tabs) {
      const { role, reason } = await tab.state();
      assert.equal(role, 'alone');
      assert.match(reason, /localStorage/);
    }
    await cluster.psql("insert into testtype (name, value) values ('Ann', 1)");
    // The first is hidden behind the second, and asks only now and then.
    await shown([tabs[1]], ['1 Ann 1']);
    await until('the visible tab\'s poll alone', 3000, async () => (await server.pollsOpen()) === 1);
    await tabs[0].page.bringToFront();
    await shown(tabs, ['1 Ann 1']);
  });
});

/** @param {Tab[]} tabs @param {string[]} rows @param {number} [limit] */
async function shown(tabs, rows, limit = 5000) {
  for (const tab of tabs) await until(`rows ${rows.slice(0, 4)}…`, limit, async () => assert.deepEqual(await tab.rows(), rows) ?? true);
}

/** Every change once, in order, none left out. @param {Tab[]} tabs @param {number} count */
async function toldOnce(tabs, count) {
  const expected = Array.from({ length: count }, (_, i) => `insert ${i + 1}`);
  for (const tab of tabs) await until(`${count} changes, each once`, 10_000, async () => assert.deepEqual(await tab.told(), expected) ?? true);
}

/** Writes throughout, by psql, one transaction a row. @param {number} count */
function write(count) {
  return cluster.psql(`insert into testtype (name, value) values ('row', 1);\nselect pg_sleep(0.01);\n`.repeat(count));
}
