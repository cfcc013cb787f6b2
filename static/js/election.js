/**
 * Which tab is master: the decisions alone. `step(state, event)` is pure; elector.js is the shell
 * that feeds it with events and does what it says.
 *
 * Correctness never depends on this. The server's cursor makes two masters harmless; the term only
 * settles who should stop.
 *
 * A lease lies in localStorage: `{term, tab, beat, visible, released, heir}`. The master counts `beat`
 * up every 2 s, and at once when it is asked by a ping. Others believe in it by their own monotonic
 * clock: only by seeing it change, never by what it says. Where Web Locks exist they decide who may
 * write the next lease; elsewhere contenders write, wait and read again.
 *
 * Hidden tabs' timers run once a second, storage events at any time: so a master that goes names an
 * heir, who leads as soon as it hears of that, while everybody else holds back.
 *
 * | phase     | meaning                                   | leaves it by
 * |-----------|-------------------------------------------|------------------------------------------------
 * | seeking   | pinged; a live master answers in 600 ms   | news → following; timer → claimed (asking¹)
 * | following | the lease was seen to change              | 5 s without news → seeking; released → waiting², heir → master²
 * | waiting   | nobody leads: jitter, visible tabs first  | news → following; timer → writes term + 1, claimed
 * | claimed   | written, wait 60 ms                       | still mine → master; outranked → following
 * | asking¹   | the lock is requested anew                | granted → master; timer → stealing
 * | stealing¹ | jitter before the lock is stolen          | news → following; timer → steals; granted → master
 * | master    | polls, beats                              | outranked, lock lost → following; answer → yielding
 * | yielding¹ | named a visible heir, waits for its steal | lock lost, outranked, timer → following
 * | resting   | frozen, in the back-forward cache, closed | wake → seeking
 * | alone     | storage refused a write                   | timer → seeking
 *
 * ¹ with Web Locks only: there `granted` makes a master of every phase but resting and alone.
 * ² without Web Locks; with them the next in the queue is granted the lock.
 *
 * | event            | the shell sends it
 * |------------------|------------------------------------------------------------------------------
 * | start, wake      | the page has loaded; it came back from freezing or the back-forward cache
 * | lease            | another tab wrote or removed the lease
 * | ping             | another tab asks whether the master lives
 * | timer            | at `state.dueAt`, or later
 * | chunk            | the poll's connection brought something, be it a heartbeat
 * | tell             | what the lease tells besides has changed (connection, number of tabs)
 * | answer           | an answer has been handed out; `heir` is a visible tab, if there is one
 * | superseded       | the server knows of a newer poll of this browser
 * | visible, hidden  | the page's visibility changed
 * | granted, lost    | the lock was granted; it was stolen
 * | lockless         | the browser refuses Web Locks after all
 * | rest             | pagehide, freeze, close; `heir` is another tab, if there is one
 * | full             | storage refused a write
 *
 * Invariants, each held by the test of that name in tests/browser/unit/election.test.js (some names go on:
 * after which event, with or without locks):
 *  1. Whoever sees a lease of an equal or higher term by another leads no more after that event.
 *     `outranked_tab_stands_down_at_any_event`
 *  2. Whoever starts to lead has a term higher than any that it has seen, cleared storage or not.
 *     `terms_only_grow`
 *  3. Left in peace, running tabs have exactly one master.  `peace_has_exactly_one_master`
 *  4. A dead master is replaced: released at once, killed within 6.5 s, hung within 11 s.
 *     `dead_master_is_replaced_in_time`
 *  5. A master that answers pings is never replaced by a tab that merely slept or joined.
 *     `live_master_is_left_alone`
 *  6. A tab steals at most once a minute, and never when its own timers were late.
 *     `steals_are_bounded`, `late_timer_asks_again`
 *  7. A resting tab neither leads nor holds the lock nor a lease that is not released.
 *     `resting_tab_holds_nothing`
 *  8. A master that was hidden for a minute yields to a visible tab, by name.
 *     `hidden_master_yields_to_a_visible_tab`
 *  9. Without locks, too, a master that goes is replaced at once by the heir it names, though all are hidden;
 *     where that one is dead, by another.  `hidden_heir_leads_at_once`, `dead_heir_is_not_waited_for`
 * 10. A lease that was cleared, or overwritten by a stale master, is written again by the master.
 *     `master_rewrites_its_lease`
 */

