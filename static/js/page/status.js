/**
 * The strip that tells, at a glance, what this tab is and how it fares: master or follower, live or away.
 */
import { ago, all, find, sentence, setText, setTime } from './dom.js';

/** @typedef {import('../rowcast.js').Rowcast} Rowcast */

/** Keeps the strip true from here on. @param {Rowcast} rowcast */
export function showStatus(rowcast) {
  const strip = find(HTMLElement, '#status');
  const draw = () => drawState(strip, rowcast);
  rowcast.addEventListener('state', draw);
  setInterval(() => tick(strip, rowcast), 1000);
  draw();
}

/** @param {HTMLElement} strip @param {Rowcast} rowcast */
function drawState(strip, rowcast) {
  const { role, tab, master, tabs, term, connection, problem, reason, masterSince, lastHandover } = rowcast.state;
  const all = tabs === 1 ? 'this tab alone' : tabs === 2 ? 'both tabs' : `all ${tabs} tabs`;
  const [title, explains] = {
    starting: ['Starting', 'finding out which tab is master'],
    master: ['Master', `polls the server for ${all}`],
    follower: ['Follower', `listens to tab ${master?.slice(0, 4)}, which polls for ${all}`],
    alone: ['Alone', `polls for itself: ${reason}`],
  }[role];
  strip.dataset.role = role;
  strip.dataset.connection = connection;
  document.title = `${title} · rowcast`;
  fact(strip, 'role', title);
  fact(strip, 'explains', explains);
  fact(strip, 'connection', { connecting: 'Connecting', online: 'Live', offline: 'Away' }[connection]);
  // The first digits of an id are enough to tell tabs apart by eye.
  fact(strip, 'tab', tab.slice(0, 4));
  fact(strip, 'tabs', String(tabs));
  fact(strip, 'term', term ? String(term) : '–');
  fact(strip, 'problem', problem ? sentence(problem) : 'The server does not answer.');
  setTime(find(HTMLElement, '[data-state=since]', strip), masterSince, '–');
  setTime(find(HTMLElement, '[data-state=handover]', strip), lastHandover, 'none yet');
  tick(strip, rowcast);
}

/** What changes by the clock alone: ages, and the seconds until the next try. @param {HTMLElement} strip @param {Rowcast} rowcast */
function tick(strip, rowcast) {
  const { connection, problem } = rowcast.state;
  const seconds = Math.ceil(((problem?.retryAt ?? 0) - Date.now()) / 1000);
  fact(strip, 'retry', connection === 'offline' && seconds > 0 ? `Next try in ${seconds} s.` : 'Trying again…');
  for (const place of all('[data-at]')) setText(place, ago(Number(place.dataset.at)));
}

/** @param {HTMLElement} strip @param {string} name @param {string} text */
function fact(strip, name, text) {
  setText(find(HTMLElement, `[data-state=${name}]`, strip), text);
}
