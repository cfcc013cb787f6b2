/**
 * The hello-world page: one table, live in every tab. Meant to be copied from.
 *
 * It connects, keeps a live copy of a table, draws that copy by key whenever it changes, and writes
 * by plain REST. What it writes comes back as a change, like everybody else's, so no second copy of
 * the rows is kept here. The markup that it fills, and every `data-` attribute that it relies on,
 * is described in `pages/src/hello.rs`.
 */
import { connect } from './rowcast.js';

/**
 * @typedef {{ id: number, name: string, value: number | null, mtime: string }} Row
 * @typedef {{ title: string, detail?: string }} Problem  what the page shows of a problem+json body
 *
 * @typedef {object} Line  one row on the page
 * @property {HTMLTableRowElement} tr
 * @property {Row} row         as the live copy has it, even while the person sees something else
 * @property {boolean} editing
 * @property {boolean} busy     an answer of the server is awaited
 * @property {boolean} gone     deleted by somebody while it was being edited
 */

const TABLE = '/api/testtype';
/** Rows that are drawn at most, the newest first. */
const LIMIT = 200;

const rowcast = connect({ endpoint: '/' });
const live = rowcast.live('testtype', { order: '-id' });

const strip = find(HTMLElement, '#status');
const section = find(HTMLElement, '#rows');
const tbody = find(HTMLTableSectionElement, 'tbody', section);
const add = /** @type {HTMLFormElement | null} */ (document.querySelector('#add'));
const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

/** @type {Map<string, Line>} */
const lines = new Map();
let drawnBefore = false;

rowcast.addEventListener('state', drawState);
live.addEventListener('change', drawRows);
live.addEventListener('status', drawStatus);
tbody.addEventListener('click', onClick);
tbody.addEventListener('submit', onSave);
tbody.addEventListener('keydown', onKey);
add?.addEventListener('submit', onAdd);
document.addEventListener('click', onCopy);
setInterval(tick, 1000);
drawState();
drawStatus();

/* ---- the state of this tab ---- */

function drawState() {
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
  fact('role', title);
  fact('explains', explains);
  fact('connection', { connecting: 'Connecting', online: 'Live', offline: 'Away' }[connection]);
  // The first digits of an id are enough to tell tabs apart by eye.
  fact('tab', tab.slice(0, 4));
  fact('tabs', String(tabs));
  fact('term', term ? String(term) : '–');
  fact('problem', problem ? sentence(problem) : 'The server does not answer.');
  setTime(find(HTMLElement, '[data-state=since]', strip), masterSince, '–');
  setTime(find(HTMLElement, '[data-state=handover]', strip), lastHandover, 'none yet');
  tick();
}

/** What changes by the clock alone: ages, and the seconds until the next try. */
function tick() {
  const { connection, problem } = rowcast.state;
  const seconds = Math.ceil(((problem?.retryAt ?? 0) - Date.now()) / 1000);
  fact('retry', connection === 'offline' && seconds > 0 ? `Next try in ${seconds} s.` : 'Trying again…');
  for (const place of all('[data-at]')) setText(place, ago(Number(place.dataset.at)));
}

/** @param {string} name @param {string} text */
function fact(name, text) {
  setText(find(HTMLElement, `[data-state=${name}]`, strip), text);
}

/* ---- the rows ---- */

function drawStatus() {
  section.dataset.status = live.status;
  tell(section, live.status === 'error' && live.error);
  const { status, rows } = live;
  const when = status !== 'live' ? status : rows.length === 0 ? 'empty' : rows.length > LIMIT ? 'cut' : '';
  for (const place of all('[data-when]', section)) place.hidden = place.dataset.when !== when;
}

/** Draws by key: a row that stays keeps its elements, and with them the focus and what is being typed. */
function drawRows() {
  const rows = new Map(live.rows.slice(0, LIMIT).map((row) => [String(row.id), /** @type {Row} */ (row)]));
  for (const [key, line] of lines) {
    if (!rows.has(key)) leave(key, line);
  }
  // What fades away, or was deleted while it is being edited, stays where it is: it is passed over.
  const skip = (/** @type {Element | null} */ place) => {
    while (place instanceof HTMLElement && !rows.has(place.dataset.key ?? '')) place = place.nextElementSibling;
    return place;
  };
  let place = skip(tbody.firstElementChild);
  for (const [key, row] of rows) {
    const line = lines.get(key);
    const tr = line ? update(line, row) : enter(key, row);
    if (tr === place) place = skip(tr.nextElementSibling);
    else tbody.insertBefore(tr, place);
  }
  drawnBefore = true;
  drawStatus();
}

/** @param {string} key @param {Row} row */
function enter(key, row) {
  const tr = document.createElement('tr');
  tr.dataset.key = key;
  /** @type {Line} */
  const line = { tr, row, editing: false, busy: false, gone: false };
  lines.set(key, line);
  read(line);
  if (drawnBefore) flash(tr);
  return tr;
}

