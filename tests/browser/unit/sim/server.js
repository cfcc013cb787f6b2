/**
 * The server's side of the protocol, as a model: one history of committed transactions, cursors that
 * are positions in it, polls that park, one poll a browser. Requests take time and get lost.
 */
const HORIZON = 60;
/** The most that a browser's term may grow by at once. */
const LARGEST_STEP = 1_000_000;
/** Characters of a text from which on an update that leaves it as it was leaves it out. */
const LARGE = 50;

export class SimServer {
  /** @param {import('./world.js').World} world */
  constructor(world) {
    this.world = world;
    world.server = this;
    this.up = true;
    /** Committed transactions; a position is how many of them one has seen. @type {object[][]} */
    this.history = [];
    /** @type {Record<string, Map<number, object>>[]} by position */
    this.states = [{}];
    this.oldest = 0;
    /** @type {Set<Poll>} */
    this.parked = new Set();
    /** @type {Map<string, number>} */
    this.terms = new Map();
    this.nextId = 1;
    this.polls = 0;
    this.unknown = new Set();
    /** Tables without a key: their rows have no id, and an update is told as a delete and an insert. */
    this.keyless = new Set(['k']);
    /** Can be listed, but not followed. */
    this.views = new Set();
    /** @type {string[]} what was listed */
    this.lists = [];
  }

  get position() {
    return this.history.length;
  }

  /**
   * Commits one transaction; an empty one is another's, on tables that nobody watches.
   * @param {{ table: string, op: 'insert' | 'update' | 'delete' | 'truncate', id?: number, row?: object }[]} changes
   */
  commit(changes) {
    const state = { ...this.states[this.position] };
    for (const [n, change] of changes.entries()) {
      change.position = this.position + 1;
      change.mtime = `${change.position}.${n}`;
      if (change.row && !this.keyless.has(change.table)) change.row = { ...change.row, mtime: change.mtime };
      const rows = new Map(change.op === 'truncate' ? [] : state[change.table]);
      change.old = rows.get(change.id) ?? null;
      if (change.op === 'delete') rows.delete(change.id);
      else if (change.op !== 'truncate') rows.set(change.id, change.row);
      state[change.table] = rows;
    }
    this.history.push(changes);
    this.states.push(state);
    this.oldest = Math.max(this.oldest, this.position - HORIZON);
    for (const poll of [...this.parked]) this.tryAnswer(poll);
  }

  insert(table, row) {
    const id = this.nextId++;
    this.commit([{ table, op: 'insert', id, row: this.keyless.has(table) ? row : { id, ...row } }]);
  }

  /** The rows of a table as a position sees them. @returns {Map<number, object>} */
  state(table, position = this.position) {
    return this.states[position][table] ?? new Map();
  }

  setUp(up) {
    this.up = up;
    if (up) return;
    for (const poll of [...this.parked]) this.unpark(poll).exchange.break();
    this.terms.clear();
  }

  fetch(process, url, init) {
    const exchange = new Exchange(this.world, process, init.signal);
    exchange.toServer(() => {
      if (!this.up) return exchange.break();
      if (url.endsWith('/notify')) this.notify(exchange, JSON.parse(init.body));
      else this.list(exchange, url);
    });
    return exchange.promise;
  }

  list(exchange, url) {
    const [, table, query] = /\/api\/([^?]*)\??(.*)$/.exec(url) ?? [];
    if (this.unknown.has(table)) return exchange.problem(404, 'not-found');
    const where = Object.fromEntries(query.split('&').filter(Boolean).map((term) => term.split('=eq.').map(decodeURIComponent)));
    const rows = [...this.state(table).values()].filter((row) => matches(row, where));
    // Without a key the database has no order of its own to keep.
    if (this.keyless.has(table)) rows.reverse();
    else rows.sort((a, b) => (a.id < b.id ? -1 : 1));
    const key = this.keyless.has(table) || this.views.has(table) ? {} : { 'Rowcast-Key': 'id' };
    this.lists.push(table + (query && `?${query}`));
    exchange.head(200, { 'Rowcast-Cursor': cursor(this.position), ...key });
    exchange.finish(print(rows));
  }

  notify(exchange, request) {
    const { browser, term, subscriptions } = request;
    const bad = subscriptions.find(({ table }) => this.unknown.has(table));
    if (bad) return exchange.problem(404, 'not-found');
    if (subscriptions.some(({ table }) => this.views.has(table))) return exchange.problem(400, 'view');
    if (browser) {
      const highest = this.terms.get(browser) ?? term;
      if (term < highest) return exchange.problem(409, 'superseded');
      if (term - highest > LARGEST_STEP) return exchange.problem(400, 'bad-request');
      this.terms.set(browser, term);
      for (const other of [...this.parked]) {
        if (other.request.browser === browser) this.supersede(other);
      }
    }
    const poll = { exchange, request, from: subscriptions.map(({ since }) => (since === 'now' ? this.position : Number(since.slice(1)))) };
    this.polls += 1;
    if (request.heartbeat) exchange.head(200, {});
    this.parked.add(poll);
    exchange.onEnd = () => this.unpark(poll);
    this.tryAnswer(poll);
    if (this.parked.has(poll)) this.park(poll);
  }

  park(poll) {
    const { exchange, request } = poll;
    poll.timer = this.world.after(request.wait * 1000, () => this.answer(poll, []));
    const beat = () => {
      if (!this.parked.has(poll)) return;
      exchange.chunk(' ');
      this.world.after(request.heartbeat * 1000, beat);
    };
    if (request.heartbeat) this.world.after(request.heartbeat * 1000, beat);
  }

