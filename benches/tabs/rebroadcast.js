/**
 * From the end of the server's answer in the master to followers' callbacks; beside it, in the same tabs and in turn with it, what a bare
 * write of as many characters takes to the same tabs' storage events, while nothing else runs: no server, no database, no poll.
 */
import { until } from '../../tests/browser/support/until.js';
import { quantile, within } from './scene.js';

/** As many as somebody has open, and as many as the bound is for. */
const FOLLOWERS = [4, 20];
const CHANGES = 200;
const EVERY_MS = 100;
const YARDSTICK = 'yardstick';

/** @param {import('./scene.js').House} house */
export async function rebroadcast(house) {
  for (const count of FOLLOWERS) await within(house, 'localhost', (scene) => among(scene, count));
}

/** @param {import('./scene.js').Scene} scene @param {number} count */
async function among(scene, count) {
  const [master, ...followers] = await scene.open(count + 1);
  await master.page.evaluate(() => {
    window.answered = [];
    const { decode } = TextDecoder.prototype;
    TextDecoder.prototype.decode = function (...all) {
      const text = decode.apply(this, all);
      // An answer's last part is followed by this call alone.
      if (all.length === 0) window.answered.push(performance.timeOrigin + performance.now());
      return text;
    };
  });
  for (const { page } of followers) {
    await page.evaluate((key) => {
      window.heard = [];
      window.stored = [];
      window.rowcast.subscribe('testtype', {}, () => window.heard.push(performance.timeOrigin + performance.now()));
      window.addEventListener('storage', (event) => {
        if (event.key === key) window.stored.push(performance.timeOrigin + performance.now());
      });
    }, YARDSTICK);
  }
  await until('all to be settled', 5000, async () => (await scene.server.pollsOpen()) === 1);
  // One for all writes: a psql that starts or ends beside what is measured takes half the machine.
  const session = scene.session();
  const written = [];
  for (let n = 0; n < CHANGES; n++) {
    // A change at a time: each is an answer of its own.
    session.stdin.write(`insert into testtype (name, value) values ('row', ${n});\n`);
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    written.push(
      await master.page.evaluate(
        (key, n) => {
          const log = Object.keys(localStorage).find((name) => name.includes(':log:')) ?? '';
          // An equal value would fire no event.
          const value = n + (localStorage.getItem(log) ?? '');
          const now = performance.timeOrigin + performance.now();
          localStorage.setItem(key, value);
          return now;
        },
        YARDSTICK,
        n,
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
  session.stdin.end();
  await master.page.evaluate((key) => localStorage.removeItem(key), YARDSTICK);
  const answered = await master.page.evaluate(() => window.answered);
  const heard = await Promise.all(followers.map(({ page }) => page.evaluate(() => window.heard)));
  const stored = await Promise.all(followers.map(({ page }) => page.evaluate((count) => window.stored.slice(0, count), CHANGES)));
  console.log(`\nfrom the master's answer to followers' callbacks, ms, ${count} followers, ${CHANGES} changes`);
  console.table({
    ...summary('', answered.slice(-CHANGES), heard),
    ...summary(', a bare write', written, stored),
    'reach for a follower': { p50: 2, p95: 10 },
  });
}

/**
 * @param {string} what
 * @param {number[]} begun  when each change was on its way
 * @param {number[][]} ended  when each follower had them, the last of them the last
 */
function summary(what, begun, ended) {
  const delays = begun.map((at, n) => ended.map((times) => (times.at(n - begun.length) ?? Infinity) - at));
  const lasts = delays.map((each) => Math.max(...each));
  const row = (/** @type {number[]} */ times) => ({ p50: round(quantile(times, 0.5)), p95: round(quantile(times, 0.95)) });
  return { [`a follower${what}`]: row(delays.flat()), [`the last of them${what}`]: row(lasts) };
}

/** @param {number} ms */
function round(ms) {
  return Math.round(ms * 10) / 10;
}