/** @param {Line} line @param {Row} row */
function update(line, row) {
  const { row: before, gone } = line;
  if (gone || before.mtime !== row.mtime || before.name !== row.name || before.value !== row.value) {
    Object.assign(line, { row, gone: false });
    if (line.editing) warn(line);
    else fill(line.tr, row);
    flash(line.tr);
  }
  return line.tr;
}

/** @param {string} key @param {Line} line */
function leave(key, line) {
  const { tr } = line;
  if (line.editing) {
    line.gone = !live.rows.some(({ id }) => String(id) === key);
    if (line.gone) warn(line);
    return;
  }
  lines.delete(key);
  delete tr.dataset.key;
  if (tr.contains(document.activeElement)) {
    const near = tr.nextElementSibling ?? tr.previousElementSibling;
    (near?.querySelector('button') ?? section).focus();
  }
  tr.inert = true;
  if (document.hidden || reducedMotion.matches) tr.remove();
  else tr.animate({ opacity: [1, 0] }, 400).onfinish = () => tr.remove();
}

/** @param {Line} line @param {Row} [row]  what the server just answered, where that is newer than the copy */
function read(line, row = line.row) {
  line.editing = false;
  delete line.tr.dataset.editing;
  line.tr.replaceChildren(...cells('#row'));
  fill(line.tr, row);
}

/** @param {Line} line */
function edit(line) {
  const { tr, row } = line;
  line.editing = true;
  tr.dataset.editing = '';
  tr.replaceChildren(...cells('#edit'));
  fill(tr, row);
  for (const input of tr.querySelectorAll('input')) {
    input.value = String(row[/** @type {'name' | 'value'} */ (input.name)] ?? '');
  }
  find(HTMLInputElement, 'input', tr).select();
}

/** Tells who edits a row what became of it meanwhile, and lets that person choose. @param {Line} line */
function warn({ tr, row, gone, busy }) {
  // One's own change comes back while its answer is awaited: that is nobody else's.
  if (busy) return;
  const now = `“${row.name}”, ${row.value ?? 'without a value'}`;
  setText(find(HTMLElement, '[data-note]', tr), gone ? 'Deleted meanwhile.' : `Changed meanwhile to ${now}.`);
  setText(find(HTMLElement, '[data-action=save]', tr), gone ? 'Add again' : 'Keep mine');
  setText(find(HTMLElement, '[data-action=cancel]', tr), gone ? 'Let it go' : 'Take theirs');
}

/* ---- what the person does ---- */

/** @param {Event} event */
function lineOf(event) {
  const tr = event.target instanceof Element && event.target.closest('tr');
  return (tr && lines.get(tr.dataset.key ?? '')) || null;
}

/** @param {MouseEvent} event */
function onClick(event) {
  const line = lineOf(event);
  const action = event.target instanceof Element && event.target.closest('button')?.dataset.action;
  if (!line || line.busy) return;
  if (action === 'edit') edit(line);
  if (action === 'cancel') close(line);
  if (action === 'delete') remove(line);
}

/** @param {KeyboardEvent} event */
function onKey(event) {
  const line = lineOf(event);
  if (line?.editing && !line.busy && event.key === 'Escape') close(line);
}

/** @param {SubmitEvent} event */
async function onAdd(event) {
  event.preventDefault();
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (form.ariaBusy === 'true') return;
  form.ariaBusy = 'true';
  const { problem } = await send('POST', TABLE, fields(form));
  form.ariaBusy = 'false';
  tell(form, problem);
  if (problem) return;
  form.reset();
  // For the next row; but not away from whatever the person has turned to meanwhile.
  if (form.contains(document.activeElement)) find(HTMLInputElement, 'input', form).focus();
}

/** Sends what differs from the row as it is known now: what nobody here touched stays another's. @param {SubmitEvent} event */
async function onSave(event) {
  event.preventDefault();
  const line = lineOf(event);
  if (!line || line.busy) return;
  const { tr, row: before, gone } = line;
  const wanted = fields(/** @type {HTMLFormElement} */ (event.target));
  const differs = Object.entries(wanted).filter(([name, value]) => before[/** @type {keyof Row} */ (name)] !== value);
  if (!gone && differs.length === 0) return close(line);
  busy(line, true);
  const { row, problem } = gone
    ? await send('POST', TABLE, wanted)
    : await send('PATCH', `${TABLE}/${before.id}`, Object.fromEntries(differs));
  busy(line, false);
  tell(tr, problem);
  if (!problem) close(line, line.row === before && row ? row : line.row);
  else if (line.row !== before || line.gone) warn(line);
}

/** Ends editing. The focus stays in the row, unless the person has left it. @param {Line} line */
function close(line, row = line.row) {
  const focused = line.tr.contains(document.activeElement);
  read(line, row);
  if (focused) find(HTMLButtonElement, '[data-action=edit]', line.tr).focus();
  drawRows();
}

