/** Tabs that are frozen, crash or lie in the back-forward cache, while a writer writes. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { PLAIN_HOST, Server } from '../support/server.js';
import { masterOf, Tab } from '../support/tab.js';
import { until } from '../support/until.js';

const ROWS = 150;

describe('lifecycle', () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Server} */
  let server;
  /** @type {Chromium} */
  let chromium;

  before(async () => {
    cluster = await Cluster.start();
    server = await Server.start(cluster.url);
    chromium = await Chromium.launch();
  });
  after(async () => {
    await chromium?.close();
    await server?.stop();
    await cluster?.stop();
  });
  beforeEach(async () => {
    for (const page of (await chromium.browser.pages()).slice(1)) await page.close();
    await cluster.psql('truncate testtype restart identity');
  });

  for (const [context, host] of [['secure', 'localhost'], ['plain_http', PLAIN_HOST]]) {
    /** Three tabs, the master first, with changes under way. */
    const begin = async () => {
      const tabs = [];
      for (let i = 0; i < 3; i++) tabs.push(await Tab.open(chromium.browser, `http://${host}:${server.port}`));
      const master = await masterOf(tabs);
      const writing = cluster.psql(`insert into testtype (name, value) values ('row', 1);\nselect pg_sleep(0.01);\n`.repeat(ROWS));
      await until('some changes', 5000, async () => (await master.told()).length > 20);
      return { master, rest: tabs.filter((tab) => tab !== master), writing };
    };

    test(`frozen_master_is_replaced_and_catches_up_${context}`, async () => {
      const { master, rest, writing } = await begin();
      const session = await master.page.createCDPSession();
      await session.send('Page.setWebLifecycleState', { state: 'frozen' });
      await replaced(rest);
      await writing;
      await toldOnce(rest);
      await session.send('Page.setWebLifecycleState', { state: 'active' });
      await toldOnce([master]);
      await masterOf([master, ...rest]);
      await until('exactly one open poll', 3000, async () => (await server.pollsOpen()) === 1);
    });

    test(`cached_master_is_replaced_and_catches_up_${context}`, async (t) => {
      const { master, rest, writing } = await begin();
      await master.page.evaluate(() => addEventListener('pageshow', ({ persisted }) => (window.cached = persisted)));
      await master.page.goto(`http://${host}:${server.port}/static/css/hello.css`);
      await replaced(rest);
      await writing;
      await toldOnce(rest);
      await master.page.goBack();
      assert.ok(await master.page.evaluate(() => window.cached), 'the browser kept the page');
      await toldOnce([master]);
      await masterOf([master, ...rest]);
      await until('exactly one open poll', 3000, async () => (await server.pollsOpen()) === 1);
    });
  }
});

/** @param {Tab[]} rest */
async function replaced(rest) {
  await until('another master', 3000, async () => (await Promise.all(rest.map((tab) => tab.state()))).some(({ role }) => role === 'master'));
}

/** Every change once, in order, none left out. @param {Tab[]} tabs */
async function toldOnce(tabs) {
  const expected = Array.from({ length: ROWS }, (_, i) => `insert ${i + 1}`);
  for (const tab of tabs) await until(`${ROWS} changes, each once`, 10_000, async () => assert.deepEqual(await tab.told(), expected) ?? true);
}
