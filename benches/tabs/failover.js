/** How long it takes until another tab leads, in each way that a master can go. */
import { CONTEXTS } from '../../tests/browser/support/scene.js';
import { THROTTLED, throttled } from '../../tests/browser/support/throttled.js';
import { until } from '../../tests/browser/support/until.js';
import { quantile, within } from './scene.js';

/** @typedef {import('./scene.js').Scene} Scene @typedef {import('../../tests/browser/support/tab.js').Tab} Tab */

/**
 * `go` gets the time as the deed is done, for what must be prepared before.
 * @type {Record<string, { rounds: number, reach: [number, number], hidden?: boolean, flags?: string[], before?: (scene: Scene) => Promise<void>, go: (scene: Scene, master: Tab) => Promise<number> }>}
 */
const WAYS = {
  closed: { rounds: 5, reach: [250, 250], go: (_, { page }) => at(() => page.close()) },
  'navigated away': { rounds: 5, reach: [250, 250], go: leave },
  // Nobody looks at any of them, and their timers run once a second.
  'navigated away, all others hidden': { rounds: 5, hidden: true, reach: [250, 250], go: leave },
  'process killed': { rounds: 5, reach: [300, 6500], go: (scene, { page }) => signal(scene, page, 'SIGKILL') },
  frozen: { rounds: 5, reach: [300, 300], go: (scene, master) => at(() => scene.freeze(master)) },
  'stopped without any event': { rounds: 3, reach: [11_000, 6500], go: (scene, { page }) => signal(scene, page, 'SIGSTOP') },
  'all hidden and throttled, killed': {
    rounds: 3,
    reach: [1500, 10_000],
    flags: THROTTLED,
    before: async (scene) => {
      await (await scene.profile.newPage()).bringToFront();
      await Promise.all(scene.tabs.map(throttled));
    },
    go: (scene, { page }) => signal(scene, page, 'SIGKILL'),
  },
};
const TABS = 4;
/** ms: no way takes longer. */
const LIMIT = 30_000;

/** @param {import('./scene.js').House} house */
export async function failover(house) {
  console.log('\nms until another tab leads (secure: with Web Locks; plain_http: without)');
  for (const [name, way] of Object.entries(WAYS)) {
    for (const [n, [context = '', host = '']] of CONTEXTS.entries()) {
      const times = [];
      for (let round = 0; round < way.rounds; round++) times.push(await within(house, host, (scene) => play(scene, way), way.flags));
      const [median, worst] = [quantile(times, 0.5), Math.max(...times)];
      console.log(`${name}, ${context}: median ${median}, worst ${worst} of ${way.rounds}; to reach ${way.reach[n]}`);
    }
  }
}

/** @param {Scene} scene @param {(typeof WAYS)[string]} way */
async function play(scene, { before, hidden, go }) {
  const [master, ...rest] = /** @type {[Tab, ...Tab[]]} */ (await scene.open(TABS));
  if (!hidden) await rest[0].page.bringToFront();
  await before?.(scene);
  for (const { page } of rest) {
    await page.evaluate(() => {
      window.rowcast.addEventListener('state', () => {
        if (window.rowcast.state.role === 'master') window.ledAt ??= Date.now();
      });
    });
  }
  const start = await go(scene, master);
  return until('another master', LIMIT, async () => {
    const led = await Promise.all(rest.map(({ page }) => page.evaluate(() => window.ledAt)));
    const first = Math.min(...led.filter(Boolean));
    return first < Infinity && first - start;
  });
}

/** To another page of the same origin. @param {Scene} scene @param {Tab} master  @returns {Promise<number>} when the page went */
async function leave(scene, { page }) {
  await page.evaluate(() => addEventListener('pagehide', () => (sessionStorage.leftAt = Date.now())));
  await page.goto(`${scene.origin}/static/css/hello.css`);
  return page.evaluate(() => Number(sessionStorage.leftAt));
}

/** @param {() => Promise<unknown>} deed  @returns {Promise<number>} when it was begun */
async function at(deed) {
  const start = Date.now();
  await deed();
  return start;
}

/** @param {Scene} scene @param {any} page @param {'SIGKILL' | 'SIGSTOP'} name */
async function signal(scene, page, name) {
  const pid = await scene.program.rendererOf(page);
  if (name === 'SIGSTOP') scene.stopped.add(pid);
  const start = Date.now();
  process.kill(pid, name);
  return start;
}
