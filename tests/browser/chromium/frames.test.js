/** Sandboxed frames, which have no origin and so no storage that they could share. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Beside } from '../support/beside.js';
import { Chromium } from '../support/chromium.js';
import { Cluster } from '../support/cluster.js';
import { Server } from '../support/server.js';
import { until } from '../support/until.js';

const FILES = Object.fromEntries(['page', 'frame'].map((name) => [`/${name}.html`, fileURLToPath(new URL(`../frames/${name}.html`, import.meta.url))]));

describe('frames', () => {
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

  test('sandboxed_frames_that_are_let_in_poll_for_themselves_and_say_so', async (t) => {
    const frames = await open(t, () => true);
    for (const frame of frames) {
      const { role, reason, tabs } = await frame.evaluate(() => window.rowcast.state);
      assert.deepEqual([role, tabs], ['alone', 1]);
      assert.match(reason, /no localStorage here: .*sandboxed/);
    }
    await until('a poll of each', 5000, async () => (await server.pollsOpen()) === 2);
    await cluster.psql("insert into testtype (name, value) values ('Ann', 1)");
    for (const frame of frames) await until('its row', 5000, () => frame.evaluate(() => window.live.rows.some(({ name }) => name === 'Ann')));
  });

  test('sandboxed_frame_that_the_server_refuses_says_why', async (t) => {
    // The scripts may come from anywhere; the server itself answers pages of its own origin only.
    const frames = await open(t, (url) => url.startsWith('/static/'));
    for (const frame of frames) {
      const problem = await until('the frame to say so', 10_000, () => frame.evaluate(() => window.rowcast.state.problem));
      assert.match(problem.detail ?? '', /sandboxed.*allow-same-origin/);
      const { role, connection } = await frame.evaluate(() => window.rowcast.state);
      assert.deepEqual([role, connection], ['alone', 'offline']);
      assert.equal(await frame.evaluate(() => window.live.rows.length), 0);
    }
    assert.equal(await server.pollsOpen(), 0);
  });

  /**
   * The two frames of a page, when their scripts run.
   * @param {import('node:test').TestContext} t
   * @param {(url: string) => boolean} letIn  what they may ask for
   */
  async function open(t, letIn) {
    const beside = await Beside.start(server.port, FILES, letIn);
    const page = await chromium.browser.newPage();
    t.after(async () => {
      await page.close();
      await beside.stop();
    });
    await page.goto(`${beside.origin}/page.html`);
    return until('two frames with the script', 10_000, async () => {
      const frames = page.frames().filter((frame) => frame !== page.mainFrame());
      const ready = await Promise.all(frames.map((frame) => frame.evaluate(() => 'rowcast' in window)));
      return frames.length === 2 && ready.every(Boolean) && frames;
    });
  }
});
