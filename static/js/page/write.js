/**
 * Writing by plain REST.
 */
import { parse, print } from '../json.js';

/**
 * @typedef {import('./dom.js').Problem} Problem
 * @typedef {{ id: number | string, name: string, value: number | null, mtime: string }} Row
 */

/**
 * One request that writes. Never throws: what went wrong comes back as a problem to be shown.
 * @param {'POST' | 'PATCH' | 'DELETE'} method @param {string} path @param {object} [body]
 * @returns {Promise<{ row?: Row, problem?: Problem }>}
 */
export async function send(method, path, body) {
  try {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(path, body ? { method, headers, body: print(body) } : { method });
    if (response.status === 204) return {};
    if (response.ok) return { row: parse(await response.text()) };
    const told = response.headers.get('Content-Type')?.startsWith('application/problem+json');
    return { problem: told ? parse(await response.text()) : { title: `The server answered ${response.status}` } };
  } catch {
    return { problem: { title: 'The server does not answer', detail: 'Try again when this tab is live.' } };
  }
}
