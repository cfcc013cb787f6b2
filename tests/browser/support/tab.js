/**
 * A tab that uses the browser script itself, without a page around it, and records what it is told.
 * It opens a document of the server that runs no script of its own.
 */
import { until } from './until.js';

export class Tab {
  /** How many entries a writer's journal had when this tab was opened: it is told the rest. */
  since = 0;

  /** @param {import('puppeteer-core').Page} page @param {string} url */
  constructor(page, url) {
    this.page = page;
    this.url = url;
  }

  /**
   * @param {import('puppeteer-core').Browser | import('puppeteer-core').BrowserContext} browser
   * @param {string} origin
   */
  static async open(browser, origin) {
    const tab = new Tab(await browser.newPage(), `${origin}/static/css/base.css`);
    await tab.load();
    return tab;
  }

  async load() {
    await this.page.goto(this.url);
    await this.#start();
  }

  async reload() {
    await this.page.reload();
    await this.#start();
  }

  /** @returns {Promise<import('../../../static/js/types.js').State>} */
  state() {
    return this.page.evaluate(() => window.rowcast.state);
  }

  /** The rows that it shows, each as `id name value`. @returns {Promise<string[]>} */
  rows() {
    return this.page.evaluate(() => window.live.rows.map(({ id, name, value }) => `${id} ${name} ${value}`));
  }

  /** Raw changes so far, each as `op id`. @returns {Promise<string[]>} */
  told() {
    return this.page.evaluate(() => window.told);
  }

  /** A clock of the page jumps. @param {'date' | 'monotonic'} clock @param {number} by  ms */
  leap(clock, by) {
    return this.page.evaluate(
      (which, ms) => {
        const of = which === 'date' ? Date : performance;
        const real = of.now.bind(of);
        of.now = () => real() + ms;
      },
      clock,
      by,
    );
  }

  async #start() {
    await this.page.evaluate(async () => {
      const { connect } = await import('/static/js/rowcast.js');
      window.told = [];
      window.rowcast = connect();
      window.live = window.rowcast.live('testtype');
      window.raw = window.rowcast.subscribe('testtype', {}, ({ changes, reset }) => {
        if (reset) window.told.push('reset');
        for (const { op, key } of changes) window.told.push(`${op} ${key}`);
      });
    });
    await until('the tab to be live', 10_000, () => this.page.evaluate(() => window.live.status === 'live' && window.raw.status === 'live'));
  }
}

/** The one tab that is master, once all are settled. @param {Tab[]} tabs @param {number} [limit] */
export async function masterOf(tabs, limit = 10_000) {
  return until(`one master and ${tabs.length - 1} followers`, limit, async () => {
    const states = await Promise.all(tabs.map((tab) => tab.state()));
    const masters = tabs.filter((_, i) => states[i].role === 'master');
    const settled = states.every(({ role, tabs: count }) => (role === 'master' || role === 'follower') && count === tabs.length);
    if (masters.length === 1 && settled) return masters[0];
    throw new Error(JSON.stringify(states.map(({ role, tabs: count, master }) => ({ role, count, master }))));
  });
}
