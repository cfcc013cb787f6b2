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
 * @typedef {object} Host
 * @property {() => Batch[]} log        what the log still has
 * @property {() => void} onMoved       follow the log, and say where the feeds stand
 */

export class Feeds {
  #env;
  #url;
  #host;
  /** @type {Set<Feed>} */
  #feeds = new Set();
  #failures = 0;
  #asking = false;

  /**
   * @param {import('./env.js').Env} env
   * @param {string} endpoint
   * @param {Host} host
   */
  constructor(env, endpoint, host) {
    this.#env = env;
    this.#url = `${endpoint}notify`;
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
    return [...this.#feeds].flatMap(({ id, table, where, at, fetching }) =>
      at === null || fetching ? [] : [{ id, table, since: at, ...(where && { where }) }],
    );
  }

  /**
   * Hands a batch out. All feeds take it in before the first listener hears of it: an answer is a
   * whole number of transactions, and a page with two tables never sees half of one.
   * @param {Batch} batch
   */
  take(batch) {
    const { gap, news } = this.#takeIn(batch);
    for (const feed of news) feed.tell();
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
      if (feed.at === null || feed.fetching) continue;
      const steps = path(log, feed.id, feed.at);
      for (const batch of steps) this.#lead(feed, batch) && feed.tell();
      behind ||= steps.length === 0;
    }
    this.#fetchLeftOut();
    return behind;
  }

  /** @param {Batch} batch */
  #takeIn(batch) {
    /** @type {Feed[]} */
    const news = [];
    let gap = false;
    for (const feed of [...this.#feeds]) {
      const problem = batch.refused?.[feed.id];
      if (problem) feed.refuse(problem);
      if (feed.at === null || feed.fetching) continue;
      if (leadsOn(batch, feed.id, feed.at)) this.#lead(feed, batch) && news.push(feed);
      else gap ||= !batch.refused && feed.at !== batch.to && !starts(batch, feed.id).some((cursor) => feed.hasLeft(cursor));
    }
    return { gap, news };
  }

  /**
   * @param {Feed} feed @param {Batch} batch
   * @returns {boolean} whether the feed has something to tell
   */
  #lead(feed, batch) {
    const entry = feed.at === null || feed.fetching ? null : leadsOn(batch, feed.id, feed.at);
    if (entry === null) return false;
    if (batch.answers === null && batch.told?.includes(entry)) {
      feed.fetching = true;
      return false;
    }
    return feed.advance(batch.to, batch.answers?.find(({ id }) => id === entry) ?? null);
  }

  /** Gets from the server itself what was too large for the log, or must not lie there. */
  async #fetchLeftOut() {
    const waiting = [...this.#feeds].filter((feed) => feed.fetching && feed.at !== null);
    if (waiting.length === 0 || this.#asking) return;
    this.#asking = true;
    const subscriptions = waiting.map(({ id, table, where, at }, n) => ({ id: entryId(id, n), table, since: at ?? '', ...(where && { where }) }));
    const outcome = await poll(this.#env, this.#url, { wait: 0, subscriptions });
    this.#asking = false;
    if (outcome.kind === 'answer') {
      this.#failures = 0;
      const news = waiting.filter((feed, n) => {
        // Closed or opened anew while the answer was on its way.
        if (!feed.fetching || feed.at !== subscriptions[n]?.since) return false;
        feed.fetching = false;
        return feed.advance(outcome.cursor, outcome.answers.find(({ id }) => id === subscriptions[n]?.id) ?? null);
      });
      for (const feed of news) feed.tell();
      this.#host.onMoved();
    } else if (outcome.kind === 'problem' && isFinal(outcome.problem)) {
      for (const feed of waiting) feed.refuse(outcome.problem);
    } else if (outcome.kind === 'problem') {
      this.#failures += 1;
      this.#env.setTimeout(() => this.#fetchLeftOut(), backoff(this.#failures, this.#env.random(), outcome.retryAfterMs));
    }
  }
}

/** @param {Batch} batch @param {string} subscription */
function starts(batch, subscription) {
  return Object.keys(batch.from).filter((entry) => subscriptionOf(entry) === subscription).map((entry) => batch.from[entry] ?? '');
}
