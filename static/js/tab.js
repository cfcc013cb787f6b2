/**
 * One tab's part in it all: wires the election, the log, the roster, the poll and the feeds together,
 * and routes what other tabs write. Decisions are in the parts; here is only who tells whom.
 */
import { Channel, readBatch } from './channel.js';
import { Elector } from './elector.js';
import { Told } from './facts.js';
import { Feeds } from './feeds.js';
import { Mux } from './mux.js';
import { reason } from './problem.js';
import { Roster, tabOf } from './roster.js';
import { LOG, Store } from './storage.js';

/**
 * @typedef {import('./types.js').Batch} Batch
 * @typedef {import('./types.js').Connection} Connection
 * @typedef {import('./types.js').ShownProblem} ShownProblem
 * @typedef {import('./types.js').State} State
 */

/** After so many refusals in a row another browser seems to have the same id, as a copied profile has. */
const SAME_BROWSER = 4;

/** Lives as long as the page. Without storage, or with a full one, it polls for itself alone. */
export class Tab {
  #env;
  #onState;
  #mux;
  /** @type {Store | null} */
  #store = null;
  /** @type {Channel | null} */
  #channel = null;
  /** @type {Roster | null} */
  #roster = null;
  /** @type {Elector | null} */
  #elector = null;
  /** @type {(() => void)[]} */
  #undo = [];
  #resting = false;
  #alone = false;
  #reason = '';
  #told = new Told();
  #announced = '';
  #followed = false;
  /** The term of this tab's last lease, and since when. */
  #own = { term: 0, since: 0 };
  /** @type {Map<object, ShownProblem>} */
  #troubles = new Map();
  /** @type {Connection} */
  #connection = 'connecting';

