/**
 * One stream of changes into this tab: where it stands, how it is opened, what its owner sees of it.
 * Replica and Subscription say what to do with what arrives; feeds.js says when.
 */
import { backoff } from './backoff.js';
import { canonical, subscriptionId } from './filter.js';
import { print } from './json.js';
import { isFinal } from './problem.js';

/**
 * @typedef {import('./types.js').Answer} Answer
 * @typedef {import('./types.js').Problem} Problem
 * @typedef {import('./types.js').Connection} Connection
 * @typedef {import('./env.js').Env} Env
 *
 * @typedef {import('./api.js').Status} Status
 *
 * @typedef {object} Host
 * @property {Env} env
 * @property {string} endpoint
 * @property {() => Connection} connection
 * @property {(feed: Feed) => void} onOpen     it stands at a cursor and wants to be led on
 * @property {(feed: Feed) => void} onClose    it stands nowhere for now, or for good
 * @property {(feed: Feed, problem: import('./types.js').ShownProblem | null) => void} onTrouble
 *
 * @typedef {'ready' | 'lacking' | 'lost'} Prepared
 *   lacking: something must be fetched first; lost: the feed must be opened anew
 *
 * @typedef {{ kind: 'ready', cursor: string }} Ready
 * @typedef {{ kind: 'problem', problem: Problem, retryAfterMs: number | null }} Failed
 */

/** How many cursors a feed remembers having left: batches that start there are old, not a gap. */
const REMEMBERED = 64;
/** ms until a request that was refused is tried again: what was wrong may have been put right. */
const REFUSED_MS = 30_000;
/** ms over which the tabs of one browser spread their lists after a reset; hidden ones take longer. */
const SPREAD_MS = 100;
const HIDDEN_SPREAD_MS = 1000;

/** Events: `status` whenever `status` or `error` changes; `change`, see the subclasses. */
export class Feed extends EventTarget {
  /** @type {string | null} the cursor reached so far */
  at = null;
  /**
   * A batch cannot be taken yet, and nothing else is taken until then. `left out`: it came without its
   * content; a step: rows are being fetched for it. @type {'left out' | object | null}
   */
  awaiting = null;
  /** @type {Status} */
  status = 'loading';
  /** @type {Problem | null} */
  error = null;

  closed = false;

  #host;
  /** @type {string[]} */
  #left = [];
  #failures = 0;
  /** @type {AbortController | null} */
  #opening = null;
  /** @type {any} */
  #timer = null;

  /**
   * @param {Host} host
   * @param {string} table
   * @param {import('./types.js').Where} [where]
   */
  constructor(host, table, where) {
    super();
    this.#host = host;
    this.table = table;
    this.where = canonical(where);
    this.id = subscriptionId(table, this.where);
  }

  /**
   * Gets what the feed starts from, and the cursor of that.
   * @param {Env} _env @param {string} _endpoint @param {AbortSignal} _signal
   * @returns {Promise<Ready | Failed | { kind: 'aborted' }>}
   */
  async open(_env, _endpoint, _signal) {
    throw new Error('a subclass opens');
  }

  /**
   * Works out what the changes come to, and takes nothing in yet.
   * @param {import('./types.js').Change[]} _changes
   * @returns {Prepared}
   */
  prepare(_changes) {
    return 'ready';
  }

  /**
   * Fetches what the prepared changes lack. Never throws.
   * @param {Env} _env @param {string} _endpoint @param {AbortSignal} _signal
   * @returns {Promise<Prepared>}
   */
  async complete(_env, _endpoint, _signal) {
    return 'ready';
  }

  /** Takes the changes in that were prepared, and tells nobody yet. @param {import('./types.js').Change[]} _changes */
  apply(_changes) {}

  /** Tells what has been taken in since the last time. */
  tell() {}

  /** Called at a reset, before the feed is opened anew. */
  onReset() {}

