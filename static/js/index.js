/**
 * The hello-world page: one table, live in every tab. Meant to be copied from.
 *
 * It connects, keeps a live copy of a table, draws that copy by key whenever it changes, and writes
 * by plain REST. What it writes comes back as a change, like everybody else's, so no second copy of
 * the rows is kept here. The markup that it fills, and every `data-` attribute that it relies on,
 * is described in `pages/src/hello.rs`.
 */
import { all, find, setText, setTime, tell } from './page/dom.js';
import { arrange, fade, flash } from './page/lines.js';
import { showStatus } from './page/status.js';
import { send } from './page/write.js';
import { connect } from './rowcast.js';

/**
 * @typedef {import('./page/write.js').Row} Row
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

const section = find(HTMLElement, '#rows');
const tbody = find(HTMLTableSectionElement, 'tbody', section);
const add = /** @type {HTMLFormElement | null} */ (document.querySelector('#add'));

/** @type {Map<string, Line>} */
const lines = new Map();
let drawnBefore = false;

live.addEventListener('change', drawRows);
live.addEventListener('status', drawStatus);
tbody.addEventListener('click', onClick);
tbody.addEventListener('submit', onSave);
tbody.addEventListener('keydown', onKey);
add?.addEventListener('submit', onAdd);
document.addEventListener('click', onCopy);
showStatus(rowcast);
drawStatus();

/* ---- the rows ---- */

function drawStatus() {
  section.dataset.status = live.status;
  tell(section, live.status === 'error' && live.error);
  const { status, rows } = live;
  const when = status !== 'live' ? status : rows.length === 0 ? 'empty' : rows.length > LIMIT ? 'cut' : '';
  for (const place of all('[data-when]', section)) place.hidden = place.dataset.when !== when;
}

function drawRows() {
  const rows = new Map(live.rows.slice(0, LIMIT).map((row) => [String(row.id), /** @type {Row} */ (row)]));
  for (const [key, line] of lines) {
    if (!rows.has(key)) leave(key, line);
  }
  const shown = [...rows].map(([key, row]) => {
    const line = lines.get(key);
    return line ? update(line, row) : enter(key, row);
  });
  arrange(tbody, shown);
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
  fade(tr);
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

/** A fresh copy of the cells of a row's template. @param {'#row' | '#edit'} template */
function cells(template) {
  const copy = document.importNode(find(HTMLTemplateElement, template).content, true);
  return find(HTMLTableRowElement, 'tr', copy).children;
}
