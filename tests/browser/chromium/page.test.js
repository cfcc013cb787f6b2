/** The hello-world page in two real tabs, used as a person uses it: by names, by keyboard. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { Server } from '../support/server.js';
import { until } from '../support/until.js';

describe('page', () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Server} */
  let server;
  /** @type {Chromium} */
  let chromium;
  /** @type {import('puppeteer-core').Page[]} */
  let pages;
  /** @type {string[]} what the console complains of, the refused requests of a test aside */
  let complaints;

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
    await cluster.psql("truncate testtype restart identity; insert into testtype (name, value) values ('Ann', 1)");
    complaints = [];
    pages = [];
    for (let i = 0; i < 2; i++) {
      const page = await chromium.browser.newPage();
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
      page.on('pageerror', (error) => complaints.push(String(error)));
      await page.goto(`http://localhost:${server.port}/`);
      pages.push(page);
    }
    await shown([['1', 'Ann', '1']]);
  });

  test('tabs_tell_who_is_master_at_a_glance', async () => {
    const strips = () =>
      Promise.all(
        pages.map((page) =>
          page.$eval('#status', (strip) => {
            const fact = (name) => strip.querySelector(`[data-state=${name}]`)?.textContent;
            return [strip.getAttribute('data-role'), strip.getAttribute('data-connection'), fact('tabs')];
          }),
        ),
      );
    const expected = [['follower', 'online', '2'], ['master', 'online', '2']];
    await until('a master and a follower', 5000, async () => assert.deepEqual((await strips()).sort(), expected) ?? true);
    assert.equal(await server.pollsOpen(), 1);
    assert.deepEqual(complaints, []);
  });

  test('hand_over_is_shown_while_it_happens', async () => {
    const fact = (page, name) => page.$eval(`#status [data-state=${name}]`, (place) => place.textContent);
    const roles = () => Promise.all(pages.map((page) => page.$eval('#status', (strip) => strip.getAttribute('data-role'))));
    await until('a master and a follower', 5000, async () => assert.deepEqual((await roles()).sort(), ['follower', 'master']) ?? true);
    const master = pages[(await roles()).indexOf('master')];
    const other = pages.find((page) => page !== master);
    assert.equal(await fact(other, 'handover'), 'none yet');
    const named = await fact(master, 'tab');
    assert.match(await fact(other, 'explains'), new RegExp(`listens to tab ${named}`));
    await until('the seconds to count', 10_000, async () => /^\d+ s ago/.test(await fact(other, 'since')));
    const term = Number(await fact(other, 'term'));
    await master.close();
    pages = [other];
    await until('the other to lead', 3000, () => other.$('#status[data-role=master]'));
    for (const name of ['since', 'handover']) assert.match(await fact(other, name), /^just now$/, name);
    assert.equal(await fact(other, 'tabs'), '1');
    assert.equal(await fact(other, 'term'), String(term + 1));
  });

  test('row_is_added_by_keyboard_and_shows_in_every_tab', async () => {
    const [page] = pages;
    await (await named(page, 'Name')).focus();
    await page.keyboard.type('Bob');
    await page.keyboard.press('Tab');
    await page.keyboard.type('7');
    await page.keyboard.press('Enter');
    await shown([['2', 'Bob', '7'], ['1', 'Ann', '1']]);
    assert.equal(await (await named(page, 'Name')).evaluate((input) => input.value), '', 'ready for the next');
    assert.equal(await cluster.psql('select name, value from testtype where id = 2'), 'Bob|7\n');
    assert.deepEqual(complaints, []);
  });

  test('row_is_edited_in_place_and_shows_in_every_tab', async () => {
    const [page] = pages;
    await (await named(page, 'Edit Ann')).click();
    await page.keyboard.type('Anna');
    await page.keyboard.press('Escape');
    await shown([['1', 'Ann', '1']]);
    await (await named(page, 'Edit Ann')).click();
    await page.keyboard.type('Anna');
    await page.keyboard.press('Enter');
    await shown([['1', 'Anna', '1']]);
    assert.deepEqual(complaints, []);
  });

  test('row_is_deleted_and_goes_from_every_tab', async () => {
    await (await named(pages[0], 'Delete Ann')).click();
    await shown([]);
    assert.equal(await cluster.psql('select count(*) from testtype'), '0\n');
    assert.deepEqual(complaints, []);
  });

  test('change_by_psql_does_not_overwrite_what_is_being_typed', async () => {
    const [page] = pages;
    await (await named(page, 'Edit Ann')).click();
    await page.keyboard.type('Mine');
    await cluster.psql("update testtype set name = 'Theirs'");
    const typed = () => page.$eval('tr[data-editing] input[name=name]', (input) => input.value);
    await until('the note', 3000, () => page.$eval('tr[data-editing] [data-note]', (note) => note.textContent?.includes('Theirs')));
    assert.equal(await typed(), 'Mine');
    await until('the other tab', 3000, async () => (await rowsOf(pages[1]))[0][1] === 'Theirs');
    await page.keyboard.press('Escape');
    await shown([['1', 'Theirs', '1']]);
  });

  test('refusal_of_the_server_is_shown_where_the_person_looks', async () => {
    const [page] = pages;
    await (await named(page, 'Name')).focus();
    await page.keyboard.type('Bob');
    await page.keyboard.press('Tab');
    await page.keyboard.type('99999999999');
    await page.keyboard.press('Enter');
    const told = await until('the refusal', 3000, () => page.$eval('#add [role=alert]', (place) => place.textContent));
    assert.match(told, /range/);
    assert.equal(await (await named(page, 'Name')).evaluate((input) => input.value), 'Bob', 'nothing typed is lost');
    await shown([['1', 'Ann', '1']]);
  });

  test('server_away_is_told_and_typing_goes_on', async () => {
    const [page] = pages;
    await server.down();
    for (const each of pages) await until('the strip to say so', 5000, () => each.$('#status[data-connection=offline]'));
    await (await named(page, 'Name')).focus();
    await page.keyboard.type('Bob');
    await page.keyboard.press('Enter');
    await until('the form to say so', 3000, () => page.$eval('#add [role=alert]', (place) => place.textContent));
    await server.up();
    for (const each of pages) await until('the strip to be live', 35_000, () => each.$('#status[data-connection=online]'));
    await (await named(page, 'Add')).click();
    await shown([['2', 'Bob', ''], ['1', 'Ann', '1']]);
  });

  test('the_status_page_renews_itself_by_the_poll_of_all_tabs', async () => {
    const page = await chromium.browser.newPage();
    page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    await page.goto(`http://localhost:${server.port}/status`);
    const changes = () => page.$eval('#tables-heading + table td', (cell) => Number(cell.textContent));
    const before = await changes();
    // An element that is the same stays, with whatever a person has selected in it.
    await page.$eval('#figures', (figures) => Object.assign(figures, { isOld: true }));
    await cluster.psql("insert into testtype (name) select 'x' from generate_series(1, 7)");
    await until('the changes to be counted on the page', 10_000, async () => (await changes()) === before + 7);
    assert.equal(await page.$eval('#figures', (figures) => 'isOld' in figures && document.querySelector('#stale')?.checkVisibility()), false);
    assert.equal(await page.$eval('#figures', (figures) => 'isOld' in figures), true);
    await until('one poll for all tabs', 5000, async () => (await server.pollsOpen()) === 1);
    assert.deepEqual(complaints, []);
    await page.close();
  });

  /** @param {string[][]} rows */
  async function shown(rows) {
    for (const page of pages) {
      await until(`rows ${JSON.stringify(rows)}`, 5000, async () => assert.deepEqual(await rowsOf(page), rows) ?? true);
    }
  }
});

/** Id, name and value of each row, as they stand on the page. @param {import('puppeteer-core').Page} page */
function rowsOf(page) {
  return page.$$eval('tbody tr[data-key]', (rows) =>
    rows.map((row) => ['id', 'name', 'value'].map((field) => row.querySelector(`[data-field=${field}]`)?.textContent ?? '')),
  );
}

/** What has this accessible name, as a screen reader finds it. @param {import('puppeteer-core').Page} page @param {string} name */
async function named(page, name) {
  // Of hidden pages Chromium keeps no accessibility tree.
  await page.bringToFront();
  return until(`"${name}"`, 3000, () => page.$(`aria/${name}`));
}
