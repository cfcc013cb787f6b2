/**
 * One scenario's own world, so that several run beside each other: a database, a server, a browser
 * profile with its tabs, and a writer who writes throughout.
 */
import assert from 'node:assert/strict';
import { Chromium } from './chromium.js';
import { Cluster } from './cluster.js';
import { PLAIN_HOST, Server } from './server.js';
import { masterOf, Tab } from './tab.js';
import { until } from './until.js';
import { PollWatch } from './watch.js';
import { Writer } from './writer.js';

/** ms that an overtaken poll may take to end, on a machine that is busy with several browsers. */
const OVERTAKEN = 200;

/** With Web Locks, and without: a host name that is no secure context. */
export const CONTEXTS = [['secure', 'localhost'], ['plain_http', PLAIN_HOST]];

/** What the scenarios of a file share. */
export class House {
  /** @type {Cluster} */
  cluster = /** @type {any} */ (null);
  /** @type {any} of the kind: what all scenes share, if a browser of the kind can hold several */
  program = null;
  #kind;
  /** Browsers that hold one scene at a time. @type {Set<any>} */
  #single = new Set();
  /** Those of them that hold none now. @type {any[]} */
  #free = [];

  /** @param {typeof Chromium | typeof import('./firefox.js').Firefox} [kind] */
  constructor(kind = Chromium) {
    this.#kind = kind;
  }

