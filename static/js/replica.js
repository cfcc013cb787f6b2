/**
 * A live copy of a table's rows: a list, then every change from the list's cursor on. A reset means
 * to list again.
 */
import { Feed } from './feed.js';
import { hold } from './held.js';
import { list } from './list.js';
import { merged, ordering } from './order.js';
import { pollNow } from './poll.js';
import { complete } from './whole.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./types.js').Change} Change
 * @typedef {import('./held.js').Item} Item
 * @typedef {import('./api.js').LiveOptions} LiveOptions
 * @typedef {import('./api.js').ReplicaChange} ReplicaChange
 */

/** Rows that are fetched one by one for one batch. With more of them, listing anew is cheaper. */
const MOST_FETCHED = 20;

/**
 * Events: `change` (detail: ReplicaChange), once for each committed state that is shown; `status`.
 */
export class Replica extends Feed {
  #order;
  #limit;
  /** @type {import('./held.js').Held | null} null: nothing has been listed yet */
  #held = null;
  /** @type {import('./held.js').Draft | null} */
  #draft = null;
  /** @type {string[]} */
  #keyColumns = [];
  /** @type {Item[]} */
  #sorted = [];
  /** @type {readonly Row[]} */
  #rows = [];
  /** @type {ReplicaChange | null} */
  #news = null;

  /**
   * @param {import('./feed.js').Host} host
   * @param {string} table
   * @param {LiveOptions} options
   */
  constructor(host, table, { where, order, limit = Infinity }) {
    super(host, table, where);
    this.#order = ordering(order);
    this.#limit = limit;
  }

  /** The rows, in order. Another array after every change; this one never changes. */
  get rows() {
    return this.#rows;
  }

  /**
   * @param {import('./env.js').Env} env @param {string} endpoint @param {AbortSignal} signal
   * @returns {Promise<import('./feed.js').Ready | import('./feed.js').Failed | { kind: 'aborted' }>}
   */
  async open(env, endpoint, signal) {
    // A view can be listed but not followed. Listed again and again, it would seem live each time, and
    // be refused in the poll of all tabs.
    if (this.status === 'error' && this.#held) {
      const outcome = await pollNow(env, endpoint, this, signal);
      if (outcome.kind !== 'answer') return outcome;
    }
    const listed = await list(env, endpoint, this.table, this.where, signal);
    if (listed.kind !== 'rows' || signal.aborted) return listed.kind === 'rows' ? { kind: 'aborted' } : listed;
    const held = hold(listed.rows, listed.keyColumns);
    this.#held = held;
    this.#keyColumns = listed.keyColumns ?? [];
    this.#sorted = [...held.items].sort(this.#order);
    this.#news = { kind: 'list', changes: [] };
    return { kind: 'ready', cursor: listed.cursor };
  }

  /** @param {Change[]} changes  @returns {import('./feed.js').Prepared} */
  prepare(changes) {
    this.#draft = this.#held?.draft(changes) ?? null;
    if (!this.#draft || this.#draft.lacking.length > MOST_FETCHED) return 'lost';
    return this.#draft.lacking.length > 0 ? 'lacking' : 'ready';
  }

  /**
   * @param {import('./env.js').Env} env @param {string} endpoint @param {AbortSignal} signal
   * @returns {Promise<import('./feed.js').Prepared>}
   */
  async complete(env, endpoint, signal) {
    const { table, where } = this;
    const draft = this.#draft;
    const place = { env, endpoint, table, where, keyColumns: this.#keyColumns, signal };
    const outcomes = await Promise.all(
      (draft?.lacking ?? []).map(async (part) => {
        const outcome = await complete(place, part);
        if (outcome === 'out') draft?.drop(part);
        return outcome;
      }),
    );
    return outcomes.includes('lost') ? 'lost' : 'ready';
  }

  /** @param {Change[]} changes */
  apply(changes) {
    const { gone, come } = this.#draft?.take() ?? { gone: new Set(), come: [] };
    this.#draft = null;
    const left = gone.size > 0 ? this.#sorted.filter((item) => !gone.has(item)) : this.#sorted;
    this.#sorted = merged(left, come.sort(this.#order), this.#order);
    this.#news = { kind: this.#news?.kind ?? 'changes', changes: [...(this.#news?.changes ?? []), ...changes] };
  }

  tell() {
    const detail = this.#news;
    if (!detail) return;
    this.#news = null;
    this.#rows = this.#sorted.slice(0, this.#limit).map(({ row }) => row);
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}
