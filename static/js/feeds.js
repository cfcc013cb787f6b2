/**
 * All feeds of this tab, and the rule by which batches reach them.
 *
 * **Invariant:** a feed takes a batch only if it stands where the batch starts, and then stands where
 * it ends. So nothing is lost and nothing comes twice, whoever polled, and in whatever order batches
 * arrive. A feed that a batch passes by looks into the log; if that does not lead on either, the tab
 * says where it stands, and the master asks the server from there.
 */
import { backoff } from './backoff.js';
import { leadsOn, path } from './channel.js';
import { entryId, subscriptionOf } from './filter.js';
import { poll } from './poll.js';
import { isFinal } from './problem.js';

/**
 * @typedef {import('./feed.js').Feed} Feed
 * @typedef {import('./types.js').Batch} Batch
 * @typedef {import('./types.js').Demand} Demand
 *
 * @typedef {object} Step
 * @property {Feed} feed
 * @property {string | null} from
 * @property {string} to
 * @property {import('./types.js').Answer | null} answer
 *
 * @typedef {object} Host
 * @property {() => Batch[]} log        what the log still has
 * @property {() => void} onMoved       follow the log, and say where the feeds stand
 */

/** ms that fetching rows for a batch may take; after that the feed lists anew. */
const FETCH_MS = 30_000;
/** The answer in place of one that cannot be taken. */
const RESET = { id: '', reset: true };

export class Feeds {
  #env;
  #endpoint;
  #host;
  /** @type {Set<Feed>} */
  #feeds = new Set();
  #failures = 0;
  #asking = false;

  /**
   * @param {import('./env.js').Env} env
   * @param {string} endpoint  ends with a slash
   * @param {Host} host
   */
  constructor(env, endpoint, host) {
    this.#env = env;
    this.#endpoint = endpoint;
    this.#host = host;
  }

  /** @returns {Iterator<Feed>} */
  [Symbol.iterator]() {
    return this.#feeds.values();
  }

  /** @param {Feed} feed */
  add(feed) {
    this.#feeds.add(feed);
  }

  /** @param {Feed} feed */
  remove(feed) {
    this.#feeds.delete(feed);
  }

  /** What this tab wants, and where it stands. @returns {Demand[]} */
  demands() {
    return [...this.#feeds].flatMap(({ id, table, where, at, awaiting }) =>
      at === null || awaiting ? [] : [{ id, table, since: at, ...(where && { where }) }],
    );
  }