/**
 * @typedef {import('./lease.js').Lease} Lease
 *
 * @typedef {'seeking' | 'following' | 'waiting' | 'claimed' | 'asking' | 'stealing' | 'master' | 'yielding' | 'resting' | 'alone'} Phase
 *
 * @typedef {object} Election
 * @property {string} tab
 * @property {Phase} phase
 * @property {number} term       the term of one's own claim or leadership
 * @property {number} top        the highest term ever seen
 * @property {Lease | null} lease  as last read
 * @property {number} beat       one's own count
 * @property {number} beatAt     when one's own beat was last written
 * @property {number} dueAt      when the timer is due; Infinity: no timer
 * @property {boolean} visible
 * @property {number} hiddenAt   since when hidden; Infinity while visible
 * @property {boolean} locks     whether there are Web Locks
 * @property {number} stolenAt   when this tab last stole the lock
 *
 * @typedef {'start' | 'wake' | 'lease' | 'ping' | 'timer' | 'chunk' | 'tell' | 'answer' | 'superseded' | 'visible' | 'hidden' | 'granted' | 'lost' | 'lockless' | 'rest' | 'full'} EventType
 *
 * @typedef {object} ElectionEvent
 * @property {EventType} type
 * @property {number} now           ms, monotonic
 * @property {number} random        in [0, 1)
 * @property {Lease | null} lease   as it stands in storage now
 * @property {boolean} company      whether there are other tabs
 * @property {string | null} [heir] with `answer` and `rest`
 *
 * @typedef {{ type: 'write', lease: Lease } | { type: 'ping' } | { type: 'lock', how: 'queue' | 'steal' | 'release' }} Effect
 */

export const TIMES = Object.freeze({
  beat: 2000,
  loneBeat: 15_000,
  dead: 5000,
  answer: 600,
  settle: 60,
  anew: 300,
  late: 2000,
  steal: 60_000,
  yield: 60_000,
  yielding: 1000,
  heir: 400,
  full: 60_000,
});

/**
 * @param {string} tab
 * @param {{ locks: boolean, visible: boolean, now: number }} options
 * @returns {Election}
 */
export function initial(tab, { locks, visible, now }) {
  const hiddenAt = visible ? Infinity : now;
  return {
    tab, locks, visible, hiddenAt,
    phase: 'resting', term: 0, top: 0, lease: null, beat: 0, beatAt: -Infinity, dueAt: Infinity, stolenAt: -Infinity,
  };
}

/** Whether this tab polls for all. @param {Election} state */
export function leads(state) {
  return state.phase === 'master';
}

/**
 * @param {Election} state
 * @param {ElectionEvent} event
 * @returns {{ state: Election, effects: Effect[] }}
 */
export function step(state, event) {
  const next = { ...state };
  /** @type {Effect[]} */
  const effects = [];
  const turn = { s: next, e: event, effects };
  const news = observe(turn);
  if (['master', 'yielding', 'claimed'].includes(next.phase) && outranked(next)) standDown(turn);
  else if (next.phase === 'master' && !ownLease(next)) beat(turn);
  if (news) hear(turn);
  react(turn);
  return { state: next, effects };
}

/** @typedef {{ s: Election, e: ElectionEvent, effects: Effect[] }} Turn */

