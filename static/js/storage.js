/**
 * The keys of one scope in localStorage. A value is JSON, written in one `setItem`: a message spread
 * over several keys could be read half old, half new.
 *
 * `storage` events come in order and lose nothing, but storage is usually already newer than the
 * event: take data from the event, read again for decisions.
 */
import { parse, print } from './json.js';

/** @typedef {import('./env.js').Env} Env */

/** Part of every key: tabs of two versions that do not understand each other must not meet. */
const VERSION = 1;

/** What is given up first when storage is full: siblings can ask the server for what was in it. */
export const LOG = 'log:';

export class Store {
  #env;
  #storage;
  #prefix;

  /**
   * @param {Env} env
   * @param {string} scope  tabs of one scope work together: the endpoint, and who is logged in
   * @throws what the browser throws where it has no storage for this page
   */
  constructor(env, scope) {
    this.#env = env;
    this.#storage = env.storage();
    this.scope = `${VERSION}:${encodeURIComponent(scope)}`;
    this.#prefix = `rowcast:${this.scope}:`;
    // Some browsers hand out a storage that throws at the first touch.
    this.get('lease');
  }

  /** @param {string} key  @returns {any} null if there is none, or none that can be read */
  get(key) {
    return read(this.#storage.getItem(this.#prefix + key));
  }

  /**
   * @param {string} key
   * @param {unknown} value
   * @returns {boolean} false if there is no room, even without the log
   */
  set(key, value) {
    return this.put(key, print(value));
  }

  /**
   * As `set`, for who has printed the value already.
   * @param {string} key
   * @param {string} text
   */
  put(key, text) {
    return this.#put(key, text) || (this.#dropLog() && this.#put(key, text));
  }

  /** @param {string} key */
  remove(key) {
    this.#storage.removeItem(this.#prefix + key);
  }

  /** The keys that begin so. Reads all keys of the origin: for rare moments only. @param {string} start */
  keys(start) {
    const whole = this.#prefix + start;
    const found = [];
    for (let i = 0; i < this.#storage.length; i++) {
      const key = this.#storage.key(i);
      if (key?.startsWith(whole)) found.push(key.slice(this.#prefix.length));
    }
    return found;
  }

  /**
   * Tells what other tabs write. `null` as the key: everything was cleared.
   * @param {(key: string | null, value: any) => void} listener
   * @returns {() => void} stops it
   */
  watch(listener) {
    return this.#env.on('storage', (/** @type {StorageEvent} */ event) => {
      if (event.storageArea && event.storageArea !== this.#storage) return;
      if (event.key === null) listener(null, null);
      else if (event.key.startsWith(this.#prefix)) listener(event.key.slice(this.#prefix.length), read(event.newValue));
    });
  }

  /** Removes all that this scope has written. */
  wipe() {
    for (const key of this.keys('')) this.remove(key);
  }

  /** @param {string} key @param {string} text */
  #put(key, text) {
    try {
      this.#storage.setItem(this.#prefix + key, text);
      return true;
    } catch {
      return false;
    }
  }

  #dropLog() {
    const slots = this.keys(LOG);
    for (const key of slots) this.remove(key);
    return slots.length > 0;
  }
}

/** @param {string | null} text */
function read(text) {
  if (text === null) return null;
  try {
    return parse(text);
  } catch {
    return null;
  }
}