  /**
   * Hands a batch out. All feeds take it in before the first listener hears of it: an answer is a
   * whole number of transactions, and a page with two tables never sees half of one.
   * @param {Batch} batch
   */
  take(batch) {
    for (const feed of [...this.#feeds]) {
      const problem = batch.refused?.[feed.id];
      // What is being listed right now is shown first: its own turn to be refused comes.
      if (problem && feed.at !== null) feed.refuse(problem);
    }
    const free = [...this.#feeds].filter((feed) => feed.at !== null && !feed.awaiting);
    const steps = free.flatMap((feed) => this.#stepOf(feed, batch) ?? []);
    const gap = !batch.refused && free.some((feed) => passesBy(batch, feed));
    this.#go(steps);
    this.#fetchLeftOut();
    if (gap) this.#host.onMoved();
  }

  /**
   * Follows the log from where each feed stands.
   * @returns {boolean} whether some are not led on: then the master must be told where they stand
   */
  catchUp() {
    const log = this.#host.log();
    let behind = false;
    for (const feed of this.#feeds) {
      if (feed.at === null || feed.awaiting) continue;
      const steps = path(log, feed.id, feed.at);
      for (const batch of steps) this.#go(this.#stepOf(feed, batch) ?? []);
      behind ||= steps.length === 0;
    }
    this.#fetchLeftOut();
    return behind;
  }

  /**
   * @param {Feed} feed @param {Batch} batch
   * @returns {Step[] | null} null if the batch does not lead this feed on, or without its content
   */
  #stepOf(feed, batch) {
    const entry = feed.at === null || feed.awaiting ? null : leadsOn(batch, feed.id, feed.at);
    if (entry === null) return null;
    if (batch.answers === null && batch.told?.includes(entry)) {
      feed.awaiting = 'left out';
      return null;
    }
    return [{ feed, from: feed.at, to: batch.to, answer: batch.answers?.find(({ id }) => id === entry) ?? null }];
  }

  /**
   * Steps that belong together: what they tell is shown together, if need be after rows were fetched.
   * @param {Step[]} steps
   */
  #go(steps) {
    const prepared = steps.map((step) => ({ step, state: prepare(step) }));
    const lacking = prepared.filter(({ state }) => state === 'lacking').map(({ step }) => step);
    const ready = prepared.filter(({ step, state }) => state !== 'lacking' && (lacking.length === 0 || !step.answer)).map(({ step }) => step);
    const held = steps.filter((step) => !ready.includes(step));
    for (const step of held) step.feed.awaiting = step;
    finish(ready);
    if (held.length > 0) this.#fetchRows(held, lacking);
  }

  /**
   * Until the rows are there, none of these feeds takes anything else; where they cannot be had as
   * they were, a feed lists anew.
   * @param {Step[]} held @param {Step[]} lacking  those of them that lack rows
   */
  async #fetchRows(held, lacking) {
    const limit = new AbortController();
    const timer = this.#env.setTimeout(() => limit.abort(), FETCH_MS);
    await Promise.all(
      lacking.map(async (step) => {
        const state = await step.feed.complete(this.#env, this.#endpoint, limit.signal);
        if (state === 'lost') step.answer = RESET;
      }),
    );
    this.#env.clearTimeout(timer);
    // A feed that was closed or refused meanwhile stands elsewhere by now.
    const still = held.filter((step) => step.feed.awaiting === step);
    for (const { feed } of still) feed.awaiting = null;
    finish(still);
    if (still.length > 0) this.#host.onMoved();
  }

  /** Gets from the server itself what was too large for the log, or must not lie there. */
  async #fetchLeftOut() {
    const waiting = [...this.#feeds].filter((feed) => feed.awaiting === 'left out');
    if (waiting.length === 0 || this.#asking) return;
    this.#asking = true;
    const subscriptions = waiting.map(({ id, table, where, at }, n) => ({ id: entryId(id, n), table, since: at ?? '', ...(where && { where }) }));
    const outcome = await poll(this.#env, `${this.#endpoint}notify`, { wait: 0, subscriptions });
    this.#asking = false;
    if (outcome.kind === 'answer') {
      this.#failures = 0;
      const steps = waiting.flatMap((feed, n) => {
        const asked = subscriptions[n];
        // Closed or opened anew while the answer was on its way.
        if (feed.awaiting !== 'left out' || !asked || feed.at !== asked.since) return [];
        feed.awaiting = null;
        return [{ feed, from: feed.at, to: outcome.cursor, answer: outcome.answers.find(({ id }) => id === asked.id) ?? null }];
      });
      this.#go(steps);
      this.#host.onMoved();
    } else if (outcome.kind === 'problem' && isFinal(outcome.problem)) {
      for (const feed of waiting) feed.awaiting === 'left out' && feed.refuse(outcome.problem);
    } else if (outcome.kind === 'problem') {
      this.#failures += 1;
      this.#env.setTimeout(() => this.#fetchLeftOut(), backoff(this.#failures, this.#env.random(), outcome.retryAfterMs));
    }
  }
}

/** @param {Step} step  @returns {import('./feed.js').Prepared} */
function prepare(step) {
  const { feed, answer } = step;
  if (!answer || answer.reset) return 'ready';
  const state = feed.prepare(answer.changes ?? []);
  if (state === 'lost') step.answer = RESET;
  return state;
}

/**
 * All take in, then all tell. Resets come last: they make the tab say where its feeds stand, and look
 * into the log, which may lead a feed on that has not told yet.
 * @param {Step[]} steps
 */
function finish(steps) {
  const go = (/** @type {Step} */ { feed, from, to, answer }) => feed.at === from && feed.advance(to, answer);
  const resets = steps.filter(({ answer }) => answer?.reset);
  const news = steps.filter((step) => !step.answer?.reset && go(step));
  for (const { feed } of news) feed.tell();
  for (const step of resets) go(step);
}

/** Whether there is a gap between where the feed stands and where the batch starts. @param {Batch} batch @param {Feed} feed */
function passesBy(batch, feed) {
  if (feed.at === batch.to || feed.at === null || leadsOn(batch, feed.id, feed.at)) return false;
  return !starts(batch, feed.id).some((cursor) => feed.hasLeft(cursor));
}

/** @param {Batch} batch @param {string} subscription */
function starts(batch, subscription) {
  return Object.keys(batch.from).filter((entry) => subscriptionOf(entry) === subscription).map((entry) => batch.from[entry] ?? '');
}