  /**
   * @param {object} options
   * @param {import('./env.js').Env} options.env
   * @param {string} options.endpoint  ends with a slash
   * @param {string} options.scope
   * @param {boolean} options.rowsInStorage
   * @param {() => void} options.onState
   */
  constructor({ env, endpoint, scope, rowsInStorage, onState }) {
    this.#env = env;
    this.#onState = onState;
    this.id = env.secret(8);
    this.feeds = new Feeds(env, endpoint, { log: () => this.#channel?.read() ?? [], onMoved: () => this.announce() });
    this.#mux = new Mux(env, endpoint, this.id, {
      mayPublish: () => this.#alone || (this.#elector?.check() ?? true),
      publish: (batch) => this.#publish(batch),
      onChunk: () => this.#elector?.send('chunk'),
      onAnswer: () => this.#elector?.send('answer', this.#roster?.visibleOther),
      onSuperseded: (times) => this.#onSuperseded(times),
      onRefused: () => this.#onSuperseded(SAME_BROWSER),
      company: () => this.#count > 1,
      sparse: () => this.#alone && !env.visible(),
      exact: () => env.visible(),
      watched: () => env.visible() || !!this.#roster?.visibleOther,
      onConnection: () => this.#tell(),
    });
    try {
      this.#store = new Store(env, scope);
    } catch (error) {
      this.#reason = `no localStorage here: ${reason(error)}`;
    }
    if (this.#store) this.#join(this.#store, rowsInStorage);
    this.#listen();
    if (this.#elector) this.#elector.send('start');
    else this.#goAlone();
  }

  /** @returns {State} */
  get state() {
    const leads = this.#elector?.leads ?? false;
    const connection = this.#connectionNow();
    const problem = leads || this.#alone ? this.#mux.problem : this.#told.facts.problem;
    const [trouble = null] = this.#troubles.values();
    return {
      tab: this.id,
      role: this.#alone ? 'alone' : leads ? 'master' : this.#followed && !this.#resting ? 'follower' : 'starting',
      term: this.#alone ? 0 : this.#told.term,
      master: this.#alone || this.#resting ? null : this.#told.master,
      masterSince: this.#alone ? null : this.#told.facts.since,
      tabs: leads ? this.#count : this.#alone ? 1 : this.#told.facts.tabs,
      visible: this.#env.visible(),
      connection,
      problem: connection === 'offline' ? (problem ?? trouble) : null,
      handovers: this.#told.handovers,
      lastHandover: this.#told.lastHandover,
      reason: this.#alone ? this.#reason : '',
    };
  }

  /** A feed cannot be opened for now, or can again. @param {object} feed @param {ShownProblem | null} problem */
  trouble(feed, problem) {
    if (problem) this.#troubles.set(feed, problem);
    else if (this.#troubles.delete(feed)) this.#mux.retry();
    this.#changed();
  }

  /** Says what this tab wants and where it stands, to whoever leads. */
  announce() {
    if (this.#resting) return;
    // The master takes it that whoever stands at a cursor follows the log from there.
    if (!this.#alone) this.feeds.catchUp();
    const subs = this.feeds.demands();
    if (this.#alone) {
      this.#mux.demands.set(this.id, subs, []);
      this.#mux.changed();
      return;
    }
    if (!this.#roster || !this.#elector) return;
    const { term, facts: { roll } } = this.#told;
    this.#announced = this.#told.call;
    const key = { term, roll, visible: this.#env.visible(), subs };
    if (!this.#roster.announce(key)) return this.#elector.send('full');
    if (this.#elector.leads) this.#onTab(this.id, key);
  }

  /** Gives up its part. @param {boolean} wipe  also removes all that this scope has in storage */
  close(wipe) {
    for (const feed of [...this.feeds]) feed.close();
    this.#rest();
    for (const undo of this.#undo) undo();
    if (wipe) this.#store?.wipe();
  }

  /** @param {Store} store @param {boolean} rowsInStorage */
  #join(store, rowsInStorage) {
    this.#channel = new Channel(store, rowsInStorage);
    this.#roster = new Roster(store, this.id);
    this.#elector = new Elector(this.#env, store, this.id, {
      facts: () => this.#facts(),
      company: () => this.#count > 1,
      onLead: (term) => this.#onLead(term),
      onStandDown: () => this.#mux.stop(),
      onStep: () => this.#onStep(),
    });
    this.#undo.push(store.watch((key, value) => this.#onStorage(key, value)));
  }

  #listen() {
    const { on } = this.#env;
    const rest = () => this.#rest();
    const wake = () => this.#wake();
    this.#undo.push(
      on('pagehide', rest),
      on('freeze', rest),
      on('pageshow', wake),
      on('resume', wake),
      on('visibilitychange', () => this.#onVisibility()),
      on('online', () => {
        this.#mux.hurry();
        for (const feed of this.feeds) feed.retry();
      }),
    );
  }

  /** @param {string | null} key @param {any} value */
  #onStorage(key, value) {
    if (this.#resting) return;
    const tab = key && tabOf(key);
    // Cleared: the master writes the lease again, and on seeing it each tab its key.
    if (key === null || key === 'lease') this.#elector?.send('lease');
    else if (key === 'ping') this.#elector?.send('ping');
    else if (key.startsWith(LOG)) this.#onLog(value);
    // Only a foreign script, or a master that waited in vain, writes this tab's own key.
    else if (tab === this.id) this.announce();
    else if (tab && this.#elector?.leads) this.#onTab(tab, value);
  }

  /** @param {any} value */
  #onLog(value) {
    const batch = readBatch(value);
    if (!batch) return;
    this.#channel?.note(batch);
    if (!this.#alone) this.feeds.take(batch);
  }

  /** The master hears of a tab. @param {string} tab @param {any} value */
  #onTab(tab, value) {
    const before = this.#roster?.count;
    const demands = this.#roster?.note(tab, value);
    if (demands) this.#mux.demands.set(tab, demands, this.#channel?.read() ?? []);
    else this.#mux.demands.drop(tab);
    this.#mux.changed();
    if (this.#roster?.complete) this.#mux.flush();
    // While a roll call is being answered, one word for all of it: each write is an event in every tab.
    if (before !== this.#roster?.count && this.#roster?.complete) this.#tell();
  }

  /** @param {number} term */
  #onLead(term) {
    const store = this.#store;
    if (!store) return;
    this.#channel?.rewind();
    const answered = this.#roster?.lead(term, this.#env.now(), this.#told.before(this.id)) ?? [];
    for (const { tab, key } of answered) this.#onTab(tab, key);
    this.#announced = '';
    this.#readLease();
    this.#mux.lead({ term, browser: this.#browser(store) });
    if (this.#roster?.complete) this.#mux.flush();
  }

  /** Once after each of the election's steps. */
  #onStep() {
    const { phase } = this.#elector?.state ?? {};
    if (phase === 'alone' && !this.#alone) {
      this.#reason = 'localStorage takes nothing in: it is full';
      this.#goAlone();
    } else if (phase !== 'alone' && this.#alone && this.#store) {
      this.#alone = false;
      this.#mux.stop();
      this.announce();
    }
    this.#readLease();
    // What this changes, the next beat tells.
    if (this.#elector?.leads) for (const tab of this.#roster?.tend(this.#env.now()) ?? []) this.#mux.demands.drop(tab);
    this.#changed();
  }

  /** Takes in what the lease tells: whose it is, and the facts besides. */
  #readLease() {
    const phase = this.#elector?.state.phase;
    this.#followed = phase === 'following' || (this.#followed && phase !== 'resting');
    if (!this.#told.hear(this.#store?.get('lease'), this.#env.wall()) || this.#resting || this.#alone) return;
    if (this.#announced !== this.#told.call || !this.#roster?.listed) this.announce();
    const { head } = this.#told.facts;
    if (this.#channel && head > this.#channel.head) {
      this.#channel.head = head;
      if (this.feeds.catchUp()) this.announce();
    }
  }

  /** @returns {import('./facts.js').LeaseFacts} */
  #facts() {
    return {
      head: this.#channel?.head ?? 0,
      tabs: this.#count,
      roll: this.#roster?.roll ?? 0,
      since: this.#since(),
      connection: this.#mux.connection,
      problem: this.#mux.problem,
    };
  }

  /** Since when this tab has the term that it writes: the first lease of a term tells it, too. */
  #since() {
    const term = this.#elector?.state.term ?? 0;
    if (term !== this.#own.term) this.#own = { term, since: this.#env.wall() };
    return this.#own.since;
  }

  /** @param {Batch} batch */
  #publish(batch) {
    const stored = this.#alone || !this.#channel || this.#channel.publish(batch);
    this.feeds.take(batch);
    if (!stored) this.#elector?.send('full');
  }

  /** @param {number} times */
  #onSuperseded(times) {
    if (times >= SAME_BROWSER) this.#store?.remove('browser');
    this.#elector?.send('superseded');
  }

  /** @param {Store} store  @returns {string} a secret of 128 bits; the server keeps one poll for each */
  #browser(store) {
    const known = store.get('browser');
    if (typeof known === 'string' && /^[0-9a-f]{32}$/.test(known)) return known;
    const made = this.#env.secret(16);
    store.set('browser', made);
    return made;
  }

  #goAlone() {
    this.#alone = true;
    this.#mux.stop();
    this.#mux.lead(null);
    this.announce();
    this.#changed();
  }

  #onVisibility() {
    if (this.#resting) return;
    this.#elector?.send(this.#env.visible() ? 'visible' : 'hidden');
    if (this.#alone) this.#mux.hurry();
    else this.announce();
    this.#changed();
  }

  #rest() {
    if (this.#resting) return;
    this.#resting = true;
    this.#elector?.send('rest', this.#roster?.heir);
    this.#roster?.leave();
    this.#mux.stop();
    for (const feed of this.feeds) feed.rest();
    this.#changed();
  }

  #wake() {
    if (!this.#resting) return;
    this.#resting = false;
    if (this.#elector && this.#elector.state.phase !== 'alone') {
      this.#elector.send('wake');
      this.announce();
    } else this.#goAlone();
    for (const feed of this.feeds) feed.begin();
  }

  /** The lease tells others what has changed here. */
  #tell() {
    if (this.#elector?.leads) this.#elector.send('tell');
    else this.#changed();
  }

  /** @returns {Connection} */
  #connectionNow() {
    if (this.#resting) return 'connecting';
    const polled = this.#alone || this.#elector?.leads ? this.#mux.connection : this.#told.facts.connection;
    // Before the first poll, a list that fails is all there is to know.
    return polled === 'connecting' && this.#troubles.size > 0 ? 'offline' : polled;
  }

  /** How many tabs share this tab's poll, while it leads. */
  get #count() {
    return this.#roster?.count ?? 1;
  }

  #changed() {
    const connection = this.#connectionNow();
    if (connection !== this.#connection) {
      this.#connection = connection;
      for (const feed of this.feeds) feed.onConnection(connection);
    }
    this.#onState();
  }
}
