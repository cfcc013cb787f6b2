/**
 * The master's poll: one for all tabs, one after the other, for as long as this tab leads.
 */
import { backoff } from './backoff.js';
import { Demands } from './demand.js';
import { subscriptionOf } from './filter.js';
import { poll } from './poll.js';
import { isFinal, isSuperseded } from './problem.js';

/**
 * @typedef {import('./types.js').Batch} Batch
 * @typedef {import('./types.js').Entry} Entry
 * @typedef {import('./types.js').Problem} Problem
 * @typedef {import('./types.js').Connection} Connection
 *
 * @typedef {{ browser: string, term: number } | null} Identity  null: a tab that polls for itself
 *
 * @typedef {object} Host
 * @property {() => boolean} mayPublish  whether this tab still leads
 * @property {(batch: Batch) => void} publish
 * @property {() => void} onChunk
 * @property {() => void} onAnswer       an answer has been handed out; no poll is open
 * @property {(times: number) => void} onSuperseded  so many times in a row
 * @property {() => void} onRefused      the server will not have this browser's id with this term
 * @property {() => boolean} company     whether other tabs live by this poll
 * @property {() => boolean} sparse      ask now and then, hold no connection
 * @property {() => boolean} exact       whether timers run when they are due: those of hidden pages run once a second
 * @property {() => boolean} watched     whether somebody looks at this tab or another
 * @property {() => void} onConnection
 */

const WAIT_SECONDS = 30;
/** Seconds. In company the master's beat rides on these; a lone tab spares the server. */
const HEARTBEAT = 2;
const LONE_HEARTBEAT = 15;
/** ms: subscriptions that come so close together go into one poll. */
const TOGETHER = 20;
/** ms between the questions of a hidden tab that polls for itself. */
const SPARSE = 60_000;
/**
 * More answers than this within a second, and the next poll waits a little, so that changes gather. Where
 * that would become a second under somebody's eyes, their way through the network is pace enough: a
 * hidden master yields to a visible tab within a minute.
 */
const BRISK = 20;
const PACE = 40;
/**
 * ms that the other tabs get to hear of an answer before the next poll is sent, which takes as much of the machine as they do: they all
 * hear sooner, and a change that comes meanwhile goes with that poll.
 */
const HEAD_START = 5;
/** ms that a poll after failures must stay open before the server counts as back. */
const STEADY = 500;

export class Mux {
  #env;
  #url;
  #host;
  #tab;
  /** @type {Identity | undefined} undefined: this tab does not poll */
  #identity = undefined;
  /** @type {{ controller: AbortController, covers: Set<string>, heartbeat: number } | null} */
  #open = null;
  /** @type {any} */
  #timer = null;
  /** What the timer stands for: a short gathering, or a wait that may be cut short. @type {'gather' | 'later' | null} */
  #pending = null;
  #failures = 0;
  #superseded = 0;
  /** @type {number[]} */
  #answeredAt = [];

  demands = new Demands();
  /** @type {Connection} */
  connection = 'connecting';
  /** @type {import('./types.js').ShownProblem | null} */
  problem = null;

  /**
   * @param {import('./env.js').Env} env
   * @param {string} endpoint  ends with a slash
   * @param {string} tab
   * @param {Host} host
   */
  constructor(env, endpoint, tab, host) {
    this.#env = env;
    this.#url = `${endpoint}notify`;
    this.#tab = tab;
    this.#host = host;
  }

  /** Begins to poll, or goes on under another term. @param {Identity} identity */
  lead(identity) {
    const already = this.#identity !== undefined;
    this.#identity = identity;
    if (already) return;
    this.#failures = 0;
    this.changed();
  }

  /** Ends the poll; what it would have brought, the next master gets from the same cursor. */
  stop() {
    this.#identity = undefined;
    this.#end();
    this.demands.clear();
    this.#say('connecting', null);
  }

