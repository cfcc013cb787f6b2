/**
 * Reads a table whole, with the cursor of the very snapshot that was read. Never throws.
 */
import { parse } from './json.js';
import { query } from './filter.js';
import { away, problemOf, reason } from './problem.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {import('./types.js').Problem} Problem
 *
 * @typedef {{ kind: 'rows', rows: Row[], cursor: string, keyColumns: string[] | null }} Listed  null: the table has no key
 * @typedef {{ kind: 'problem', problem: Problem, retryAfterMs: number | null }} Failed
 */

/**
 * @param {import('./env.js').Env} env
 * @param {string} endpoint  ends with a slash
 * @param {string} table
 * @param {import('./types.js').Where} [where]
 * @param {AbortSignal} [signal]
 * @returns {Promise<Listed | Failed | { kind: 'aborted' }>}
 */
export async function list(env, endpoint, table, where, signal) {
  const terms = query(where);
  const url = `${endpoint}api/${encodeURIComponent(table)}${terms && `?${terms}`}`;
  try {
    // Not from a cache: Chromium would let equal requests of several tabs wait for each other.
    const response = await env.fetch(url, { headers: { Accept: 'application/json' }, cache: 'no-store', signal });
    if (!response.ok) return { kind: 'problem', ...(await problemOf(response)) };
    const rows = parse(await response.text());
    const cursor = response.headers.get('Rowcast-Cursor');
    const key = response.headers.get('Rowcast-Key');
    if (!Array.isArray(rows) || !cursor) throw new TypeError(`${url} is no list of rowcast`);
    return { kind: 'rows', rows, cursor, keyColumns: key ? key.split(',').map(decodeURIComponent) : null };
  } catch (error) {
    if (signal?.aborted) return { kind: 'aborted' };
    return { kind: 'problem', problem: away(env, reason(error)), retryAfterMs: null };
  }
}