/** Notes the lease as it stands now; true if it is not the one known before. @param {Turn} turn */
function observe({ s, e }) {
  const before = s.lease;
  s.lease = e.lease;
  s.top = Math.max(s.top, e.lease?.term ?? 0);
  return before?.term !== e.lease?.term || before?.tab !== e.lease?.tab || before?.beat !== e.lease?.beat;
}

/** @param {Election} s */
function outranked(s) {
  return s.lease !== null && s.lease.tab !== s.tab && s.lease.term >= s.term;
}

/** @param {Election} s */
function ownLease(s) {
  return s.lease?.tab === s.tab && s.lease.term === s.term;
}

/** What a changed lease means to a tab that does not lead. @param {Turn} turn */
function hear(turn) {
  const { s } = turn;
  // Loading and waking, from rest, look at a lease of unknown age: only a later change proves life.
  if (['master', 'yielding', 'claimed', 'resting', 'alone'].includes(s.phase)) return;
  if (s.lease === null) return seek(turn);
  if (!s.lease.released) return follow(turn);
  if (s.locks) {
    follow(turn);
    if (s.lease.heir === s.tab) turn.effects.push({ type: 'lock', how: 'steal' });
  } else if (s.lease.heir === s.tab) lead(turn);
  else wait(turn);
}

/** @param {Turn} turn */
function react(turn) {
  const { s, e, effects } = turn;
  switch (e.type) {
    case 'start':
    case 'wake':
      return s.phase === 'resting' ? begin(turn) : undefined;
    case 'timer':
      return e.now >= s.dueAt ? onTimer(turn) : undefined;
    case 'ping':
    case 'tell':
      return leads(s) ? beat(turn) : undefined;
    case 'chunk':
      // The timer may have beaten just now; without timers, as in hidden tabs, every chunk counts.
      return leads(s) && e.now - s.beatAt >= TIMES.beat * 0.75 ? beat(turn) : undefined;
    case 'answer':
      return leads(s) && e.heir && e.now - s.hiddenAt >= TIMES.yield ? abdicate(turn, e.heir) : undefined;
    case 'superseded':
      return leads(s) ? lead(turn) : undefined;
    case 'visible':
    case 'hidden':
      return onVisibility(turn);
    case 'granted':
      if (s.phase === 'resting' || s.phase === 'alone') effects.push({ type: 'lock', how: 'release' });
      else lead(turn);
      return;
    case 'lost':
      return s.phase === 'resting' || s.phase === 'alone' ? undefined : standDown(turn);
    case 'lockless':
      s.locks = false;
      return s.phase === 'resting' || s.phase === 'alone' ? undefined : seek(turn);
    case 'rest':
      return retire(turn, 'resting', Infinity);
    case 'full':
      return retire(turn, 'alone', e.now + TIMES.full);
  }
}

/** @param {Turn} turn */
function onTimer(turn) {
  const { s, e, effects } = turn;
  const late = e.now - s.dueAt > TIMES.late;
  switch (s.phase) {
    case 'master':
      return beat(turn);
    case 'following':
      return seek(turn);
    case 'seeking':
      // Late: this tab slept, and the answer may be waiting behind this very timer.
      if (late) return seek(turn);
      return s.locks ? ask(turn) : claim(turn);
    case 'waiting':
      return late ? seek(turn) : claim(turn);
    case 'claimed':
      return ownLease(s) ? lead(turn, s.term) : claim(turn);
    case 'asking':
      if (late) return seek(turn);
      if (e.now - s.stolenAt < TIMES.steal) return follow(turn);
      return enter(turn, 'stealing', jitter(turn));
    case 'stealing':
      if (late) return seek(turn);
      s.stolenAt = e.now;
      effects.push({ type: 'lock', how: 'steal' });
      return follow(turn);
    case 'yielding':
      return standDown(turn);
    case 'alone':
      s.phase = 'resting';
      return begin(turn);
  }
}

