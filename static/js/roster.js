/**
 * Which tabs there are. Each has a key of its own that says what it wants and where it stands,
 * written when that changes, and when the master calls the roll: at the start of a term, and now and
 * then after that. Who does not answer is gone, and so is its key.
 */
import { readDemands } from './demand.js';
import { isCount } from './lease.js';

/**
 * @typedef {import('./types.js').Demand} Demand
 *
 * @typedef {object} TabKey
 * @property {number} n        counts the writes, so that each of them fires an event
 * @property {number} term     the roll call that it answers
 * @property {number} roll
 * @property {boolean} visible
 * @property {Demand[]} subs
 */

const KEY = 'tab:';
/** ms between roll calls: tabs that crashed are counted for so long. */
const ROLL_MS = 300_000;
/** ms to answer one. */
const ANSWER_MS = 10_000;

export class Roster {
  #store;
  #tab;
  #n = 0;
  #calledAt = 0;
  #swept = false;
  /** @type {Set<string>} */
  #awaited = new Set();
  /** In the order in which they were heard of. @type {Map<string, TabKey>} */
  #present = new Map();
  /** The number of the last roll call of this term. */
  roll = 0;

  /**
   * @param {import('./storage.js').Store} store
   * @param {string} tab
   */
  constructor(store, tab) {
    this.#store = store;
    this.#tab = tab;
  }

  /** How many tabs have answered, this one with them. */
  get count() {
    return Math.max(1, this.#present.size);
  }

  /** A visible tab other than this one, the last that was heard of. @returns {string | null} */
  get visibleOther() {
    return this.#others.find(([, { visible }]) => visible)?.[0] ?? null;
  }

  /** Who shall lead when this tab goes: the likeliest to live. @returns {string | null} */
  get heir() {
    return this.visibleOther ?? this.#others[0]?.[0] ?? null;
  }

  /** Whether every tab that was expected has answered. */
  get complete() {
    return this.#awaited.size === 0;
  }

  /**
   * Writes this tab's key.
   * @param {Omit<TabKey, 'n'>} key
   * @returns {boolean} false if storage is full
   */
  announce(key) {
    this.#n += 1;
    return this.#store.set(KEY + this.#tab, { n: this.#n, ...key });
  }

  /** Whether this tab's key is where it should be: a script of this very tab may have cleared storage. */
  get listed() {
    return this.#store.get(KEY + this.#tab) !== null;
  }

  leave() {
    this.#store.remove(KEY + this.#tab);
  }

  /**
   * This tab leads: the lease with its term is the roll call. Without locks it was a claim first, and
   * some have answered already.
   * @param {number} term
   * @param {number} now
   * @param {string | null} previous  the last master, which may have died without removing its key: it
   *   counts if it has answered, and is not waited for
   * @returns {{ tab: string, key: any }[]} who has answered, and how
   */
  lead(term, now, previous) {
    this.roll = 0;
    this.#calledAt = now;
    this.#swept = false;
    this.#present.clear();
    const others = this.#keys().filter((tab) => tab !== this.#tab);
    this.#awaited = new Set(others.filter((tab) => tab !== previous));
    return others.map((tab) => ({ tab, key: this.#store.get(KEY + tab) })).filter(({ key }) => key?.term === term);
  }

  /**
   * A tab's key was written, or removed.
   * @param {string} tab
   * @param {any} value
   * @returns {Demand[] | null} what it wants; null if it is not among those that count
   */
  note(tab, value) {
    if (!value || !isCount(value.term) || !isCount(value.roll) || !Array.isArray(value.subs)) {
      this.#present.delete(tab);
      this.#awaited.delete(tab);
      return null;
    }
    this.#awaited.delete(tab);
    this.#present.delete(tab);
    this.#present.set(tab, value);
    return readDemands(value.subs);
  }

  /**
   * Now and then: calls the roll, and later removes who has not answered.
   * @param {number} now
   * @returns {string[]} the tabs that are gone
   */
  tend(now) {
    if (now - this.#calledAt >= ROLL_MS) {
      this.roll += 1;
      this.#calledAt = now;
      this.#swept = false;
    }
    if (this.#swept || now - this.#calledAt < ANSWER_MS) return [];
    this.#swept = true;
    // Both: a key may have been cleared away while its tab was dying.
    const tabs = new Set([...this.#keys(), ...this.#present.keys()]);
    const gone = [...tabs].filter((tab) => tab !== this.#tab && this.#present.get(tab)?.roll !== this.roll);
    for (const tab of gone) {
      this.#store.remove(KEY + tab);
      this.#present.delete(tab);
    }
    this.#awaited.clear();
    return gone;
  }

  /** The last that was heard of first. */
  get #others() {
    return [...this.#present].filter(([tab]) => tab !== this.#tab).reverse();
  }

  #keys() {
    return this.#store.keys(KEY).map((key) => key.slice(KEY.length));
  }
}

/** The tab whose key this is, or null. @param {string} key */
export function tabOf(key) {
  return key.startsWith(KEY) ? key.slice(KEY.length) : null;
}
