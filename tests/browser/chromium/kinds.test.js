/** Tables of every kind in two real tabs: the master's, and a follower's that hears through localStorage. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { Server } from '../support/server.js';
import { until } from '../support/until.js';

const SCHEMA = `
  create table long (id bigint primary key, amount numeric, x float8);
  create table loose (name text, n integer);
  create table doc (id integer primary key, tag text, count integer, body text);
  create view shown as select name from loose;
  select rowcast.watch('long'), rowcast.watch('loose'), rowcast.watch('doc');
`;
/** 100 kB that hardly compress: what an update does not touch of them, it leaves out. */
const body = (/** @type {string} */ seed) => `(select string_agg(md5('${seed}' || i), '') from generate_series(1, 3200) i)`;

describe('kinds', () => {
  /** @type {Cluster} */
  let cluster;
  /** @type {Server} */
  let server;
  /** @type {Chromium} */
  let chromium;
  /** @type {import('puppeteer-core').Page[]} */
  let pages;

  before(async () => {
    cluster = await Cluster.start();
    await cluster.psql(SCHEMA);
    server = await Server.start(cluster.url, '', 'long = "rw"\nloose = "rw"\ndoc = "rw"\nshown = "r"');
    chromium = await Chromium.launch();
  });
  after(async () => {
    await chromium?.close();
    await server?.stop();
    await cluster?.stop();
  });
  beforeEach(async () => {
    for (const page of (await chromium.browser.pages()).slice(1)) await page.close();
    // Not by TRUNCATE: that is noticed once more seconds later, as a rewrite is.
    await cluster.psql('delete from long; delete from loose; delete from doc; delete from rowcast.change');
    pages = [];
    for (let i = 0; i < 2; i++) {
      const page = await chromium.browser.newPage();
      await page.goto(`http://localhost:${server.port}/static/css/base.css`);
      await page.evaluate(async () => {
        const { connect } = await import('/static/js/rowcast.js');
        window.rowcast = connect();
        window.broken = [];
      });
      pages.push(page);
    }
  });

  /** Follows a table in both tabs. @param {string} table @param {object} [options] */
  async function follow(table, options = {}) {
    for (const page of pages) {
      await page.evaluate((table, options) => void (window.live = window.rowcast.live(table, options)), table, options);
      await until(`${table} to be listed`, 5000, () => page.evaluate(() => window.live.status !== 'loading'));
    }
  }

  /** What both tabs come to show. @param {unknown} expected @param {string} columns */
  async function shows(expected, columns) {
    for (const page of pages) {
      const rows = () => page.evaluate((columns) => window.live.rows.map((row) => columns.map((column) => row[column])), columns.split(' '));
      await until(JSON.stringify(expected).slice(0, 80), 5000, async () => assert.deepEqual(await rows(), expected) ?? true);
    }
  }

  test('numbers_beyond_a_double_are_shown_edited_and_deleted', async () => {
    const [page] = pages;
    const amount = '123456789012345678901234567.891';
    await cluster.psql(`insert into long values (9007199254740992, 1.10, 9.999999999999999e22), (9007199254740993, ${amount}, 0.1)`);
    await follow('long');
    const even = [9007199254740992, 1.1, 9.999999999999999e22];
    await shows([even, ['9007199254740993', amount, 0.1]], 'id amount x');
    /** What a page would do with a row that it shows. */
    const send = (/** @type {string} */ method, /** @type {object} */ change) =>
      page.evaluate(
        async (method, change) => {
          const { id } = window.live.rows.at(-1);
          const headers = { 'Content-Type': 'application/json' };
          const body = method === 'DELETE' ? undefined : JSON.stringify({ ...window.live.rows.at(-1), ...change });
          return (await fetch(`/api/long/${encodeURIComponent(id)}`, { method, headers, body })).status;
        },
        method,
        change,
      );
    assert.equal(await send('PATCH', { amount: `-${amount}9` }), 200);
    await shows([even, ['9007199254740993', `-${amount}9`, 0.1]], 'id amount x');
    assert.equal(await send('PUT', { x: 0.2 }), 200);
    await shows([even, ['9007199254740993', `-${amount}9`, 0.2]], 'id amount x');
    const stored = await cluster.psql('select id, amount from long where id > 9007199254740992');
    assert.equal(stored.trim(), `9007199254740993|-${amount}9`);
    const found = await page.evaluate(() =>
      Promise.all(
        [9007199254740993n, '9007199254740993'].map((id) => {
          const live = window.rowcast.live('long', { where: { id } });
          return new Promise((resolve) => live.addEventListener('change', () => resolve(live.rows.map((row) => row.id))));
        }),
      ),
    );
    assert.deepEqual(found, [['9007199254740993'], ['9007199254740993']]);
    assert.equal(await send('DELETE', {}), 204);
    await shows([even], 'id amount x');
  });

  test('equal_rows_of_a_table_without_a_key_are_told_apart_by_number', async () => {
    await cluster.psql("insert into loose values ('same', 1), ('same', 1), ('other', 2)");
    // Equal to the last column.
    await cluster.psql(`
      alter table loose disable trigger user;
      update loose set mtime = '2026-01-01' where name = 'same';
      alter table loose enable trigger user;
    `);
    await follow('loose', { order: ['-n', 'name'] });
    await shows([['other', 2], ['same', 1], ['same', 1]], 'name n');
    await cluster.psql('delete from loose where ctid = (select min(ctid) from loose where n = 1)');
    await shows([['other', 2], ['same', 1]], 'name n');
    await cluster.psql("begin; update loose set n = 3 where n = 1; insert into loose values ('new', 0); update loose set n = n + 1; commit");
    await shows([['same', 4], ['other', 3], ['new', 1]], 'name n');
    await cluster.psql('truncate loose');
    await shows([], 'name n');
  });

  test('text_that_an_update_left_out_stays_and_comes_whole_into_a_filter', async () => {
    await cluster.psql(`insert into doc values (1, 'in', 0, ${body('a')}), (2, 'out', 0, ${body('b')})`);
    const whole = (await cluster.psql('select md5(body) from doc order by id')).trim().split('\n');
    await follow('doc', { where: { tag: 'in' } });
    for (const page of pages) {
      await page.evaluate(() => {
        window.asked = [];
        const { fetch } = window;
        window.fetch = (url, init) => {
          if (url.includes('/api/')) window.asked.push(url);
          return fetch(url, init);
        };
        window.live.addEventListener('change', () => {
          if (!window.live.rows.every(({ body }) => body?.length === 102400)) window.broken.push(window.live.rows);
        });
      });
    }
    for (let count = 1; count <= 5; count++) await cluster.psql(`update doc set count = ${count}`);
    await shows([[1, 5]], 'id count');
    for (const page of pages) assert.deepEqual(await page.evaluate(() => window.asked), [], 'what is held is not asked for');
    await cluster.psql("update doc set tag = 'in' where id = 2");
    await shows([[1, 5], [2, 5]], 'id count');
    assert.equal(await leftOut(), 11, 'the text was left out of each update');
    for (const page of pages) {
      assert.deepEqual(await page.evaluate(() => window.asked), ['/api/doc?id=eq.2&tag=eq.in'], 'the row that came in');
      const texts = await page.evaluate(() => window.live.rows.map(({ body }) => body));
      const sums = await cluster.psql(texts.map((text) => `select md5('${text}');`).join('\n'));
      assert.deepEqual(sums.trim().split('\n'), whole);
      assert.deepEqual(await page.evaluate(() => window.broken), [], 'no row was ever shown without its text');
    }
    await cluster.psql('delete from doc where id = 1');
    await shows([[2, 5]], 'id count');
  });

  test('filter_on_a_large_text_shows_what_matches_and_nothing_else', async () => {
    await cluster.psql(`insert into doc values (1, 'x', 0, ${body('a')}), (2, 'x', 0, ${body('b')})`);
    // Stored as it is, so that it counts as large; short enough for a query.
    await cluster.psql("alter table doc alter column body set storage external; update doc set body = left(body, 5000), tag = repeat(md5(id::text), 160)");
    const [wanted] = (await cluster.psql('select body from doc order by id')).trim().split('\n');
    await follow('doc', { where: { body: wanted } });
    await shows([[1, 0]], 'id count');
    await cluster.psql('update doc set count = 1');
    await shows([[1, 1]], 'id count');
    await cluster.psql('update doc set count = 2 where id = 2; update doc set count = 2 where id = 1');
    await shows([[1, 2]], 'id count');
    assert.equal(await leftOut(), 4, 'no image had the text that was compared');
  });

  /** How many of the changes of `doc` came without its text, since it was emptied. */
  async function leftOut() {
    return Number(await cluster.psql("select count(*) from rowcast.change where relation = 'doc'::regclass and 'body' = any (elided)"));
  }

  test('view_is_shown_and_says_that_it_is_not_followed', async () => {
    await cluster.psql("insert into loose values ('seen', 1)");
    await follow('shown');
    for (const page of pages) await until('the refusal', 5000, () => page.evaluate(() => window.live.status === 'error'));
    await shows([['seen']], 'name');
    for (const page of pages) assert.match(await page.evaluate(() => window.live.error.detail), /view/);
  });
});