  /** What is wanted may have changed. An open poll goes on if it covers that. */
  changed() {
    if (this.#identity === undefined || this.#pending) return;
    const wanted = this.demands.entries();
    const covered = this.#open && wanted.every((entry) => this.#open?.covers.has(place(entry)));
    if (covered && (this.#open?.heartbeat ?? 0) <= this.#heartbeat()) return;
    this.#wait('gather', TOGETHER);
  }

  /** Everything wanted is known: no need to gather on. */
  flush() {
    if (this.#pending === 'gather') this.#run();
  }

  /** Now rather than later: the network is back, or somebody looks. A poll that seems open may be dead. */
  hurry() {
    if (this.#identity !== undefined) this.#run();
  }

  /** Tries again at once if it is waiting to. */
  retry() {
    if (this.#pending === 'later') this.#run();
  }

  async #run() {
    this.#end();
    const subscriptions = this.demands.entries();
    if (this.#identity === undefined || subscriptions.length === 0) return;
    const sparse = this.#host.sparse();
    const heartbeat = this.#heartbeat();
    const controller = new AbortController();
    const open = { controller, heartbeat, covers: new Set(subscriptions.map(place)) };
    this.#open = open;
    const outcome = await poll(
      this.#env,
      this.#url,
      { ...this.#identity, ...(sparse ? { wait: 0 } : { wait: WAIT_SECONDS, heartbeat }), subscriptions },
      { signal: controller.signal, onChunk: () => this.#open === open && this.#onChunk(open) },
    );
    if (this.#open !== open) return;
    this.#open = null;
    if (outcome.kind === 'answer') this.#onAnswer(subscriptions, outcome);
    else if (outcome.kind === 'problem') await this.#onProblem(subscriptions, outcome.problem, outcome.retryAfterMs);
  }

  /** @param {object} open */
  #onChunk(open) {
    const steady = () => this.#open === open && this.#say('online', null);
    if (this.#failures === 0) steady();
    // The head comes before the server has asked its database: after failures it proves little.
    else if (this.connection !== 'online') this.#env.setTimeout(steady, STEADY);
    this.#host.onChunk();
  }

  /** @param {Entry[]} entries @param {import('./poll.js').Answered} outcome */
  #onAnswer(entries, { cursor, answers, retryAfterMs }) {
    // The lease is read again: a tab that slept may have lost it, and then another has asked already.
    if (!this.#host.mayPublish()) return;
    this.#failures = 0;
    this.#superseded = 0;
    this.#say('online', null);
    const from = Object.fromEntries(entries.map(({ id, since }) => [id, since]));
    const batch = this.#batch({ from, to: cursor, answers });
    this.demands.advance(batch);
    if (answers.length > 0 || entries.some(({ since }) => since !== cursor)) this.#host.publish(batch);
    this.#host.onAnswer();
    if (this.#identity === undefined) return;
    if (this.#host.sparse()) this.#wait('later', SPARSE);
    else if (retryAfterMs !== null) this.#wait('later', retryAfterMs);
    else if (this.#brisk() && (this.#host.exact() || !this.#host.watched())) this.#wait('gather', PACE);
    else if (this.#host.company() && this.#host.exact()) this.#wait('gather', HEAD_START);
    else this.#run();
  }

  /** @param {Entry[]} entries @param {Problem} problem @param {number | null} retryAfterMs */
  async #onProblem(entries, problem, retryAfterMs) {
    if (isSuperseded(problem)) {
      this.#superseded += 1;
      this.#host.onSuperseded(this.#superseded);
      if (this.#identity !== undefined) this.#wait('later', backoff(this.#superseded, this.#env.random()));
      return;
    }
    if (isFinal(problem) && (await this.#isolate(entries, problem))) return;
    if (this.#identity === undefined || this.#open) return;
    // No subscription is at fault.
    if (isFinal(problem) && this.#identity) this.#host.onRefused();
    this.#failures += 1;
    const ms = backoff(this.#failures, this.#env.random(), retryAfterMs);
    this.#say('offline', { title: problem.title, detail: problem.detail ?? '', retryAt: this.#env.wall() + ms });
    this.#wait('later', ms);
  }

  /**
   * One subscription that cannot be served must not silence the others: each is tried alone, and the
   * tabs are told which ones were refused.
   * @param {Entry[]} entries
   * @param {Problem} problem
   * @returns {Promise<boolean>} whether there is no more to be done about the problem
   */
  async #isolate(entries, problem) {
    const open = { controller: new AbortController(), covers: new Set(entries.map(place)), heartbeat: HEARTBEAT };
    this.#open = open;
    const refused = /** @type {Record<string, Problem>} */ ({});
    for (const entry of entries) {
      // Alone, and in nobody's name, it has been tried already.
      if (entries.length === 1 && !this.#identity) refused[entry.id] = problem;
      else {
        const outcome = await poll(this.#env, this.#url, { wait: 0, subscriptions: [entry] }, { signal: open.controller.signal });
        if (this.#open !== open) return true;
        if (outcome.kind === 'problem' && isFinal(outcome.problem)) refused[subscriptionOf(entry.id)] = outcome.problem;
      }
    }
    this.#open = null;
    if (Object.keys(refused).length === 0) return false;
    if (!this.#host.mayPublish()) return true;
    for (const id of Object.keys(refused)) this.demands.refuse(id);
    this.#host.publish(this.#batch({ from: {}, to: '', answers: [], refused }));
    this.#run();
    return true;
  }

  /** @param {Pick<Batch, 'from' | 'to' | 'answers' | 'refused'>} what  @returns {Batch} */
  #batch(what) {
    return { id: 0, term: this.#identity?.term ?? 0, tab: this.#tab, ...what };
  }

  #heartbeat() {
    return this.#host.company() ? HEARTBEAT : LONE_HEARTBEAT;
  }

  #brisk() {
    const now = this.#env.now();
    this.#answeredAt = [...this.#answeredAt, now].slice(-BRISK);
    return this.#answeredAt.length === BRISK && now - (this.#answeredAt[0] ?? 0) < 1000;
  }

  /** @param {'gather' | 'later'} why @param {number} ms */
  #wait(why, ms) {
    this.#env.clearTimeout(this.#timer);
    this.#pending = why;
    this.#timer = this.#env.setTimeout(() => this.#run(), ms);
  }

  #end() {
    this.#env.clearTimeout(this.#timer);
    this.#pending = null;
    const open = this.#open;
    this.#open = null;
    open?.controller.abort();
  }

  /** @param {Connection} connection @param {import('./types.js').ShownProblem | null} problem */
  #say(connection, problem) {
    if (this.connection === connection && this.problem === problem) return;
    this.connection = connection;
    this.problem = problem;
    this.#host.onConnection();
  }
}

/** @param {Entry} entry */
function place({ id, since }) {
  return `${subscriptionOf(id)} ${since}`;
}
