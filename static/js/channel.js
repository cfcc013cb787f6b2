/**
 * The numbered log in localStorage by which the master reaches its followers.
 *
 * A batch is one answer of the server: from which cursor to which, and what changed between. It is a
 * fact, whoever polled for it, so a tab may take any batch that starts where the tab stands, be it
 * from a stale master. That is why the log needs no lock.
 *
 * The last SLOTS batches stay readable, for tabs that slept, joined or missed an event.
 */
import { print } from './json.js';
import { subscriptionOf } from './filter.js';
import { isCount } from './lease.js';
import { LOG } from './storage.js';

/**
 * @typedef {import('./types.js').Batch} Batch
 * @typedef {import('./storage.js').Store} Store
 */

export const SLOTS = 32;
/** Characters. With SLOTS of them the log stays below half of a browser's quota. */
export const LARGEST = 64 * 1024;

export class Channel {
  #store;
  #keepsRows;
  /** The highest number seen: what the master goes on from, and how a follower notices a gap. */
  head = 0;

  /**
   * @param {Store} store
   * @param {boolean} keepsRows  false: rows are never written to localStorage; each tab fetches them
   */
  constructor(store, keepsRows) {
    this.#store = store;
    this.#keepsRows = keepsRows;
    this.rewind();
  }

  /** Takes the number to go on from out of the log: a new master has not seen every event. */
  rewind() {
    for (const batch of this.read()) this.note(batch);
  }

  /**
   * Writes the batch into the log, under the next number.
   * @param {Batch} batch
   * @returns {boolean} false if storage is full
   */
  publish(batch) {
    this.head += 1;
    batch.id = this.head;
    const told = (batch.answers ?? []).map(({ id }) => id);
    const text = print(batch);
    const fits = told.length === 0 || (this.#keepsRows && text.length <= LARGEST);
    return this.#store.put(`${LOG}${batch.id % SLOTS}`, fits ? text : print({ ...batch, answers: null, told }));
  }

  /** @param {Batch} batch */
  note(batch) {
    this.head = Math.max(this.head, batch.id);
  }

  /** All batches that the log still has, in order. @returns {Batch[]} */
  read() {
    const batches = [];
    for (let slot = 0; slot < SLOTS; slot++) {
      const batch = readBatch(this.#store.get(`${LOG}${slot}`));
      if (batch) batches.push(batch);
    }
    return batches.sort((a, b) => a.id - b.id || a.term - b.term);
  }
}

/**
 * A batch as another tab wrote it, or null: the keys are open to every script of the origin.
 * @param {any} value
 * @returns {Batch | null}
 */
export function readBatch(value) {
  const whole =
    value !== null &&
    typeof value === 'object' &&
    isCount(value.id) &&
    isCount(value.term) &&
    typeof value.to === 'string' &&
    value.from !== null &&
    typeof value.from === 'object' &&
    (value.answers === null || Array.isArray(value.answers));
  return whole ? value : null;
}

/**
 * The entry of a batch that leads this subscription on from where it stands, if there is one.
 * @param {Batch} batch
 * @param {string} subscription
 * @param {string} at  the cursor reached so far
 * @returns {string | null}
 */
export function leadsOn(batch, subscription, at) {
  for (const entry in batch.from) {
    if (batch.from[entry] === at && subscriptionOf(entry) === subscription) return entry;
  }
  return null;
}

/**
 * Where the batches lead this subscription, which stands at `at`.
 * @param {Batch[]} batches  in order
 * @param {string} subscription
 * @param {string} at
 */
export function resolve(batches, subscription, at) {
  for (const batch of path(batches, subscription, at)) at = batch.to;
  return at;
}

/**
 * The batches that lead this subscription on from where it stands, each starting where the one
 * before it ends. Two masters may have numbered theirs alike, so the numbers alone do not order them.
 * @param {Batch[]} batches
 * @param {string} subscription
 * @param {string} at
 * @returns {Batch[]}
 */
export function path(batches, subscription, at) {
  const steps = [];
  const left = new Set(batches);
  for (;;) {
    const next = [...left].find((batch) => batch.to !== at && leadsOn(batch, subscription, at));
    if (!next) return steps;
    left.delete(next);
    steps.push(next);
    at = next.to;
  }
}
