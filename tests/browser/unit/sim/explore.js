/**
 * Every schedule of a few tabs without Web Locks, up to so many steps: which storage event arrives next,
 * whose timer fires next and how late, who freezes and whom it names as its heir, who wakes or dies, when
 * storage is cleared.
 *
 * Storage is one truth that all read at once; only the events about it wait, for as long as the schedule
 * likes. How a process's own view of storage lags is the business of storage.js beside this.
 */
import { initial, leads, step } from '../../../../static/js/election.js';

/**
 * @typedef {import('../../../../static/js/election.js').Election} Election
 * @typedef {import('../../../../static/js/election.js').EventType} EventType
 *
 * @typedef {object} Situation
 * @property {number} now
 * @property {import('../../../../static/js/lease.js').Lease | null} lease
 * @property {{ election: Election, life: 'running' | 'frozen' | 'dead', events: EventType[] }[]} tabs
 * @property {number} deaths   that may still happen
 * @property {number} clears   the same
 * @property {string[]} led    `term tab`, each time that somebody began to lead
 */

/** @param {number} count  of tabs @param {{ deaths?: number, clears?: number }} [mishaps]  @returns {Situation} */
export function start(count, { deaths = 1, clears = 1 } = {}) {
  /** @type {Situation} */
  const situation = { now: 0, lease: null, tabs: [], deaths, clears, led: [] };
  for (let n = 0; n < count; n++) {
    situation.tabs.push({ election: initial(`t${n}`, { locks: false, visible: n % 2 === 0, now: 0 }), life: 'running', events: [] });
    send(situation, n, 'start');
  }
  return situation;
}

/** Each situation that one more step may lead to. @param {Situation} situation  @returns {Situation[]} */
export function next(situation) {
  /** @type {Situation[]} */
  const found = [];
  const branch = (/** @type {(copy: Situation) => void} */ go) => {
    const copy = structuredClone(situation);
    go(copy);
    found.push(copy);
  };
  for (const [n, { election, life, events }] of situation.tabs.entries()) {
    if (life === 'dead') continue;
    if (life === 'frozen') {
      branch((copy) => {
        copy.tabs[n].life = 'running';
        send(copy, n, 'wake');
      });
      continue;
    }
    if (events.length > 0) branch((copy) => deliver(copy, n));
    if (election.dueAt < Infinity) branch((copy) => fire(copy, n));
    // Whom it names may be frozen or dead; who does not lead names nobody.
    const heirs = leads(election) ? situation.tabs.map((tab) => tab.election.tab).filter((tab) => tab !== election.tab) : [];
    for (const heir of [null, ...heirs]) {
      branch((copy) => {
        send(copy, n, 'rest', heir);
        copy.tabs[n].life = 'frozen';
      });
    }
    if (situation.deaths > 0) {
      branch((copy) => {
        copy.deaths -= 1;
        copy.tabs[n].life = 'dead';
      });
    }
    if (situation.clears > 0 && situation.lease) {
      branch((copy) => {
        copy.clears -= 1;
        copy.lease = null;
        tell(copy, n, 'lease');
      });
    }
  }
  return found;
}

/**
 * Left in peace: everybody wakes, events arrive at once, timers fire on time.
 * @param {Situation} situation @param {number} ms
 */
export function peace(situation, ms) {
  const copy = structuredClone(situation);
  for (const [n, tab] of copy.tabs.entries()) {
    if (tab.life !== 'frozen') continue;
    tab.life = 'running';
    send(copy, n, 'wake');
  }
  const end = copy.now + ms;
  for (;;) {
    const waiting = copy.tabs.findIndex(({ life, events }) => life === 'running' && events.length > 0);
    if (waiting >= 0) {
      deliver(copy, waiting);
      continue;
    }
    const dues = copy.tabs.map(({ life, election }) => (life === 'running' ? election.dueAt : Infinity));
    const due = Math.min(...dues);
    if (due > end) return copy;
    fire(copy, dues.indexOf(due));
  }
}

/** What makes two situations the same: times count from now, and how one came here does not matter. @param {Situation} situation */
export function nameOf({ now, lease, tabs, deaths, clears }) {
  const ago = (/** @type {number} */ time) => (Number.isFinite(time) ? time - now : time > 0 ? 'never' : 'long ago');
  const told = tabs.map(({ election: { lease: known, dueAt, beatAt, hiddenAt, stolenAt, ...rest }, life, events }) => [
    life, events, rest, known, ago(dueAt), ago(beatAt), ago(hiddenAt), ago(stolenAt),
  ]);
  return JSON.stringify([lease, deaths, clears, told]);
}

/** Who leads, of those that run. @param {Situation} situation */
export function masters({ tabs }) {
  return tabs.filter(({ life, election }) => life === 'running' && leads(election));
}

/** @param {Situation} situation @param {number} n */
function deliver(situation, n) {
  const type = situation.tabs[n].events.shift();
  if (type) send(situation, n, type);
}

/** Its time comes, and that of the others passes. @param {Situation} situation @param {number} n */
function fire(situation, n) {
  situation.now = Math.max(situation.now, situation.tabs[n].election.dueAt);
  send(situation, n, 'timer');
}

/** @param {Situation} situation @param {number} n @param {EventType} type @param {string | null} [heir] */
function send(situation, n, type, heir = null) {
  const tab = situation.tabs[n];
  const before = tab.election;
  const { state, effects } = step(before, { type, now: situation.now, random: n / 10, lease: situation.lease, company: true, heir });
  tab.election = state;
  if (leads(state) && (!leads(before) || before.term !== state.term)) situation.led.push(`${state.term} ${state.tab}`);
  for (const effect of effects) {
    if (effect.type === 'write') situation.lease = effect.lease;
    if (effect.type === 'write') tell(situation, n, 'lease');
    if (effect.type === 'ping') tell(situation, n, 'ping');
  }
}

/** The others will hear of it; who has not heard of the one before hears of both. @param {Situation} situation @param {number} from @param {EventType} what */
function tell({ tabs }, from, what) {
  for (const [n, { life, events }] of tabs.entries()) {
    // A second event of a kind says nothing new: the lease is read when it is handled.
    if (n !== from && life !== 'dead' && events.at(-1) !== what) events.push(what);
  }
}
