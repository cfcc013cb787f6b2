/** Debian's Firefox, driven by WebDriver BiDi. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { descendants } from './processes.js';
import { PLAIN_HOST } from './server.js';
import { until } from './until.js';

const PREFERENCES = {
  // Loopback only, whatever Firefox thinks of by itself.
  'network.dns.localDomains': PLAIN_HOST,
  'network.proxy.type': 0,
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionEnabled': false,
};

export class Firefox {
  /**
   * All tabs lie in one window, whatever container they belong to. Whoever opens a tab or brings one to
   * the front waits until the tab that was in front is hidden, and fails if somebody closes that one
   * meanwhile, or if it is about to load.
   */
  static holdsMany = false;
  #profile = mkdtempSync(join(tmpdir(), 'rowcast-firefox-'));
  /** @type {import('puppeteer-core').Browser} */
  browser = /** @type {any} */ (null);
  /** The tab that it starts with, which no scene closes or kills. @type {import('puppeteer-core').Page} */
  blank = /** @type {any} */ (null);

  static async launch() {
    const firefox = new Firefox();
    firefox.browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
      userDataDir: firefox.#profile,
      extraPrefsFirefox: PREFERENCES,
      // Firefox will not start where the home directory is another user's.
      env: { ...process.env, HOME: firefox.#profile },
      protocolTimeout: 60_000,
    });
    [firefox.blank] = await firefox.browser.pages();
    return firefox;
  }

  async close() {
    await this.browser.close();
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }

  /**
   * The process that a page is in. Nobody tells: it is the one that is busy when the page is.
   * @param {import('puppeteer-core').Page} page
   * @returns {Promise<number>} its id
   */
  rendererOf(page) {
    return until('one process to be busy', 20_000, async () => {
      // The browser itself, the first, is busy with much else, and holds no page.
      const all = descendants(this.browser.process()?.pid ?? 0).slice(1);
      const before = new Map(all.map((pid) => [pid, ticksOf(pid)]));
      await page.evaluate(() => {
        const end = performance.now() + 1500;
        while (performance.now() < end);
      });
      const grown = all.map((pid) => ({ pid, by: ticksOf(pid) - (before.get(pid) ?? 0) })).sort((a, b) => b.by - a.by);
      const [busiest, second] = grown;
      if (!busiest || busiest.by < 10 || busiest.by < 2 * (second?.by ?? 0)) throw new Error(JSON.stringify(grown));
      return busiest.pid;
    });
  }
}

/** Processor time that a process has used, in hundredths of a second. @param {number} pid */
function ticksOf(pid) {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0;
  }
}
