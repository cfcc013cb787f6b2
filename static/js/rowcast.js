/**
 * rowcast in the browser: every committed change of a table, in every open tab, over one connection.
 *
 *     import { connect } from '/static/js/rowcast.js';
 *     const rowcast = connect();
 *     const rows = rowcast.live('testtype', { order: '-mtime' });
 *     rows.addEventListener('change', () => draw(rows.rows));
 *
 * The path of a change: mux.js polls in the master tab; channel.js writes the answer into
 * localStorage; feeds.js hands it to each feed that stands where it starts; replica.js takes it in.
 * election.js decides which tab is master, elector.js does what it says, roster.js knows which tabs
 * there are, and tab.js ties them together.
 */
import { browserEnv } from './env.js';
import { Replica } from './replica.js';
import { Subscription } from './subscription.js';
import { Tab } from './tab.js';

/**
 * @typedef {import('./types.js').Where} Where
 * @typedef {import('./types.js').State} State
 * @typedef {import('./api.js').LiveOptions} LiveOptions
 * @typedef {import('./api.js').News} News
 *
 * `env` is for tests: in place of the browser.
 * @typedef {import('./api.js').ConnectOptions & { env?: import('./env.js').Env }} ConnectOptions
 */

/**
 * Connects this tab; one connection a page.
 * @param {ConnectOptions} [options]
 */
export function connect(options = {}) {
  return new Rowcast(options);
}

/** Event: `state`, whenever `state` has changed. */
export class Rowcast extends EventTarget {
  #tab;
  /** @type {import('./feed.js').Host} */
  #host;
  #shown = '';

  /** @param {ConnectOptions} options */
  constructor({ endpoint = '/', identity = '', rowsInStorage = true, env = browserEnv() }) {
    super();
    const base = endpoint.endsWith('/') ? endpoint : `${endpoint}/`;
    this.#tab = new Tab({ env, endpoint: base, scope: `${base} ${identity}`, rowsInStorage, onState: () => this.#onState() });
    const tab = this.#tab;
    this.#host = {
      env,
      endpoint: base,
      connection: () => tab.state.connection,
      onOpen: () => tab.announce(),
      onClose: (feed) => {
        if (feed.closed) tab.feeds.remove(feed);
        tab.announce();
      },
      onTrouble: (feed, problem) => tab.trouble(feed, problem),
    };
    this.#shown = JSON.stringify(tab.state);
  }

  /** What this tab is, and how it fares. @returns {State} */
  get state() {
    return this.#tab.state;
  }

  /**
   * A live copy of a table's rows.
   * @param {string} table  `testtype`, or `schema.table` outside of the schema public
   * @param {LiveOptions} [options]
   * @returns {Replica}
   */
  live(table, options = {}) {
    return this.#add(new Replica(this.#host, table, options));
  }

  /**
   * Raw changes from now on, without a copy of the rows.
   * @param {string} table
   * @param {{ where?: Where }} options
   * @param {(news: News) => void} listener
   * @returns {Subscription}
   */
  subscribe(table, { where }, listener) {
    return this.#add(new Subscription(this.#host, table, where, listener));
  }

  /**
   * Ends everything; other tabs go on.
   * @param {{ wipe?: boolean }} [options]  `wipe`: also remove what lies in localStorage, as at logout
   */
  close({ wipe = false } = {}) {
    this.#tab.close(wipe);
  }

  /**
   * @template {Replica | Subscription} F
   * @param {F} feed
   * @returns {F}
   */
  #add(feed) {
    this.#tab.feeds.add(feed);
    feed.begin();
    return feed;
  }

  #onState() {
    // The constructor's own steps come before anybody can listen.
    if (!this.#tab) return;
    const shown = JSON.stringify(this.#tab.state);
    if (shown === this.#shown) return;
    this.#shown = shown;
    this.dispatchEvent(new Event('state'));
  }
}
