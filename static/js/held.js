/**
 * The rows that a replica holds, and what changes make of them. That is worked out in a draft first,
 * which is taken over whole or not at all: it may have to wait for columns that the server left out.
 */
import { print } from './json.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./types.js').Key} Key
 * @typedef {import('./types.js').Change} Change
 *
 * @typedef {object} Item
 * @property {Row} row
 * @property {Key | null} key
 * @property {string} name         what tells it from others; equal rows without a key have the same
 *
 * @typedef {Item & { key: Key, missing: string[] }} Part  `missing`: columns that are not known yet
 *
 * @typedef {object} Draft
 * @property {Part[]} lacking      what must be made whole, or found not to be there, first
 * @property {(part: Part) => void} drop
 * @property {() => Turn} take     from now on the rows are held as the draft has them
 *
 * @typedef {{ gone: Set<Item>, come: Item[] }} Turn
 *
 * @typedef {object} Held
 * @property {Iterable<Item>} items
 * @property {(changes: Change[]) => Draft | null} draft  null: the changes do not go with these rows
 */

/**
 * @param {Row[]} rows
 * @param {string[] | null} keyColumns  null: the table has no key
 * @returns {Held}
 */
export function hold(rows, keyColumns) {
  return keyColumns ? new Keyed(rows, keyColumns) : new Counted(rows);
}

/** Rows that a key tells apart. */
class Keyed {
  /** @type {Map<string, Item>} */
  #items;

  /** @param {Row[]} rows @param {string[]} keyColumns */
  constructor(rows, keyColumns) {
    this.#items = new Map(
      rows.map((row) => {
        const key = keyColumns.map((column) => row[column]);
        const name = print(key);
        return [name, { row, key, name }];
      }),
    );
  }

  get items() {
    return this.#items.values();
  }

  /** @param {Change[]} changes  @returns {Draft | null} */
  draft(changes) {
    /** @type {Map<string, Part | null>} null: not there any more */
    const parts = new Map();
    for (const { op, key, new: row, leaves, elided = [] } of changes) {
      if (key === null) return null;
      const name = print(key);
      const before = parts.has(name) ? parts.get(name) : this.#items.get(name);
      const stays = op !== 'delete' && !leaves && row !== null;
      parts.set(name, stays ? { key, name, ...filled(row, elided, before?.row ?? {}) } : null);
    }
    return {
      lacking: [...parts.values()].flatMap((part) => (part && part.missing.length > 0 ? [part] : [])),
      drop: ({ name }) => parts.set(name, null),
      take: () => this.#take(parts),
    };
  }

  /** @param {Map<string, Part | null>} parts  @returns {Turn} */
  #take(parts) {
    const gone = new Set();
    const come = [];
    for (const [name, part] of parts) {
      const before = this.#items.get(name);
      if (before) gone.add(before);
      if (!part) {
        this.#items.delete(name);
        continue;
      }
      const item = { row: part.row, key: part.key, name };
      this.#items.set(name, item);
      come.push(item);
    }
    return { gone, come };
  }
}

/** Rows of a table without a key. Nothing tells equal ones apart, so they are counted. */
class Counted {
  /** @type {Map<string, Item[]>} */
  #items = new Map();

  /** @param {Row[]} rows */
  constructor(rows) {
    for (const row of rows) this.#add(row, nameOf(row));
  }

  get items() {
    return [...this.#items.values()].flat();
  }

  /** @param {Change[]} changes  @returns {Draft | null} */
  draft(changes) {
    /** @type {Map<string, { row: Row, by: number }>} */
    const counts = new Map();
    // A transaction's changes may come in any order: only the sum must be right.
    const count = (/** @type {Row} */ row, /** @type {number} */ by) => {
      const name = nameOf(row);
      counts.set(name, { row, by: (counts.get(name)?.by ?? 0) + by });
    };
    for (const { op, key, old, new: row } of changes) {
      if (key === null && op === 'insert' && row) count(row, 1);
      else if (key === null && op === 'delete' && old) count(old, -1);
      else return null;
    }
    const held = (/** @type {string} */ name) => this.#items.get(name)?.length ?? 0;
    if ([...counts].some(([name, { by }]) => held(name) + by < 0)) return null;
    return { lacking: [], drop() {}, take: () => this.#take(counts) };
  }

  /** @param {Map<string, { row: Row, by: number }>} counts  @returns {Turn} */
  #take(counts) {
    const gone = new Set();
    const come = [];
    for (const [name, { row, by }] of counts) {
      for (let n = 0; n < by; n++) come.push(this.#add(row, name));
      if (by < 0) for (const item of this.#items.get(name)?.splice(by) ?? []) gone.add(item);
      if (this.#items.get(name)?.length === 0) this.#items.delete(name);
    }
    return { gone, come };
  }

  /** @param {Row} row @param {string} name  @returns {Item} */
  #add(row, name) {
    const item = { row, key: null, name };
    const equal = this.#items.get(name);
    if (equal) equal.push(item);
    else this.#items.set(name, [item]);
    return item;
  }
}

/**
 * A row with the columns that a change left out, as far as they are known from before: it did not
 * change them.
 * @param {Row} row @param {string[]} elided @param {Row} before
 */
function filled(row, elided, before) {
  const known = elided.filter((column) => Object.hasOwn(before, column));
  return {
    row: known.length > 0 ? { ...row, ...Object.fromEntries(known.map((column) => [column, before[column]])) } : row,
    missing: elided.filter((column) => !Object.hasOwn(before, column)),
  };
}

/** Equal rows have equal names, whatever order their columns come in: partitions may have another one. @param {Row} row */
function nameOf(row) {
  return print(Object.keys(row).sort().map((column) => [column, row[column]]));
}