  /** Opens, or tries again. */
  begin() {
    if (this.closed || this.at !== null || this.#opening) return;
    this.#env.clearTimeout(this.#timer);
    this.#timer = null;
    const opening = new AbortController();
    this.#opening = opening;
    this.open(this.#env, this.#host.endpoint, opening.signal).then((outcome) => {
      if (this.#opening !== opening) return;
      this.#opening = null;
      if (outcome.kind === 'ready') this.#onReady(outcome.cursor);
      else if (outcome.kind === 'problem') this.#onProblem(outcome.problem, outcome.retryAfterMs);
    });
  }

  /** The server is there again: no need to wait longer. */
  retry() {
    if (this.#timer !== null && this.#failures > 0) this.#later(this.#env.random() * SPREAD_MS);
  }

  /** The page goes to sleep. What it holds stays, and so does its cursor. */
  rest() {
    this.#stop();
  }

  /** Stops for good. */
  close() {
    this.closed = true;
    this.#leave();
    this.#host.onTrouble(this, null);
    this.#host.onClose(this);
  }

  /**
   * Goes on to where an answer ends. Its changes have been prepared.
   * @param {string} to @param {Answer | null} answer  null: nothing changed
   * @returns {boolean} whether there is something to tell
   */
  advance(to, answer) {
    this.#left = [...this.#left, this.at ?? ''].slice(-REMEMBERED);
    this.at = to;
    if (answer?.reset) {
      this.#reset(answer.retry_after_ms ?? 0);
      return false;
    }
    if (!answer?.changes?.length) return false;
    this.apply(answer.changes);
    return true;
  }

  /** Whether the feed has been at this cursor and gone on. @param {string} cursor */
  hasLeft(cursor) {
    return this.#left.includes(cursor);
  }

  /** The server will not serve this. @param {Problem} problem */
  refuse(problem) {
    this.#leave();
    this.#host.onClose(this);
    this.#onProblem(problem, null);
  }

  /** @param {Connection} connection */
  onConnection(connection) {
    if (connection === 'offline' && this.status === 'live') this.#say('stale', this.error);
    if (connection === 'online' && this.status === 'stale' && this.at !== null) this.#say('live', null);
    if (connection === 'online') this.retry();
  }

  get #env() {
    return this.#host.env;
  }

  /** @param {string} cursor */
  #onReady(cursor) {
    this.#failures = 0;
    this.#left = [];
    this.at = cursor;
    this.#host.onTrouble(this, null);
    this.#say(this.#host.connection() === 'offline' ? 'stale' : 'live', null);
    this.tell();
    this.#host.onOpen(this);
  }

  /** @param {Problem} problem @param {number | null} retryAfterMs */
  #onProblem(problem, retryAfterMs) {
    const { env } = this.#host;
    this.#failures += 1;
    const refused = isFinal(problem);
    const ms = refused ? REFUSED_MS * (1 + env.random()) : backoff(this.#failures, env.random(), retryAfterMs);
    this.#later(ms);
    const { title, detail = '' } = problem;
    this.#host.onTrouble(this, refused ? null : { title, detail, retryAt: env.wall() + ms });
    this.#say(refused ? 'error' : this.status === 'loading' ? 'loading' : 'stale', problem);
  }

  /** @param {number} afterMs */
  #reset(afterMs) {
    this.#leave();
    this.#host.onClose(this);
    this.onReset();
    const spread = this.#env.visible() ? SPREAD_MS : HIDDEN_SPREAD_MS;
    this.#later(afterMs + this.#env.random() * spread);
  }

  /** @param {number} ms */
  #later(ms) {
    this.#env.clearTimeout(this.#timer);
    this.#timer = this.#env.setTimeout(() => this.begin(), ms);
  }

  /** It stands nowhere any more. */
  #leave() {
    this.#stop();
    this.at = null;
    this.awaiting = null;
  }

  #stop() {
    this.#env.clearTimeout(this.#timer);
    this.#timer = null;
    this.#opening?.abort();
    this.#opening = null;
  }

  /** @param {Status} status @param {Problem | null} error */
  #say(status, error) {
    if (this.status === status && print(this.error) === print(error)) return;
    this.status = status;
    this.error = error;
    this.dispatchEvent(new Event('status'));
  }
}
