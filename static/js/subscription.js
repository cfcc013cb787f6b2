/**
 * Raw changes of a table, from now on, without a copy of its rows.
 */
import { Feed } from './feed.js';
import { pollNow } from './poll.js';

/**
 * @typedef {import('./types.js').Change} Change
 * @typedef {import('./api.js').News} News
 */

/** Events: `change` (detail: News); `status`. */
export class Subscription extends Feed {
  #listener;
  #interrupted = false;
  /** @type {News | null} */
  #news = null;

  /**
   * @param {import('./feed.js').Host} host
   * @param {string} table
   * @param {import('./types.js').Where | undefined} where
   * @param {(news: News) => void} listener
   */
  constructor(host, table, where, listener) {
    super(host, table, where);
    this.#listener = listener;
    this.addEventListener('change', (event) => this.#listener(/** @type {CustomEvent<News>} */ (event).detail));
  }

  /**
   * @param {import('./env.js').Env} env @param {string} endpoint @param {AbortSignal} signal
   * @returns {Promise<import('./feed.js').Ready | import('./feed.js').Failed | { kind: 'aborted' }>}
   */
  async open(env, endpoint, signal) {
    const outcome = await pollNow(env, endpoint, this, signal);
    if (outcome.kind !== 'answer') return outcome;
    // Told only now: what follows this cursor is all there is to know after the reset.
    if (this.#interrupted) this.#news = { changes: [], reset: true };
    this.#interrupted = false;
    return { kind: 'ready', cursor: outcome.cursor };
  }

  onReset() {
    this.#interrupted = true;
  }

  /** @param {Change[]} changes */
  apply(changes) {
    this.#news = { reset: this.#news?.reset ?? false, changes: [...(this.#news?.changes ?? []), ...changes] };
  }

  tell() {
    const detail = this.#news;
    if (!detail) return;
    this.#news = null;
    this.dispatchEvent(new CustomEvent('change', { detail }));
  }
}
