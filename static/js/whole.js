/**
 * Makes a row whole whose large columns a change left out because it did not touch them, where the
 * replica does not hold that row yet: it asks the server.
 */
import { list } from './list.js';

/**
 * @typedef {import('./held.js').Part} Part
 *
 * @typedef {object} Place
 * @property {import('./env.js').Env} env
 * @property {string} endpoint       ends with a slash
 * @property {string} table
 * @property {import('./types.js').SentWhere} [where]
 * @property {string[]} keyColumns
 * @property {AbortSignal} [signal]
 *
 * @typedef {'whole' | 'out' | 'lost'} Outcome
 *   out: it does not match the `where`; lost: what it was when it changed cannot be known any more
 */

/**
 * The server knows the row as it is now, which may be later than the change. Its mtime tells: every
 * change of a row has a later one. So an equal mtime means the very version, and then what is asked
 * is as true as it was.
 * @param {Place} place
 * @param {Part} part  its row gets the columns that are missing
 * @returns {Promise<Outcome>}
 */
export async function complete(place, part) {
  // A key that is a document or an array cannot be asked for by a value.
  if (part.key.some((value) => value === null || typeof value === 'object')) return 'lost';
  const key = Object.fromEntries(place.keyColumns.map((column, n) => [column, part.key[n]]));
  // A column of the `where` was left out: the server could not compare it, and told the change to be safe.
  const unsure = part.missing.some((column) => Object.hasOwn(place.where ?? {}, column));
  const found = await ask(place, { ...place.where, ...key });
  if (found === 'none' && unsure) return isSame(await ask(place, key), part) ? 'out' : 'lost';
  if (!isSame(found, part) || part.missing.some((column) => !Object.hasOwn(found, column))) return 'lost';
  // A copy: the change's own row is everybody's.
  part.row = { ...part.row, ...Object.fromEntries(part.missing.map((column) => [column, found[column]])) };
  return 'whole';
}

/**
 * By a list, and not by the row's own address: a browser takes `.` for no part of a path, and the
 * `where` is compared by the database alone.
 * @param {Place} place
 * @param {import('./types.js').SentWhere} where
 * @returns {Promise<import('./types.js').Row | 'none' | 'unknown'>}
 */
async function ask({ env, endpoint, table, signal }, where) {
  const listed = await list(env, endpoint, table, where, signal);
  if (listed.kind !== 'rows' || listed.rows.length > 1) return 'unknown';
  return listed.rows[0] ?? 'none';
}

/**
 * @param {import('./types.js').Row | 'none' | 'unknown'} found @param {Part} part
 * @returns {found is import('./types.js').Row}
 */
function isSame(found, part) {
  return typeof found === 'object' && found.mtime === part.row.mtime;
}
