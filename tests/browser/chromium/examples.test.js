/** The example pages as a person runs them, each in two real tabs. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Beside } from '../support/beside.js';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { Background } from '../support/processes.js';
import { freePort, Server } from '../support/server.js';
import { until } from '../support/until.js';

const EXAMPLES = fileURLToPath(new URL('../../../examples/', import.meta.url));

describe('examples', () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Server} */
  let server;
  /** @type {Chromium} */
  let chromium;
  /** @type {import('puppeteer-core').Page[]} */
  let tabs;
  /** @type {string[]} what the pages' own scripts threw or complained of */
  let thrown;

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
    await cluster.psql("truncate testtype restart identity; insert into testtype (name, value) values ('Ann', 1)");
    tabs = [];
    thrown = [];
  });

  test('plain_page_is_live_in_two_tabs', async () => {
    const beside = await Beside.start(server.port, { '/': `${EXAMPLES}plain/index.html`, '/app.js': `${EXAMPLES}plain/app.js` });
    try {
      await goesThrough(beside.origin);
    } finally {
      await close();
      await beside.stop();
    }
  });

  test('react_page_is_live_in_two_tabs', async () => {
    const port = await freePort();
    const env = { ...process.env, ROWCAST: `http://127.0.0.1:${server.port}` };
    const vite = new Background(process.execPath, ['node_modules/vite/bin/vite.js', '--port', String(port), '--strictPort'], { cwd: `${EXAMPLES}react`, env });
    try {
      await until('the page is served', 20_000, async () => {
        if (vite.gone) throw new Error(vite.said);
        return (await fetch(`http://localhost:${port}/`)).ok;
      });
      await goesThrough(`http://localhost:${port}`);
      // Another order is another live copy; the old one's subscription goes.
      await tabs[1].click('input[type=checkbox]');
      await shown([tabs[1]], ['1: Ann 2', '3: Cyd']);
    } finally {
      await close();
      await vite.end('SIGTERM');
    }
  });

  /** @param {string} origin */
  async function goesThrough(origin) {
    for (let i = 0; i < 2; i++) {
      const page = await chromium.browser.newPage();
      page.on('pageerror', (error) => thrown.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && thrown.push(message.text()));
      await page.goto(`${origin}/`);
      tabs.push(page);
    }
    await shown(tabs, ['1: Ann 1']);
    await said(tabs[0], /^live; online; this tab is master, one of 2$/);
    await said(tabs[1], /^live; online; this tab is follower, one of 2$/);
    await cluster.psql("update testtype set value = 2; insert into testtype (name) values ('Bob')");
    await shown(tabs, ['2: Bob', '1: Ann 2']);
    await tabs[1].type('input[name=name]', 'Cyd');
    await tabs[1].click('button');
    await shown(tabs, ['3: Cyd', '2: Bob', '1: Ann 2']);
    await cluster.psql('delete from testtype where id = 2');
    await shown(tabs, ['3: Cyd', '1: Ann 2']);
    assert.equal(await server.pollsOpen(), 1);
    assert.deepEqual(thrown, []);
  }

  async function close() {
    for (const tab of tabs) await tab.close();
  }

  /** @param {import('puppeteer-core').Page[]} pages @param {string[]} rows */
  async function shown(pages, rows) {
    for (const page of pages) {
      const read = () => page.$$eval('#rows li', (items) => items.map((item) => item.textContent?.trim()));
      await until(`rows ${rows}`, 10_000, async () => assert.deepEqual(await read(), rows) ?? true);
    }
  }

  /** @param {import('puppeteer-core').Page} page @param {RegExp} what */
  async function said(page, what) {
    const read = () => page.$eval('[role=status]', (place) => place.textContent ?? '');
    await until(`the page to say ${what}`, 5000, async () => assert.match(await read(), what) ?? true);
  }
});
