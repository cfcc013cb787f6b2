/** From the end of the server's answer in the master to the callback of the last of twenty followers. */
import { until } from '../../tests/browser/support/until.js';
import { quantile, within } from './scene.js';

const FOLLOWERS = 20;
const CHANGES = 200;
const EVERY_MS = 100;

/** @param {import('./scene.js').House} house */
export async function rebroadcast(house) {
  await within(house, 'localhost', async (scene) => {
    const [master, ...followers] = await scene.open(FOLLOWERS + 1);
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
      await page.evaluate(() => {
        window.heard = [];
        window.rowcast.subscribe('testtype', {}, () => window.heard.push(performance.timeOrigin + performance.now()));
      });
    }
    await until('all to be settled', 5000, async () => (await scene.server.pollsOpen()) === 1);
    // A change at a time: each is an answer of its own.
    for (let n = 0; n < CHANGES; n++) {
      await scene.psql(`insert into testtype (name, value) values ('row', ${n})`);
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
    const answered = await master.page.evaluate(() => window.answered);
    const heard = await Promise.all(followers.map(({ page }) => page.evaluate(() => window.heard)));
    const delays = answered.slice(-CHANGES).map((at, n) => heard.map((times) => (times.at(n - CHANGES) ?? Infinity) - at));
    const lasts = delays.map((each) => Math.max(...each));
    console.log(`\nfrom the master's answer to followers' callbacks, ms, ${FOLLOWERS} followers, ${CHANGES} changes`);
    console.table({
      'a follower': { p50: round(quantile(delays.flat(), 0.5)), p95: round(quantile(delays.flat(), 0.95)) },
      'reach for a follower': { p50: 2, p95: 10 },
      'the last of them': { p50: round(quantile(lasts, 0.5)), p95: round(quantile(lasts, 0.95)) },
    });
  });
}

/** @param {number} ms */
function round(ms) {
  return Math.round(ms * 10) / 10;
}
