/**
 * The page of one table: its rows as they are now. The markup that it fills is described in `pages/src/live.rs`.
 */
import { all, find, setText, setTime, tell } from './page/dom.js';
import { arrange, fade, flash } from './page/lines.js';
import { browserEnv } from './env.js';
import { list } from './list.js';
import { showStatus } from './page/status.js';
import { connect } from './rowcast.js';

/**
 * @typedef {import('./types.js').Row} Row
 * @typedef {{ rows: readonly Row[], status: string, error: import('./types.js').Problem | null }} Shown
 */

/** Rows that are drawn at most. */
const LIMIT = 500;

const section = find(HTMLElement, '#rows');
const head = find(HTMLTableRowElement, 'thead tr', section);
const tbody = find(HTMLTableSectionElement, 'tbody', section);
const keyColumns = [...all('[data-key]', head)].map((th) => th.dataset.column ?? '');

/** @type {Map<string, { tr: HTMLTableRowElement, text: string }>} */
let lines = new Map();
let drawnBefore = false;

/** @type {Shown} */
let live = { rows: [], status: 'loading', error: null };
if ('followed' in section.dataset) follow(section.dataset.table ?? '');
else readOnce(section.dataset.table ?? '');

/** @param {string} table */
function follow(table) {
  const rowcast = connect({ endpoint: '/' });
  const replica = rowcast.live(table);
  live = replica;
  replica.addEventListener('change', drawRows);
  replica.addEventListener('status', drawStatus);
  showStatus(rowcast);
  drawStatus();
}

/** A view, whose changes nobody captures. @param {string} table */
async function readOnce(table) {
  const listed = await list(browserEnv(), '/', table);
  if (listed.kind === 'rows') live = { rows: listed.rows, status: 'live', error: null };
  else if (listed.kind === 'problem') live = { rows: [], status: 'error', error: listed.problem };
  drawRows();
}

function drawStatus() {
  section.dataset.status = live.status;
  tell(section, live.status === 'error' && live.error);
  const { status, rows } = live;
  const when = status !== 'live' ? status : rows.length === 0 ? 'empty' : rows.length > LIMIT ? 'cut' : '';
  for (const place of all('[data-when]', section)) place.hidden = place.dataset.when !== when;
}

function drawRows() {
  const shown = live.rows.slice(0, LIMIT);
  if (shown[0]) fitHead(Object.keys(shown[0]));
  const before = lines;
  lines = new Map();
  for (const row of shown) {
    const name = nameOf(row);
    const text = JSON.stringify(row);
    const line = before.get(name) ?? { tr: document.createElement('tr'), text: '' };
    before.delete(name);
    if (line.text !== text) {
      fill(line.tr, row);
      if (drawnBefore) flash(line.tr);
    }
    lines.set(name, { tr: line.tr, text });
  }
  for (const { tr } of before.values()) fade(tr);
  arrange(tbody, [...lines.values()].map(({ tr }) => tr));
  drawnBefore = true;
  drawStatus();
}

/** What tells a row from the others; where there is no key, the row itself, and which of its like it is. @param {Row} row */
function nameOf(row) {
  if (keyColumns.length > 0) return JSON.stringify(keyColumns.map((column) => row[column]));
  const text = JSON.stringify(row);
  let twin = 0;
  while (lines.has(`${text} ${twin}`)) twin += 1;
  return `${text} ${twin}`;
}

/** The table may have got other columns since the page was made. @param {string[]} columns */
function fitHead(columns) {
  const known = [...head.cells].map((th) => th.dataset.column);
  if (known.length === columns.length && columns.every((column) => known.includes(column))) return;
  head.replaceChildren(
    ...columns.map((column) => {
      const th = document.createElement('th');
      th.scope = 'col';
      th.dataset.column = th.textContent = column;
      return th;
    }),
  );
  for (const line of lines.values()) line.text = '';
}

/** @param {HTMLTableRowElement} tr @param {Row} row */
function fill(tr, row) {
  const cells = [...head.cells].map((th) => {
    const column = th.dataset.column ?? '';
    const value = row[column];
    const td = document.createElement('td');
    if (column === 'mtime') {
      const time = document.createElement('time');
      time.dateTime = String(value);
      setTime(time, Date.parse(String(value)), String(value));
      td.className = 'mtime';
      td.append(time);
    } else {
      td.classList.toggle('null', value === null || value === undefined);
      setText(td, value === null || value === undefined ? 'null' : typeof value === 'object' ? JSON.stringify(value) : String(value));
    }
    return td;
  });
  tr.replaceChildren(...cells);
}
