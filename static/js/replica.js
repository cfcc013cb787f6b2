/**
 * A live copy of a table's rows: a list, then every change from the list's cursor on. A reset means
 * to list again.
 */
import { Feed } from './feed.js';
import { list } from './list.js';
import { ordering } from './order.js';
import { print } from './json.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./types.js').Key} Key
 * @typedef {import('./types.js').Change} Change
 *
 * @typedef {object} LiveOptions
 * @property {import('./types.js').Where} [where]  only rows that match; null means IS NULL
 * @property {import('./order.js').Order} [order]  by key, if left out
 * @property {number} [limit]  how many rows `rows` shows at most; all that match are kept
 *
 * @typedef {{ kind: 'list' | 'changes', changes: Change[] }} ReplicaChange
 */

/**
 * Events: `change` (detail: ReplicaChange), once for each committed state that is shown; `status`.
 */
export class Replica extends Feed {
  #order;
  #limit;
  /** @type {Map<string, { row: Row, key: Key }>} */
  #byKey = new Map();
  /** @type {{ row: Row, key: Key }[]} */
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
    const listed = await list(env, endpoint, this.table, this.where, signal);
    if (listed.kind !== 'rows' || signal.aborted) return listed.kind === 'rows' ? { kind: 'aborted' } : listed;
    this.#byKey = new Map(
      listed.rows.map((row) => {
        const key = listed.keyColumns.map((column) => row[column]);
        return [print(key), { row, key }];
      }),
    );
    this.#sorted = [...this.#byKey.values()].sort(this.#order);
    this.#news = { kind: 'list', changes: [] };
    return { kind: 'ready', cursor: listed.cursor };
  }

  /** @param {Change[]} changes */
  apply(changes) {
    /** @type {Set<{ row: Row, key: Key } | undefined>} */
    const gone = new Set();
    /** @type {Set<string>} */
    const touched = new Set();
    for (const { op, key, new: row, leaves } of changes) {
      const name = print(key);
      gone.add(this.#byKey.get(name));
      touched.add(name);
      if (op === 'delete' || leaves || row === null) this.#byKey.delete(name);
      else this.#byKey.set(name, { row, key });
    }
    const come = [...touched].flatMap((name) => this.#byKey.get(name) ?? []);
    // Two sorted runs: the sort merges them.
    this.#sorted = [...this.#sorted.filter((item) => !gone.has(item)), ...come.sort(this.#order)].sort(this.#order);
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
