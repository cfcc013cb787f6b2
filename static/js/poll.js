/**
 * One poll: asks, listens to the heartbeat while it waits, and says how it ended. Never throws.
 */
import { parse, print } from './json.js';
import { away, problemOf, reason } from './problem.js';

/**
 * @typedef {import('./types.js').PollRequest} PollRequest
 * @typedef {import('./types.js').Answer} Answer
 * @typedef {import('./types.js').Problem} Problem
 *
 * @typedef {{ kind: 'answer', cursor: string, answers: Answer[], retryAfterMs: number | null }} Answered
 * @typedef {{ kind: 'problem', problem: Problem, retryAfterMs: number | null }} Failed
 * @typedef {Answered | Failed | { kind: 'aborted' }} Outcome
 *
 * @typedef {object} Watcher
 * @property {AbortSignal} [signal]
 * @property {() => void} [onChunk]  the server's head, and whatever it sends after that
 */

/** Heartbeats that may be missed before the connection counts as dead. */
const MISSED = 4;
/** ms: what a poll without heartbeat, or its head, may take beyond its wait. */
const GRACE_MS = 15_000;
/** A timer that is later than this has slept. */
const LATE_MS = 2000;

/**
 * @param {import('./env.js').Env} env
 * @param {string} url
 * @param {PollRequest} request
 * @param {Watcher} [watcher]
 * @returns {Promise<Outcome>}
 */
export async function poll(env, url, request, { signal, onChunk = () => {} } = {}) {
  const guard = watchSilence(env, request, signal);
  const heard = () => {
    guard.heard();
    onChunk();
  };
  try {
    const response = await env.fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', Accept: 'application/json' },
      body: print(request),
      cache: 'no-store',
      signal: guard.signal,
    });
    if (!response.ok) return { kind: 'problem', ...(await problemOf(response)) };
    heard();
    return understand(await readAll(response, heard));
  } catch (error) {
    if (signal?.aborted) return { kind: 'aborted' };
    return { kind: 'problem', problem: away(env, guard.silent() ?? reason(error)), retryAfterMs: null };
  } finally {
    guard.done();
  }
}

/**
 * Where a table stands now, if it can be followed.
 * @param {import('./env.js').Env} env
 * @param {string} endpoint  ends with a slash
 * @param {Pick<import('./types.js').Entry, 'id' | 'table' | 'where'>} what
 * @param {AbortSignal} signal
 */
export function pollNow(env, endpoint, { id, table, where }, signal) {
  const entry = { id, table, since: 'now', ...(where && { where }) };
  return poll(env, `${endpoint}notify`, { wait: 0, subscriptions: [entry] }, { signal });
}

/** @param {string} text  @returns {Outcome} */
function understand(text) {
  const body = parse(text);
  const retryAfterMs = typeof body.retry_after_ms === 'number' ? body.retry_after_ms : null;
  if (body.problem) return { kind: 'problem', problem: body.problem, retryAfterMs };
  if (typeof body.cursor !== 'string' || !Array.isArray(body.answers)) throw new TypeError('the answer has no cursor');
  return { kind: 'answer', cursor: body.cursor, answers: body.answers, retryAfterMs };
}

/** @param {Response} response @param {() => void} onChunk */
async function readAll(response, onChunk) {
  if (!response.body) return response.text();
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    text += decoder.decode(value, { stream: true });
    onChunk();
  }
}

/**
 * Ends a poll whose connection is dead without saying so, as after a change of networks.
 * A timer that fires late proves nothing about the server: the page slept, and what arrived meanwhile
 * has not been read yet. It is given one more turn.
 * @param {import('./env.js').Env} env
 * @param {PollRequest} request
 * @param {AbortSignal} [outer]
 */
function watchSilence(env, request, outer) {
  const controller = new AbortController();
  const limit = request.heartbeat ? request.heartbeat * MISSED * 1000 : request.wait * 1000;
  /** @type {string | null} */
  let silent = null;
  /** @type {any} */
  let timer;
  let heardAt = env.now();
  const arm = (/** @type {number} */ ms) => {
    env.clearTimeout(timer);
    const due = env.now() + ms;
    timer = env.setTimeout(() => {
      if (env.now() - due > LATE_MS) return arm(LATE_MS);
      silent = `nothing was heard from it for ${Math.round((env.now() - heardAt) / 1000)} s`;
      controller.abort();
    }, ms);
  };
  const forward = () => controller.abort();
  if (outer?.aborted) forward();
  outer?.addEventListener('abort', forward);
  arm(limit + GRACE_MS);
  return {
    signal: controller.signal,
    heard() {
      heardAt = env.now();
      arm(request.heartbeat ? limit : limit + GRACE_MS);
    },
    silent: () => silent,
    done() {
      env.clearTimeout(timer);
      outer?.removeEventListener('abort', forward);
    },
  };
}
