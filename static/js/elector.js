/**
 * The shell around election.js: reads and writes the lease, holds the lock, keeps the timer, and
 * turns what happens to the page into events.
 */
import { initial, leads, step } from './election.js';
import { readLease } from './lease.js';

/**
 * @typedef {import('./election.js').EventType} EventType
 * @typedef {import('./election.js').Effect} Effect
 *
 * @typedef {object} Host
 * @property {() => object} facts       what the lease tells besides
 * @property {() => boolean} company    whether there are other tabs
 * @property {(term: number) => void} onLead  this tab leads from now on, or goes on with a higher term
 * @property {() => void} onStandDown
 * @property {() => void} onStep        the state may have changed
 */

export class Elector {
  #env;
  #store;
  #host;
  #lock;
  state;

  /**
   * @param {import('./env.js').Env} env
   * @param {import('./storage.js').Store} store
   * @param {string} tab
   * @param {Host} host
   */
  constructor(env, store, tab, host) {
    this.#env = env;
    this.#store = store;
    this.#host = host;
    this.#lock = env.locks && new Lock(env.locks, 'rowcast:' + store.scope, (type) => this.send(type));
    this.state = initial(tab, { locks: env.locks !== null, visible: env.visible(), now: env.now() });
    /** @type {any} */
    this.timer = null;
  }

  get leads() {
    return leads(this.state);
  }

  /** Reads the lease again: whether this tab may still speak for all. */
  check() {
    const lease = this.leads ? readLease(this.#store.get('lease')) : null;
    // As a rule nobody else has written it, and there is nothing to decide: followers wait for what comes after this.
    if (lease?.tab !== this.state.tab || lease.term !== this.state.term) this.send('lease');
    return this.leads;
  }

  /**
   * @param {EventType} type
   * @param {string | null} [heir]  who shall lead next, if this tab is to go
   */
  send(type, heir = null) {
    const before = this.state;
    const { state, effects } = step(before, {
      type,
      heir,
      now: this.#env.now(),
      random: this.#env.random(),
      lease: readLease(this.#store.get('lease')),
      company: this.#host.company(),
    });
    this.state = state;
    const written = effects.map((effect) => this.#perform(effect)).every(Boolean);
    this.#arm();
    if (leads(before) && !leads(state)) this.#host.onStandDown();
    if (leads(state) && (!leads(before) || before.term !== state.term)) this.#host.onLead(state.term);
    this.#host.onStep();
    if (!written && this.state.phase !== 'alone') this.send('full');
  }

  /** @param {Effect} effect  @returns {boolean} false if storage refused it */
  #perform(effect) {
    if (effect.type === 'write') return this.#store.set('lease', { ...effect.lease, ...this.#host.facts() });
    // An equal value would fire no event.
    if (effect.type === 'ping') return this.#store.set('ping', this.#env.secret(8));
    this.#lock?.[effect.how]();
    return true;
  }

  #arm() {
    const { dueAt } = this.state;
    this.#env.clearTimeout(this.timer);
    this.timer = dueAt === Infinity ? null : this.#env.setTimeout(() => this.send('timer'), Math.max(0, dueAt - this.#env.now()));
  }
}

/** One Web Lock. What becomes of an earlier request is of no interest once there is a newer one. */
class Lock {
  #locks;
  #name;
  #tell;
  /** @type {{ controller: AbortController, held: boolean, letGo: () => void } | null} */
  #request = null;

  /**
   * @param {import('./env.js').Locks} locks
   * @param {string} name
   * @param {(type: 'granted' | 'lost' | 'lockless') => void} tell
   */
  constructor(locks, name, tell) {
    this.#locks = locks;
    this.#name = name;
    this.#tell = tell;
  }

  queue() {
    this.#start(false);
  }

  steal() {
    this.#start(true);
  }

  release() {
    const request = this.#request;
    this.#request = null;
    request?.letGo();
    request?.controller.abort();
  }

  /** @param {boolean} steal */
  #start(steal) {
    this.release();
    const controller = new AbortController();
    const request = { controller, held: false, letGo: () => {} };
    this.#request = request;
    const hold = () => {
      if (this.#request !== request) return Promise.resolve();
      request.held = true;
      /** @type {Promise<void>} */
      const untilLetGo = new Promise((resolve) => (request.letGo = resolve));
      this.#tell('granted');
      return untilLetGo;
    };
    // A signal and `steal` exclude each other; a steal is granted at once.
    this.#locks.request(this.#name, steal ? { steal } : { signal: controller.signal }, hold).catch(() => {
      if (this.#request !== request) return;
      this.#request = null;
      this.#tell(request.held ? 'lost' : 'lockless');
    });
  }
}
