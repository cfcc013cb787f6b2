/** What idle tabs do to localStorage: operations a second of the whole origin. */
import { CONTEXTS } from '../../tests/browser/support/scene.js';
import { within } from './scene.js';

const COUNTS = [1, 5, 20];
const WATCHED_MS = 30_000;

/** @param {import('./scene.js').House} house */
export async function idle(house) {
  const cases = CONTEXTS.flatMap(([context = '', host = '']) => COUNTS.map((count) => ({ context, host, count })));
  // Beside each other: how often something is done does not depend on how fast.
  const rows = await Promise.all(cases.map(({ host, count }) => within(house, host, (scene) => measure(scene, count))));
  console.log('\nidle tabs: localStorage operations of the whole origin (reach: 0.6 writes/s, no scans)');
  console.table(Object.fromEntries(cases.map(({ context, count }, n) => [`${context}, ${count} tabs`, rows[n]])));
}

/** @param {import('./scene.js').Scene} scene @param {number} count */
async function measure(scene, count) {
  const tabs = await scene.open(count);
  // Past the sweep of the first roll call, ten seconds into the term.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  for (const { page } of tabs) await page.evaluate(countOperations);
  const start = performance.now();
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
  const counts = await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.counts)));
  const seconds = (performance.now() - start) / 1000;
  const sum = (/** @type {string[]} */ ...names) => names.flatMap((name) => counts.map((each) => each[name])).reduce((a, b) => a + b, 0);
  const rate = (/** @type {number} */ n) => Math.round((n / seconds) * 1000) / 1000;
  return {
    'writes/s': rate(sum('setItem', 'removeItem')),
    'writes/s a tab': rate(sum('setItem', 'removeItem') / count),
    'reads/s': rate(sum('getItem')),
    'scans/s': rate(sum('key')),
    'events/s': rate(sum('events')),
    keys: await tabs[0]?.page.evaluate(() => localStorage.length),
  };
}

/** Runs in a page. */
function countOperations() {
  window.counts = { getItem: 0, setItem: 0, removeItem: 0, key: 0, events: 0 };
  for (const name of ['getItem', 'setItem', 'removeItem', 'key']) {
    const real = Storage.prototype[name];
    Storage.prototype[name] = function (...all) {
      window.counts[name] += 1;
      return real.apply(this, all);
    };
  }
  addEventListener('storage', () => (window.counts.events += 1));
}
