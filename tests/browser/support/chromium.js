/** Debian's Chromium, as a person has it: timers are throttled, tabs are hidden and frozen as ever. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { PLAIN_HOST } from './server.js';

/** Puppeteer's own, under which nothing is ever throttled. */
const UNWANTED = ['--disable-background-timer-throttling', '--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding'];

const FLAGS = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-gpu',
  // Loopback only, whatever Chromium thinks of by itself.
  `--host-resolver-rules=MAP ${PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1`,
];

export class Chromium {
  #profile = mkdtempSync(join(tmpdir(), 'rowcast-chromium-'));
  /** @type {import('puppeteer-core').Browser} */
  browser = /** @type {any} */ (null);

  /** @param {{ storage?: boolean }} [options]  `storage: false`: the person blocks cookies and site data */
  static async launch({ storage = true } = {}) {
    const chromium = new Chromium();
    if (!storage) chromium.#writePreferences({ profile: { default_content_setting_values: { cookies: 2 } } });
    chromium.browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      userDataDir: chromium.#profile,
      ignoreDefaultArgs: UNWANTED,
      args: process.getuid?.() === 0 ? [...FLAGS, '--no-sandbox'] : FLAGS,
      protocolTimeout: 60_000,
    });
    return chromium;
  }

  async close() {
    await this.browser.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /**
   * SIGKILL to the renderer of a page, as the kernel does when memory runs out.
   * @param {import('puppeteer-core').Page} page
   */
  async killRenderer(page) {
    const session = await this.browser.target().createCDPSession();
    const times = async () => {
      const { processInfo } = await session.send('SystemInfo.getProcessInfo');
      return processInfo.filter(({ type }) => type === 'renderer');
    };
    // Nobody tells which process a page is in: the one that is busy when the page is.
    const before = new Map((await times()).map(({ id, cpuTime }) => [id, cpuTime]));
    await page.evaluate(() => {
      const end = performance.now() + 900;
      while (performance.now() < end);
    });
    const grown = (await times()).map(({ id, cpuTime }) => ({ id, by: cpuTime - (before.get(id) ?? 0) }));
    const [busiest, second] = grown.sort((a, b) => b.by - a.by);
    if (!busiest || busiest.by < 0.1 || busiest.by < 3 * (second?.by ?? 0)) throw new Error(`no renderer was busy: ${JSON.stringify(grown)}`);
    process.kill(busiest.id, 'SIGKILL');
    await session.detach();
  }

  /** @param {object} preferences */
  #writePreferences(preferences) {
    mkdirSync(join(this.#profile, 'Default'));
    writeFileSync(join(this.#profile, 'Default', 'Preferences'), JSON.stringify(preferences));
  }
}
