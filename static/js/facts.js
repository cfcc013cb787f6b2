/**
 * What the lease tells besides whose it is. The master beats anyway, so this is how a follower knows
 * the state of the connection, how many tabs there are, and whether it missed a batch.
 */
import { isCount, readLease } from './lease.js';

/**
 * @typedef {object} LeaseFacts
 * @property {number} head             the number of the log's last batch
 * @property {number} tabs
 * @property {number} roll             the last roll call of the term
 * @property {number | null} since     since when the master leads, ms since the epoch: for display
 * @property {import('./types.js').Connection} connection
 * @property {import('./types.js').ShownProblem | null} problem
 */

/** What this tab was last told, and the hand-overs that it has seen. */
export class Told {
  term = 0;
  /** @type {string | null} null while nobody leads */
  master = null;
  /** @type {LeaseFacts} */
  facts = { head: 0, tabs: 1, roll: 0, since: null, connection: 'connecting', problem: null };
  handovers = 0;
  /** @type {number | null} ms since the epoch: for display */
  lastHandover = null;

  /** @type {string | null} whose lease was heard last */
  #lastMaster = null;
  /** @type {string | null} and whose before that */
  #earlierMaster = null;

  /** The roll call that each tab answers once. */
  get call() {
    return `${this.term} ${this.facts.roll}`;
  }

  /** Who led before this tab does or did. @param {string} tab @returns {string | null} */
  before(tab) {
    return this.#lastMaster === tab ? this.#earlierMaster : this.#lastMaster;
  }

  /**
   * @param {any} value  the lease, as it stands in storage
   * @param {number} wall
   * @returns {boolean} whether it is one
   */
  hear(value, wall) {
    const lease = readLease(value);
    if (!lease) return false;
    const master = lease.released ? null : lease.tab;
    // Contenders without locks claim the same term: that is one hand-over.
    if (master && this.#lastMaster && master !== this.#lastMaster && lease.term > this.term) {
      this.handovers += 1;
      this.lastHandover = wall;
    }
    if (master && master !== this.#lastMaster) {
      this.#earlierMaster = this.#lastMaster;
      this.#lastMaster = master;
    }
    this.master = master;
    this.term = lease.term;
    this.facts = readFacts(value);
    return true;
  }
}

/** @param {any} value  a lease that was found whole  @returns {LeaseFacts} */
function readFacts(value) {
  const { head, tabs, roll, since, connection, problem } = value;
  return {
    head: isCount(head) ? head : 0,
    tabs: isCount(tabs) ? tabs : 1,
    roll: isCount(roll) ? roll : 0,
    since: typeof since === 'number' ? since : null,
    connection: ['connecting', 'online', 'offline'].includes(connection) ? connection : 'connecting',
    problem: problem && typeof problem.title === 'string' ? problem : null,
  };
}
