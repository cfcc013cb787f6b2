/**
 * The lease: who is master, under which term, and the beat by which others see it live.
 *
 * @typedef {object} Lease
 * @property {number} term         the fencing number: who sees a higher one stands down
 * @property {string} tab
 * @property {number} beat         counted up by the master
 * @property {boolean} visible
 * @property {boolean} released    given up: nobody leads
 * @property {string | null} heir  a released lease may name who shall be next
 */

/**
 * No count of ours ever gets near this. What is at it or above was written by somebody else, and
 * nobody could count on from there.
 */
const JUNK = 2 ** 52;

/** Whether this may be a number that a tab has counted to. @param {any} value  @returns {value is number} */
export function isCount(value) {
  return Number.isSafeInteger(value) && value >= 0 && value < JUNK;
}

/**
 * A lease as another tab wrote it, or null: the key is open to every script of the origin.
 * @param {any} value
 * @returns {Lease | null}
 */
export function readLease(value) {
  if (!value || !isCount(value.term) || !isCount(value.beat) || typeof value.tab !== 'string') return null;
  const heir = typeof value.heir === 'string' ? value.heir : null;
  return { term: value.term, tab: value.tab, beat: value.beat, visible: !!value.visible, released: !!value.released, heir };
}
