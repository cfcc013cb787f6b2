/**
 * The order of a replica's rows.
 */

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./types.js').Key} Key
 * @typedef {string | string[] | ((a: Row, b: Row) => number)} Order
 *   a column, `-` before it for descending; several; or a comparison of one's own
 */

const TIME = /^\d{4}-\d\d-\d\d[T ]\d\d:/;
const alphabet = new Intl.Collator();

/**
 * A total order: rows that `order` finds equal stand in the order of their keys, so that every tab
 * shows them alike.
 * @param {Order} [order]  without one: by key
 * @returns {(a: { row: Row, key: Key }, b: { row: Row, key: Key }) => number}
 */
export function ordering(order) {
  const byRow = typeof order === 'function' ? order : byColumns(order ?? []);
  return (a, b) => byRow(a.row, b.row) || byKey(a.key, b.key);
}

/**
 * Numbers by size, times by time, text by the person's alphabet, null after everything (as
 * PostgreSQL has it). Values of different kinds go by kind.
 * @param {any} a
 * @param {any} b
 * @returns {number}
 */
export function compare(a, b) {
  if (a === b) return 0;
  const kinds = kind(a) - kind(b);
  if (kinds !== 0) return kinds;
  // The alphabet would put 12:00:05.1+00:00 before 12:00:05+00:00.
  if (typeof a === 'string' && !(TIME.test(a) && TIME.test(b))) return alphabet.compare(a, b) || (a < b ? -1 : 1);
  if (typeof a === 'object') return compare(JSON.stringify(a), JSON.stringify(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

/** @param {any} value */
function kind(value) {
  const order = ['boolean', 'number', 'string', 'object', 'undefined'];
  return value === null ? order.length : order.indexOf(typeof value === 'bigint' ? 'number' : typeof value);
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
 * @param {Key} a
 * @param {Key} b
 */
function byKey(a, b) {
  for (let i = 0; i < a.length; i++) {
    const order = compare(a[i], b[i]);
    if (order !== 0) return order;
  }
  return 0;
}
