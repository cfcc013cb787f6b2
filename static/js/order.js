/**
 * The order of a replica's rows.
 */
import { compareNumbers, isLongNumber } from './decimal.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./held.js').Item} Item
 * @typedef {import('./api.js').Order} Order
 */

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:/;
const KINDS = ['boolean', 'number', 'string', 'object', 'undefined'];
const NUMBER = KINDS.indexOf('number');
const alphabet = new Intl.Collator();

/**
 * A total order: rows that `order` finds equal stand in the order of their keys, or without a key in
 * that of their names, so that every tab shows them alike.
 * @param {Order} [order]  without one: by key
 * @returns {(a: Item, b: Item) => number}
 */
export function ordering(order) {
  const byRow = typeof order === 'function' ? order : byColumns(order ?? []);
  return (a, b) => byRow(a.row, b.row) || byKey(a, b);
}

/**
 * Both runs in one, in order. Each item of the second looks its place up in the first, which is the longer one as a rule: every tab does
 * this at every change, and may hold thousands of rows.
 * @param {Item[]} run @param {Item[]} more  sorted, like the first
 * @param {(a: Item, b: Item) => number} order
 * @returns {Item[]}
 */
export function merged(run, more, order) {
  const parts = [];
  let copied = 0;
  for (const item of more) {
    let [low, high] = [copied, run.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (order(run[middle], item) <= 0) low = middle + 1;
      else high = middle;
    }
    parts.push(run.slice(copied, low), [item]);
    copied = low;
  }
  return [...parts, run.slice(copied)].flat();
}

/**
 * Numbers by size, times by time, text by the person's alphabet, null after everything (as
 * PostgreSQL has it). Values of different kinds go by kind. A string that is what `parse` makes of a
 * long number counts as that number: in one column such strings stand among numbers.
 * @param {any} a
 * @param {any} b
 * @returns {number}
 */
export function compare(a, b) {
  if (a === b) return 0;
  const kindOfA = kind(a);
  const kinds = kindOfA - kind(b);
  if (kinds !== 0) return kinds;
  if (kindOfA === NUMBER && (typeof a === 'string' || typeof b === 'string')) return compareNumbers(String(a), String(b));
  // The alphabet would put 12:00:05.1+00:00 before 12:00:05+00:00.
  if (typeof a === 'string' && !(TIME.test(a) && TIME.test(b))) return alphabet.compare(a, b) || (a < b ? -1 : 1);
  if (typeof a === 'object') return compare(JSON.stringify(a), JSON.stringify(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {any} value */
function kind(value) {
  if (value === null) return KINDS.length;
  return typeof value === 'bigint' || isLongNumber(value) ? NUMBER : KINDS.indexOf(typeof value);
}

/** @param {string | string[]} columns */
function byColumns(columns) {
  const parts = [columns].flat().map((column) => (column.startsWith('-') ? { column: column.slice(1), sign: -1 } : { column, sign: 1 }));
  return (/** @type {Row} */ a, /** @type {Row} */ b) => {
    for (const { column, sign } of parts) {
      const order = compare(a[column] ?? null, b[column] ?? null);
      if (order !== 0) return sign * order;
    }
    return 0;
  };
}

/**
 * @param {Item} a
 * @param {Item} b
 */
function byKey(a, b) {
  for (let i = 0; a.key && b.key && i < a.key.length; i++) {
    const order = compare(a.key[i], b.key[i]);
    if (order !== 0) return order;
  }
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
