/**
 * A subscription's name, and a list's query: one spelling for one meaning.
 *
 * The same table and `where` must have the same id in every tab of every browser: tabs are merged by
 * it, and the server shares one encoded body between polls that ask the same thing by the same id.
 */

/**
 * @typedef {import('./types.js').Where} Where
 * @typedef {import('./types.js').SentWhere} SentWhere
 */

/**
 * A copy with its columns in order, as it can be sent; undefined if it filters nothing.
 * @param {Where} [where]
 * @returns {SentWhere | undefined}
 * @throws {TypeError} for a value that cannot be compared for equality
 */
export function canonical(where) {
  const columns = Object.keys(where ?? {}).sort();
  if (!where || columns.length === 0) return undefined;
  for (const column of columns) {
    const value = where[column];
    if (value !== null && !['string', 'number', 'bigint', 'boolean'].includes(typeof value)) {
      throw new TypeError(`where.${column} must be a string, a number, a boolean or null, not ${typeof value}`);
    }
  }
  return Object.fromEntries(columns.map((column) => [column, sendable(where[column] ?? null)]));
}

/**
 * JSON has no bigint, NaN or Infinity; the database casts strings of them.
 * @param {Where[string]} value
 */
function sendable(value) {
  return typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value)) ? String(value) : value;
}

/**
 * The query of a list: `id=eq.5&name=is.null`, or an empty string.
 * @param {Where} [where]
 */
export function query(where) {
  const terms = Object.entries(canonical(where) ?? {}).map(([column, value]) => {
    const test = value === null ? 'is.null' : `eq.${encodeURIComponent(value)}`;
    return `${encodeURIComponent(column)}=${test}`;
  });
  return terms.join('&');
}

/**
 * `testtype`, or `testtype?id=eq.5`. Never has a `#` in it.
 * @param {string} table
 * @param {Where} [where]
 */
export function subscriptionId(table, where) {
  const terms = query(where);
  return encodeURIComponent(table) + (terms && `?${terms}`);
}

/**
 * The id of a subscription's n-th entry in one poll. A poll has several where tabs have reached
 * different cursors; the answer brings them together.
 * @param {string} subscription
 * @param {number} n  from 0
 */
export function entryId(subscription, n) {
  return n === 0 ? subscription : `${subscription}#${n + 1}`;
}

/** @param {string} entry */
export function subscriptionOf(entry) {
  return entry.split('#', 1)[0];
}
