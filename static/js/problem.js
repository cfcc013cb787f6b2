/**
 * What can go wrong with a request, in one form.
 */
import { parse } from './json.js';

/** @typedef {import('./types.js').Problem} Problem */

/** The browser tells a page of no origin only that the request failed, and nobody why. */
const SANDBOXED =
  'This page is sandboxed, so that it has no origin, and the server answers pages of its own origin only: add allow-same-origin to the frame\'s sandbox.';

/**
 * No answer came, or none that is the server's.
 * @param {import('./env.js').Env} env
 * @param {string} detail
 * @returns {Problem}
 */
export function away(env, detail) {
  return { type: 'urn:rowcast:away', title: 'The server does not answer', status: 0, detail: env.sandboxed ? `${detail}. ${SANDBOXED}` : detail };
}

/**
 * The problem that a response with an error status tells, whatever its body is: a proxy before the
 * server answers with HTML.
 * @param {Response} response
 * @returns {Promise<{ problem: Problem, retryAfterMs: number | null }>}
 */
export async function problemOf(response) {
  const seconds = Number(response.headers.get('Retry-After') ?? NaN);
  /** @type {Partial<Problem>} */
  let told = {};
  try {
    const body = parse(await response.text());
    if (body && typeof body.title === 'string') told = body;
  } catch {
    // Not JSON, or cut off: the status says what there is to say.
  }
  const title = `The server answered ${response.status} ${response.statusText}`.trim();
  return {
    problem: { type: 'about:blank', title, ...told, status: response.status },
    retryAfterMs: Number.isFinite(seconds) ? seconds * 1000 : null,
  };
}

/**
 * Whether asking the same again would fail again: the request is at fault, not the moment.
 * @param {Problem} problem
 */
export function isFinal(problem) {
  const { status } = problem;
  return status >= 400 && status < 500 && ![408, 409, 425, 429].includes(status);
}

/** @param {Problem} problem */
export function isSuperseded(problem) {
  return problem.type === 'urn:rowcast:superseded';
}

/** What was thrown, for a person. @param {unknown} error */
export function reason(error) {
  return error instanceof Error ? error.message : String(error);
}
