/** Debian's Chromium, as a person has it: timers are throttled, tabs are hidden and frozen as ever. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { descendants } from './processes.js';
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
  /** Each profile has windows of its own. */
  static holdsMany = true;
  #profile = mkdtempSync(join(tmpdir(), 'rowcast-chromium-'));
  /** @type {import('puppeteer-core').Browser} */
  browser = /** @type {any} */ (null);
  /** @type {Promise<unknown>} */
  #tracing = Promise.resolve();

  /**
   * @param {{ storage?: boolean, flags?: string[], networkEnabled?: boolean }} [options]  `storage: false`: the person blocks cookies and
   *   site data; `networkEnabled: false`: puppeteer is not told of every request, which takes time beside what is measured
   */
  static async launch({ storage = true, flags = [], networkEnabled = true } = {}) {
    const all = [...FLAGS, ...flags];
    const chromium = new Chromium();
    if (!storage) chromium.#writePreferences({ profile: { default_content_setting_values: { cookies: 2 } } });
    chromium.browser = await puppeteer.launch({
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      userDataDir: chromium.#profile,
      ignoreDefaultArgs: UNWANTED,
      args: process.getuid?.() === 0 ? [...all, '--no-sandbox'] : all,
      protocolTimeout: 60_000,
      networkEnabled,
    });
    return chromium;
  }

  async close() {
    await this.browser.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /** SIGKILL to the renderer of a page, as the kernel does when memory runs out. @param {import('puppeteer-core').Page} page */
  async killRenderer(page) {
    process.kill(await this.rendererOf(page), 'SIGKILL');
  }

  /**
   * The process that a page is in: nobody tells but a trace, and a browser writes one at a time.
   * @param {import('puppeteer-core').Page} page
   * @returns {Promise<number>} its id
   */
  rendererOf(page) {
    const found = this.#tracing.then(() => this.#trace(page));
    this.#tracing = found.catch(() => {});
    return found;
  }

  /** Every process of the browser, itself first. */
  get processes() {
    return descendants(this.browser.process()?.pid ?? 0);
  }

  /** @param {import('puppeteer-core').Page} page */
  async #trace(page) {
    const mark = `here-${Math.random()}`;
    await page.tracing.start({ categories: ['blink.user_timing'] });
    await page.evaluate((name) => performance.mark(name), mark);
    const trace = JSON.parse(new TextDecoder().decode(await page.tracing.stop()));
    const pid = trace.traceEvents.find(({ name }) => name === mark)?.pid;
    if (!this.processes.includes(pid)) throw new Error(`process ${pid} is none of the browser's`);
    return pid;
  }

  /** @param {object} preferences */
  #writePreferences(preferences) {
    mkdirSync(join(this.#profile, 'Default'));
    writeFileSync(join(this.#profile, 'Default', 'Preferences'), JSON.stringify(preferences));
  }
}