  supersede(poll) {
    this.unpark(poll);
    if (poll.request.heartbeat) poll.exchange.finish(JSON.stringify({ problem: { type: 'urn:rowcast:superseded', title: 'superseded', status: 409 } }));
    else poll.exchange.problem(409, 'superseded');
  }

  tryAnswer(poll) {
    const answers = poll.request.subscriptions.flatMap((subscription, n) => this.tell(subscription, poll.from[n]));
    if (answers.length > 0) this.answer(poll, answers);
  }

  tell({ id, table, where = {} }, from) {
    if (from < this.oldest) return [{ id, reset: true }];
    const mine = this.history.slice(from).flat().filter((change) => change.table === table);
    if (mine.some(({ op }) => op === 'truncate')) return [{ id, reset: true }];
    const changes = mine.flatMap((change) => (this.keyless.has(table) ? this.split(change) : [this.describe(change)]));
    const told = changes.flatMap((change) => {
      const now = change.new && matches(change.new, where);
      const before = change.old && matches(change.old, where);
      if (!now && !before) return [];
      return [change.new && !now ? { ...change, leaves: true } : change];
    });
    return told.length > 0 ? [{ id, changes: told }] : [];
  }

  /** A change as it is told: a large text that an update did not touch is left out. */
  describe({ op, id, row, old, mtime }) {
    const elided = op === 'update' && row.text === old.text && row.text?.length >= LARGE ? ['text'] : [];
    return { op, key: [id], old: this.image(old, elided), new: this.image(row, elided), mtime, ...(elided.length > 0 && { elided }) };
  }

  /** A change of a table without a key: what came and what went, in any order. */
  split({ op, row, old, mtime }) {
    const came = op === 'delete' ? [] : [{ op: 'insert', key: null, old: null, new: this.image(row), mtime }];
    const went = op === 'insert' ? [] : [{ op: 'delete', key: null, old: this.image(old), new: null, mtime }];
    return this.world.random.chance(0.5) ? [...came, ...went] : [...went, ...came];
  }

  /** A row as a change has it. Rows of partitions may have their columns in another order than a list has. */
  image(row, without = []) {
    if (!row) return null;
    const columns = Object.keys(row).filter((column) => !without.includes(column));
    return Object.fromEntries((this.world.random.chance(0.5) ? columns : columns.reverse()).map((column) => [column, row[column]]));
  }

  answer(poll, answers) {
    if (!this.parked.has(poll)) return;
    this.unpark(poll);
    if (!poll.request.heartbeat) poll.exchange.head(200, {});
    poll.exchange.finish(print({ cursor: cursor(this.position), answers }));
  }

  unpark(poll) {
    this.world.cancel(poll.timer);
    this.parked.delete(poll);
    return poll;
  }
}

/** @param {number} position */
export function cursor(position) {
  return `c${position}`;
}

/** A column that is not there counts as matching: better told once too often. */
function matches(row, where) {
  return Object.entries(where).every(([column, value]) => !(column in row) || String(row[column]) === String(value));
}

/** As PostgreSQL prints: a bigint is a number of all its digits. */
function print(value) {
  const mark = 'bigint:';
  const text = JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? mark + part : part));
  return text.replaceAll(new RegExp(`"${mark}(-?\\d+)"`, 'g'), '$1');
}

/** One request on its connection. Nothing overtakes anything on it. */
class Exchange {
  constructor(world, process, signal) {
    this.world = world;
    this.process = process;
    this.arriveAt = 0;
    this.chunks = [];
    this.ended = false;
    this.onEnd = () => {};
    this.promise = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    const end = () => this.end(new Error('AbortError'));
    process.ends.add(end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
  }

  toServer(task) {
    this.world.after(this.world.random.between(0.3, 15), () => this.ended || task());
  }

  toPage(task) {
    this.arriveAt = Math.max(this.arriveAt, this.world.now + this.world.random.between(0.3, 10));
    this.world.at(this.arriveAt, () => this.ended || this.process.run(() => this.ended || task()));
  }

  head(status, headers) {
    this.toPage(() =>
      this.resolve({
        ok: status < 400,
        status,
        statusText: '',
        headers: { get: (name) => headers[name] ?? null },
        body: { getReader: () => ({ read: () => this.read() }) },
        text: () => this.text(),
      }),
    );
  }

  chunk(text) {
    this.toPage(() => this.push({ done: false, value: new TextEncoder().encode(text) }));
  }

  finish(text) {
    this.chunk(text);
    this.toPage(() => this.push({ done: true }));
  }

  problem(status, kind) {
    this.head(status, {});
    this.finish(JSON.stringify({ type: `urn:rowcast:${kind}`, title: kind, status }));
  }

  break() {
    this.toPage(() => this.end(new TypeError('Failed to fetch')));
  }

  push(item) {
    if (this.waiter) this.waiter.resolve(item);
    else this.chunks.push(item);
    this.waiter = null;
  }

  read() {
    if (this.chunks.length > 0) return Promise.resolve(this.chunks.shift());
    if (this.ended) return Promise.reject(this.ended);
    return new Promise((resolve, reject) => (this.waiter = { resolve, reject }));
  }

  async text() {
    let text = '';
    for (;;) {
      const { done, value } = await this.read();
      if (done) return text;
      text += new TextDecoder().decode(value);
    }
  }

  end(error) {
    if (this.ended) return;
    this.ended = error;
    if (this.process.life !== 'dead') {
      this.reject(error);
      this.waiter?.reject(error);
    }
    // The server notices a connection that ends after a moment.
    this.world.after(this.world.random.between(0.3, 10), () => this.onEnd());
  }
}
