/** A page that was written for PBP, with jQuery, in two real tabs: nothing of it knows of rowcast. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Beside } from '../support/beside.js';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { Server } from '../support/server.js';
import { until } from '../support/until.js';

const FILES = {
  '/testtype.html': fileURLToPath(new URL('../pbp/page.html', import.meta.url)),
  '/page.js': fileURLToPath(new URL('../pbp/page.js', import.meta.url)),
  '/jquery.js': fileURLToPath(import.meta.resolve('jquery')),
};

describe('pbp', () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Server} */
  let server;
  /** @type {Beside} */
  let beside;
  /** @type {Chromium} */
  let chromium;
  /** @type {import('puppeteer-core').Page[]} */
  let pages;
  /** @type {string[]} what the pages' own scripts threw */
  let thrown;

  before(async () => {
    cluster = await Cluster.start();
    server = await Server.start(cluster.url, 'pbp = true');
    beside = await Beside.start(server.port, FILES);
    chromium = await Chromium.launch();
  });
  after(async () => {
    await chromium?.close();
    await beside?.stop();
    await server?.stop();
    await cluster?.stop();
  });
  beforeEach(async () => {
    await cluster.psql("truncate testtype restart identity; insert into testtype (name, value) values ('Ann', 1)");
    await open(beside.origin);
    await shown(['1 Ann 1']);
    await until('both tabs to wait', 5000, async () => (await server.pollsOpen()) === 2);
  });

  test('what_psql_writes_shows_in_both_tabs_and_quiet_pages_stay_quiet', async () => {
    await cluster.psql("insert into testtype (name, value) values ('Bob', 2)");
    await shown(['1 Ann 1', '2 Bob 2']);
    await cluster.psql("update testtype set value = 3 where name = 'Ann'");
    await shown(['1 Ann 3', '2 Bob 2']);
    await cluster.psql("delete from testtype where name = 'Bob'");
    await shown(['1 Ann 3']);
    await cluster.psql('truncate testtype');
    await shown([]);
    await until('both tabs to wait', 5000, async () => (await server.pollsOpen()) === 2);
    // Four changes in each of two tabs, each told once: a list and a poll, beside those at the start.
    const { calls } = beside;
    const count = (/** @type {string} */ call) => calls.filter((one) => one === call).length;
    assert.deepEqual([count('POST /api/_listen'), count('GET /api/testtype')], [2 * 6, 2 * 6], JSON.stringify(calls));
    assert.deepEqual(thrown, []);
  });

  test('forms_write_to_the_collection_and_show_in_both_tabs', async () => {
    const [page, other] = pages;
    await page.bringToFront();
    await page.type('#add [name=name]', 'Bob & Cy');
    await page.type('#add [name=value]', '7');
    await page.keyboard.press('Enter');
    await shown(['1 Ann 1', '2 Bob & Cy 7']);
    await other.bringToFront();
    await other.$eval('form[data-id="2"] [name=name]', (input) => (/** @type {HTMLInputElement} */ (input).value = ''));
    await other.type('form[data-id="2"] [name=name]', 'Di');
    await other.keyboard.press('Enter');
    await shown(['1 Ann 1', '2 Di 7']);
    assert.equal(await cluster.psql('select name, value from testtype where id = 2'), 'Di|7\n', 'the form leaves the value out');
    await other.click('form[data-id="1"] [type=button]');
    await shown(['2 Di 7']);
    assert.equal(await other.$eval('#refusal', (place) => place.textContent), '');
    const writes = beside.calls.filter((call) => !/_listen|GET/.test(call));
    assert.deepEqual(writes, ['POST /api/testtype', 'PUT /api/testtype', 'DELETE /api/testtype']);
    assert.deepEqual(thrown, []);
  });

  test('a_refusal_reaches_the_page_as_it_is', async () => {
    const [page] = pages;
    await page.bringToFront();
    await page.type('#add [name=name]', 'Bob');
    await page.type('#add [name=value]', '99999999999');
    await page.keyboard.press('Enter');
    const told = await until('the refusal', 3000, () => page.$eval('#refusal', (place) => place.textContent));
    assert.match(told, /^400 \{.*out of range/);
  });

  test('what_happens_while_the_server_is_away_is_shown_when_it_is_back', async () => {
    await server.down();
    await cluster.psql("insert into testtype (name) values ('meanwhile')");
    await server.up();
    await shown(['1 Ann 1', '2 meanwhile ']);
    await cluster.psql("update testtype set name = 'afterwards' where id = 2");
    await shown(['1 Ann 1', '2 afterwards ']);
    assert.deepEqual(thrown, []);
  });

  test('without_the_setting_such_a_page_parses_what_jquery_has_parsed', async () => {
    const plain = await Server.start(cluster.url);
    const control = await Beside.start(plain.port, FILES);
    try {
      await open(control.origin);
      await until('the page to fail', 5000, () => thrown.some((error) => /JSON/.test(error)));
      assert.deepEqual(await rowsOf(pages[0]), []);
    } finally {
      await control.stop();
      await plain.stop();
    }
  });

  /** Two tabs, and none of before. @param {string} origin */
  async function open(origin) {
    for (const page of (await chromium.browser.pages()).slice(1)) await page.close();
    await until('the closed tabs to be gone', 5000, async () => (await server.pollsOpen()) === 0);
    pages = [];
    thrown = [];
    beside.calls = [];
    for (let i = 0; i < 2; i++) {
      const page = await chromium.browser.newPage();
      page.on('pageerror', (error) => thrown.push(String(error)));
      await page.goto(`${origin}/testtype.html`);
      pages.push(page);
    }
  }

  /** @param {string[]} rows */
  async function shown(rows) {
    for (const page of pages) {
      await until(`rows ${JSON.stringify(rows)}`, 5000, async () => assert.deepEqual(await rowsOf(page), rows) ?? true);
    }
  }
});

/** The rows that a page shows, each as `id name value`. @param {import('puppeteer-core').Page} page @returns {Promise<string[]>} */
function rowsOf(page) {
  return page.$$eval('#rows form', (forms) =>
    forms.map((form) => `${form.getAttribute('data-id')} ${form.querySelector('[name=name]').value} ${form.querySelector('output').textContent}`),
  );
}