/** The row itself goes when the change arrives. @param {Line} line */
async function remove(line) {
  busy(line, true);
  const { problem } = await send('DELETE', `${TABLE}/${line.row.id}`);
  busy(line, false);
  tell(line.tr, problem);
}

/** @param {MouseEvent} event */
async function onCopy(event) {
  const button = event.target instanceof Element && event.target.closest('button');
  if (!button || !button.dataset.copy) return;
  const source = find(HTMLElement, `#${button.dataset.copy}`);
  try {
    await navigator.clipboard.writeText(source.textContent ?? '');
    button.textContent = 'Copied';
  } catch {
    // Plain http on another host has no clipboard: select the text, so that the keyboard copies it.
    getSelection()?.selectAllChildren(source);
    button.textContent = 'Selected';
  }
  setTimeout(() => (button.textContent = 'Copy'), 2000);
}

/* ---- helpers ---- */

/**
 * One request that writes. Never throws: what went wrong comes back as a problem to be shown.
 * @param {'POST' | 'PATCH' | 'DELETE'} method @param {string} path @param {object} [body]
 * @returns {Promise<{ row?: Row, problem?: Problem }>}
 */
async function send(method, path, body) {
  try {
    const headers = { 'Content-Type': 'application/json' };
    const response = await fetch(path, body ? { method, headers, body: JSON.stringify(body) } : { method });
    if (response.status === 204) return {};
    if (response.ok) return { row: await response.json() };
    const told = response.headers.get('Content-Type')?.startsWith('application/problem+json');
    return { problem: told ? await response.json() : { title: `The server answered ${response.status}` } };
  } catch {
    return { problem: { title: 'The server does not answer', detail: 'Try again when this tab is live.' } };
  }
}

/** @param {HTMLFormElement} form */
function fields(form) {
  const { name, value } = Object.fromEntries(new FormData(form));
  return { name: String(name), value: value === '' ? null : Number(value) };
}

/** @param {HTMLTableRowElement} tr @param {Row} row */
function fill(tr, row) {
  for (const place of all('[data-field]', tr)) {
    const field = /** @type {keyof Row} */ (place.dataset.field);
    if (place instanceof HTMLTimeElement) {
      place.dateTime = row.mtime;
      setTime(place, Date.parse(row.mtime), row.mtime);
    } else setText(place, String(row[field] ?? ''));
  }
  for (const named of all('[data-verb]', tr)) named.ariaLabel = `${named.dataset.verb} ${row.name}`;
}

/** @param {Line} line @param {boolean} on */
function busy(line, on) {
  line.busy = on;
  line.tr.ariaBusy = String(on);
  for (const input of line.tr.querySelectorAll('input')) input.readOnly = on;
}

/** Shows a problem in its place, or clears that place. @param {Element} where @param {Problem | null | false} [problem] */
function tell(where, problem) {
  setText(find(HTMLElement, '[data-error]', where), problem ? sentence(problem) : '');
}

/** @param {Problem} problem */
function sentence({ title, detail }) {
  return (detail ? `${title}: ${detail}` : title).replace(/[^.!?]$/, '$&.');
}

/** @param {HTMLElement} tr */
function flash(tr) {
  const easing = reducedMotion.matches ? 'step-end' : 'ease-out';
  tr.animate([{ backgroundColor: 'var(--flash)', offset: 0 }], { duration: 1800, easing });
}

/** A fresh copy of the cells of a row's template. @param {'#row' | '#edit'} template */
function cells(template) {
  const copy = document.importNode(find(HTMLTemplateElement, template).content, true);
  return find(HTMLTableRowElement, 'tr', copy).children;
}

/**
 * Shows a time as its age, and exactly to who asks.
 * @param {HTMLElement} place @param {number | null} time  ms since the epoch
 * @param {string} otherwise  what stands there without a time
 */
function setTime(place, time, otherwise) {
  setText(place, time === null ? otherwise : ago(time));
  if (time === null) return delete place.dataset.at;
  place.dataset.at = String(time);
  place.title = new Date(time).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'long' });
}

/** @param {number} time */
function ago(time) {
  // The server's clock may be ahead of this one: nothing has changed in the future.
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 60 * 60) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 24 * 60 * 60) return `${Math.floor(seconds / 60 / 60)} h ago`;
  return new Date(time).toLocaleDateString('en-GB', { dateStyle: 'medium' });
}

/** Writes only what differs, so that a live region speaks only of news. @param {HTMLElement} place @param {string} text */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @param {string} selector @param {ParentNode} [root] @returns {NodeListOf<HTMLElement>} */
function all(selector, root = document) {
  return root.querySelectorAll(selector);
}

/**
 * The element that the page is known to have; without it script and markup do not belong together.
 * @template {Element} T
 * @param {new () => T} kind @param {string} selector @param {ParentNode} [root]
 * @returns {T}
 */
function find(kind, selector, root = document) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${kind.name} at ${selector}`);
}