  /** @param {any} [options]  of the browser's launch */
  async open(options) {
    this.cluster = await Cluster.start();
    if (this.#kind.holdsMany) this.program = await this.#kind.launch(options);
  }

  async close() {
    for (const program of [this.program, ...this.#single]) await program?.close();
    await this.cluster?.stop();
  }

  /**
   * @param {import('node:test').TestContext} t  at whose end the scene is closed
   * @param {string} host
   * @param {string[]} [flags]  for a Chromium of its own
   */
  async scene(t, host, flags) {
    const own = flags && (await Chromium.launch({ flags }));
    const url = await this.cluster.another();
    const program = own ?? this.program ?? this.#free.pop() ?? (await this.#another());
    const scene = new Scene(this.cluster, url, await Server.start(url), program, host);
    t.after(async () => {
      await scene.close();
      await own?.close();
      if (this.#single.has(program)) this.#free.push(program);
    });
    await scene.begin();
    return scene;
  }

  async #another() {
    const program = await this.#kind.launch();
    this.#single.add(program);
    return program;
  }
}

export class Scene {
  /** @type {Tab[]} */
  tabs = [];
  /** @type {Writer | null} */
  writer = null;
  /** @type {import('puppeteer-core').BrowserContext} */
  profile = /** @type {any} */ (null);
  /** @type {PollWatch[]} */
  #watches = [];
  #cluster;
  #url;
  #host;
  /** @type {Set<number>} processes that are stopped */
  stopped = new Set();

  /** @param {Cluster} cluster @param {string} url @param {Server} server @param {any} program  a browser @param {string} host */
  constructor(cluster, url, server, program, host) {
    this.#cluster = cluster;
    this.#url = url;
    this.#host = host;
    this.server = server;
    this.program = program;
  }

  async begin() {
    await this.psql('truncate testtype restart identity');
    this.profile = await this.program.browser.createBrowserContext();
  }

  async close() {
    for (const pid of this.stopped) this.#continue(pid);
    await this.writer?.stop().catch(() => {});
    // After a failure one would look on for ever, and the test never end.
    for (const watch of this.#watches) await watch.stop();
    await this.profile?.close();
    await this.server.stop();
  }

  get origin() {
    return `http://${this.#host}:${this.server.port}`;
  }

  /** @param {string} sql */
  psql(sql) {
    return this.#cluster.psql(sql, this.#url);
  }

  /** One psql that takes statements for as long as it is open. */
  session() {
    return this.#cluster.session(this.#url);
  }

  /** A tab more, which hides the one before it. @param {import('puppeteer-core').BrowserContext} [profile] */
  async tab(profile = this.profile) {
    const tab = await Tab.open(profile, this.origin);
    this.joins(tab);
    this.tabs.push(tab);
    return tab;
  }

  /** @param {Tab} tab */
  async reload(tab) {
    await tab.reload();
    this.joins(tab);
  }

  /** A page of the same origin that knows nothing of rowcast. */
  async foreign() {
    const page = await this.profile.newPage();
    await page.goto(`${this.origin}/static/css/hello.css`);
    return page;
  }

  states() {
    return Promise.all(this.tabs.map((tab) => tab.state()));
  }

  /** @param {boolean} on */
  async network(on) {
    for (const { page } of this.tabs) await page.setOfflineMode(!on);
  }

  /** From here on the tab must be told everything. @param {Tab} tab */
  joins(tab) {
    tab.since = this.writer?.journal.length ?? 0;
  }

  /** So many tabs, the master first, and visible: hidden for a minute it would hand over. @param {number} count */
  async open(count) {
    for (let i = 0; i < count; i++) await this.tab();
    const master = await masterOf(this.tabs);
    await master.page.bringToFront();
    this.tabs = [master, ...this.tabs.filter((tab) => tab !== master)];
    return this.tabs;
  }

  /** Begins to write, or goes on; some of it has arrived when this resolves. @param {number} [every]  ms */
  async write(every) {
    this.writer = new Writer(this.#cluster, this.#url, { every, before: this.writer });
    const [tab] = this.tabs;
    const before = (await tab.told()).length;
    await until('some changes', 10_000, async () => (await tab.told()).length > before + 20);
  }

  /** So many batches have gone through the log. @param {number} count @param {Tab} tab  one that is awake */
  async batches(count, tab) {
    const head = () => tab.page.evaluate(() => JSON.parse(localStorage.getItem(Object.keys(localStorage).find((key) => key.endsWith(':lease')))).head);
    const start = await until('a lease', 5000, head);
    await until(`${count} batches`, 30_000, async () => (await head()) >= start + count);
  }

  /**
   * Another tab leads than this one, and goes on to: two hidden tabs, whose timers run at the same moments, may both
   * steal the lock, and the second has it from the first at once.
   * @param {Tab} old @param {number} limit  ms @param {Tab[]} [tabs]
   * @returns {Promise<Tab>}
   */
  async successor(old, limit, tabs = this.tabs) {
    const others = tabs.filter((tab) => tab !== old);
    const master = async () => {
      const states = await Promise.all(others.map((tab) => tab.state()));
      return others.find((_, i) => states[i].role === 'master');
    };
    return until('another master', limit, async () => {
      const found = await master();
      if (found) await new Promise((resolve) => setTimeout(resolve, 250));
      return found && found === (await master()) ? found : undefined;
    });
  }

  /**
   * Stops the process of a tab, which is told nothing of it.
   * @param {Tab} tab
   * @returns {Promise<() => void>} lets it go on
   */
  async stop(tab) {
    const pid = await this.program.rendererOf(tab.page);
    this.stopped.add(pid);
    process.kill(pid, 'SIGSTOP');
    return () => this.#continue(pid);
  }

  /**
   * Freezes a tab, as the browser does to save power.
   * @param {Tab} tab
   * @returns {Promise<() => Promise<void>>} lets it go on
   */
  async freeze(tab) {
    const session = await tab.page.createCDPSession();
    await session.send('Page.setWebLifecycleState', { state: 'frozen' });
    return () => session.send('Page.setWebLifecycleState', { state: 'active' });
  }

  /** The whole browser stands still for so long, as when a laptop sleeps. @param {number} ms */
  async sleep(ms) {
    const all = this.program.processes;
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    for (const pid of all.reverse()) process.kill(pid, 'SIGCONT');
  }

  /** @param {number} pid */
  #continue(pid) {
    this.stopped.delete(pid);
    process.kill(pid, 'SIGCONT');
  }

  /** The tab is closed, or has died. @param {Tab} tab */
  without(tab) {
    this.tabs = this.tabs.filter((other) => other !== tab);
  }

  /** Looks at the polls from here on. @param {number} [profiles] */
  watch(profiles = 1) {
    const watch = new PollWatch(this.server, profiles);
    this.#watches.push(watch);
    return watch;
  }

  /**
   * While a newer poll took the place of an older one, both were open for a moment, and never a third.
   * @param {PollWatch} watch @param {number} [profiles]
   */
  async oneAtATime(watch, profiles = 1) {
    const { most, crowded } = await watch.stop();
    assert.ok(most <= profiles + 1 && crowded < OVERTAKEN, `${most} polls at most, more than ${profiles} for ${Math.round(crowded)} ms`);
  }

  /**
   * The writer ends. Every tab has been told each change once, in order, none left out; its copy is
   * what a SELECT says; and each profile holds one poll.
   * @param {{ tabs?: Tab[], profiles?: number }} [options]
   */
  async proves({ tabs = this.tabs, profiles = 1 } = {}) {
    await this.writer?.stop();
    const journal = this.writer?.journal ?? [];
    const rows = (await this.psql("select id || ' ' || name || ' ' || value from testtype order by id")).trim().split('\n').filter(Boolean);
    for (const tab of tabs) {
      await until('the last change', 30_000, async () => {
        const told = (await tab.told()).at(-1);
        if (told === journal.at(-1)) return true;
        throw new Error(`told ${told} last, not ${journal.at(-1)}: ${JSON.stringify(await tab.state())}`);
      });
      await until(`rows ${rows.slice(0, 4)}…`, 10_000, async () => assert.deepEqual(await tab.rows(), rows) ?? true);
    }
    if (profiles > 0) {
      await until(`${profiles} open polls`, 10_000, async () => (await this.server.pollsOpen()) === profiles);
      const watch = this.watch(profiles);
      await new Promise((resolve) => setTimeout(resolve, 300));
      assert.equal((await watch.stop()).most, profiles, 'polls in the steady state');
    }
    for (const tab of tabs) {
      const told = await tab.told();
      assert.ok(told.length >= journal.length - tab.since, `told ${told.length} of ${journal.length}, from ${tab.since} on`);
      assert.deepEqual(told, journal.slice(journal.length - told.length), 'each once, in order');
    }
  }
}
