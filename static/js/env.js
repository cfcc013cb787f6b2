/**
 * All that the script takes from the browser, in one object, so that a test can give it a world of
 * its own: a clock that it turns, storage that lags, a network that breaks.
 */

/**
 * @typedef {'storage' | 'online' | 'visibilitychange' | 'pagehide' | 'pageshow' | 'freeze' | 'resume'} Happening
 *
 * @typedef {object} Locks               the part of `navigator.locks` that is used
 * @property {(name: string, options: { signal?: AbortSignal, steal?: boolean }, held: () => Promise<void>) => Promise<unknown>} request
 *
 * @typedef {object} Env
 * @property {() => number} now          ms, monotonic: every decision is made by it
 * @property {() => number} wall         ms since the epoch: for people to read, never compared
 * @property {() => number} random       in [0, 1)
 * @property {(bytes: number) => string} secret  so many random bytes, in hex
 * @property {(run: () => void, ms: number) => any} setTimeout
 * @property {(timer: any) => void} clearTimeout
 * @property {(url: string, init: RequestInit) => Promise<Response>} fetch
 * @property {() => Storage} storage     throws where the page may not have any
 * @property {Locks | null} locks
 * @property {() => boolean} visible
 * @property {boolean} sandboxed         the page has no origin, as in a sandboxed frame
 * @property {(happening: Happening, listener: (event: any) => void) => (() => void)} on  returns what undoes it
 */

/** @returns {Env} */
export function browserEnv() {
  return {
    now: () => performance.now(),
    wall: () => Date.now(),
    random: Math.random,
    secret,
    setTimeout: (run, ms) => setTimeout(run, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    fetch: (url, init) => fetch(url, init),
    storage: () => localStorage,
    // Missing outside of secure contexts, whatever the type says.
    locks: /** @type {any} */ (navigator).locks ?? null,
    visible: () => document.visibilityState === 'visible',
    sandboxed: globalThis.origin === 'null',
    on(happening, listener) {
      const target = ['visibilitychange', 'freeze', 'resume'].includes(happening) ? document : window;
      target.addEventListener(happening, listener);
      return () => target.removeEventListener(happening, listener);
    },
  };
}

/**
 * `crypto.randomUUID` is missing outside of secure contexts; this is not.
 * @param {number} bytes
 */
function secret(bytes) {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