/** @param {Turn} turn */
function onVisibility(turn) {
  const { s, e } = turn;
  s.visible = e.type === 'visible';
  s.hiddenAt = s.visible ? Infinity : Math.min(s.hiddenAt, e.now);
  if (leads(s)) beat(turn);
  else if (s.visible && s.phase === 'following') seek(turn);
}

/** @param {Turn} turn */
function begin(turn) {
  const { s, effects } = turn;
  if (s.locks) effects.push({ type: 'lock', how: 'queue' });
  if (!s.locks && (s.lease === null || s.lease.released)) wait(turn);
  else seek(turn);
}

/** @param {Turn} turn @param {Phase} phase @param {number} ms */
function enter({ s, e }, phase, ms) {
  s.phase = phase;
  s.dueAt = e.now + ms;
}

/** The jitter is in the same timer: in hidden tabs each timer more is a second more. @param {Turn} turn */
function seek(turn) {
  turn.effects.push({ type: 'ping' });
  enter(turn, 'seeking', TIMES.answer + (turn.s.locks ? 0 : jitter(turn)));
}

/** @param {Turn} turn */
function follow(turn) {
  enter(turn, 'following', TIMES.dead);
}

/** @param {Turn} turn */
function wait(turn) {
  // A named heir, if it lives, needs no more than this to write its lease.
  const head = turn.s.lease?.heir ? TIMES.heir : 0;
  if (turn.s.phase !== 'waiting') enter(turn, 'waiting', head + jitter(turn));
}

/** Visible tabs first. @param {Turn} turn */
function jitter({ s, e }) {
  return s.visible ? e.random * 30 : 50 + e.random * 100;
}

/** @param {Turn} turn */
function claim(turn) {
  turn.s.term = turn.s.top + 1;
  beat(turn);
  enter(turn, 'claimed', TIMES.settle);
}

/** A request made anew evicts a holder in the back-forward cache. @param {Turn} turn */
function ask(turn) {
  turn.effects.push({ type: 'lock', how: 'queue' });
  enter(turn, 'asking', TIMES.anew);
}

/** @param {Turn} turn */
function lead(turn, term = turn.s.top + 1) {
  turn.s.term = term;
  turn.s.phase = 'master';
  beat(turn);
}

/** Writes the lease with the next beat, and sets the timer for the one after it. @param {Turn} turn */
function beat(turn) {
  const { s, e } = turn;
  s.beat += 1;
  s.beatAt = e.now;
  if (s.phase === 'master') s.dueAt = e.now + (e.company ? TIMES.beat : TIMES.loneBeat);
  write(turn, false, null);
}

/** @param {Turn} turn @param {boolean} released @param {string | null} heir */
function write({ s, effects }, released, heir) {
  s.lease = { term: s.term, tab: s.tab, beat: s.beat, visible: s.visible, released, heir };
  s.top = Math.max(s.top, s.term);
  effects.push({ type: 'write', lease: s.lease });
}

/** Back into the queue, as one of many. @param {Turn} turn */
function standDown(turn) {
  if (turn.s.locks) turn.effects.push({ type: 'lock', how: 'queue' });
  follow(turn);
}

/**
 * With locks the heir steals: what waits in the queue before it may be hidden, too.
 * @param {Turn} turn
 * @param {string} heir
 */
function abdicate(turn, heir) {
  turn.s.beat += 1;
  write(turn, true, heir);
  if (turn.s.locks) enter(turn, 'yielding', TIMES.yielding);
  else follow(turn);
}

/** @param {Turn} turn @param {'resting' | 'alone'} phase @param {number} dueAt */
function retire(turn, phase, dueAt) {
  const { s, effects } = turn;
  if (s.phase === phase) return;
  if (ownLease(s) && !s.lease?.released) {
    s.beat += 1;
    // With locks the next in the queue is granted the lock.
    write(turn, true, (!s.locks && turn.e.heir) || null);
  }
  if (s.locks) effects.push({ type: 'lock', how: 'release' });
  s.phase = phase;
  s.dueAt = dueAt;
}
