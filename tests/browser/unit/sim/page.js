/**
 * A page in the simulated browser, with a record of all that it is told.
 */
import assert from 'node:assert/strict';
import { connect } from '../../../../static/js/rowcast.js';
import { SimServer } from './server.js';
import { World } from './world.js';

// Node 18 has no CustomEvent.
globalThis.CustomEvent ??= class CustomEvent extends Event {
  constructor(type, { detail }) {
    super(type);
    this.detail = detail;
  }
};

/** Opens a tab that keeps a replica of each table, checked against the server's history at every change. */
export class Page {
  /**
   * @param {import('./world.js').World} world
   * @param {{ visible?: boolean, locks?: boolean, tables?: string[], where?: object, rowsInStorage?: boolean }} [options]
   */
  constructor(world, options = {}) {
    const { tables = ['a'], where, rowsInStorage = true } = options;
    this.world = world;
    this.process = world.spawn(options);
    this.rowcast = connect({ env: this.process.env, rowsInStorage });
    this.told = 0;
    this.heard = 0;
    this.replicas = tables.map((table) => this.replica(table, where));
    this.listenRaw(tables[0]);
  }

  replica(table, where) {
    const live = this.rowcast.live(table, { where });
    live.addEventListener('change', () => {
      this.told += 1;
      this.check(live);
    });
    return live;
  }

  /** Raw changes: each once, in order, none left out, from where the subscription began or began anew. */
  listenRaw(table) {
    /** @type {number | null} */
    let seen = null;
    const raw = this.rowcast.subscribe(table, {}, ({ changes, reset }) => {
      const at = Number(raw.at.slice(1));
      const { history } = this.world.server;
      const expected = reset ? [] : history.slice(seen, at).flat().filter((change) => change.table === table);
      const told = changes.map(({ op, mtime }) => `${op} ${mtime}`);
      assert.deepEqual(told, expected.map(({ op, mtime }) => `${op} ${mtime}`), `${this.process.name}: raw ${table} from c${seen} to c${at}`);
      this.heard += changes.length;
      seen = at;
    });
    raw.addEventListener('status', () => (seen ??= raw.at && Number(raw.at.slice(1))));
    this.raw = raw;
  }

  /** What the replica shows is what the database held where the replica stands. */
  check(live) {
    const position = Number(live.at.slice(1));
    const where = Object.entries(live.where ?? {});
    const rows = [...this.world.server.state(live.table, position).values()].filter((row) => where.every(([column, value]) => row[column] === value));
    assert.deepEqual(inOrder(live.rows), inOrder(rows), `${this.process.name}: ${live.id} at ${live.at}`);
  }

  /** Everything has arrived. */
  checkCurrent() {
    for (const live of this.replicas) {
      assert.equal(live.status, 'live', `${this.process.name}: ${live.id}`);
      this.check(live);
      const now = this.world.server.state(live.table);
      const then = this.world.server.state(live.table, Number(live.at.slice(1)));
      assert.deepEqual([...then], [...now], `${this.process.name}: ${live.id} is behind, at ${live.at}`);
    }
  }

  get role() {
    return this.rowcast.state.role;
  }
}

/** A tab with one live table of two rows, settled, without any other tab. */
export async function lonePage(options) {
  const world = new World(11);
  const server = new SimServer(world);
  server.insert('a', { v: 1 });
  server.insert('a', { v: 2 });
  const tab = new Page(world, { locks: true, ...options });
  await world.pass(500);
  return { world, server, tab, live: tab.replicas[0] };
}

/** Rows as texts, in an order of their own: neither the order of rows nor that of columns matters. */
function inOrder(rows) {
  return rows.map((row) => JSON.stringify(Object.entries(row).sort())).sort();
}
