/**
 * A random history: tabs come and go in every way there is, the server goes away, storage fills or is
 * cleared, and writers write throughout.
 */
import { Page } from './page.js';
import { SimServer } from './server.js';
import { World } from './world.js';

const MOST_TABS = 6;
const HOURS = 3_600_000;
/** The last two are large. */
const TEXTS = ['x'.repeat(10), 'y'.repeat(60), 'z'.repeat(60)];

/**
 * @param {number} seed
 * @param {{ locks: boolean, rounds: number, rowsInStorage?: boolean }} options
 * @returns {Promise<{ world: World, pages: Page[] }>} after a time of peace
 */
export async function chaos(seed, { locks, rounds, rowsInStorage = true }) {
  const world = new World(seed);
  const { random } = world;
  const server = new SimServer(world);
  /** @type {Page[]} */
  const pages = [];
  const open = () => {
    const tables = random.pick([['a'], ['a', 'b'], ['a', 'k'], ['a', 'b', 'k']]);
    const where = random.pick([undefined, undefined, { v: 1 }, { text: TEXTS[1] }, { v: 1, text: TEXTS[1] }]);
    pages.push(new Page(world, { locks, tables, where, rowsInStorage, visible: random.chance(0.6), speed: random.between(0.8, 1.25) }));
  };
  const some = (life) => random.pick(pages.filter(({ process }) => process.life === life))?.process;
  const deeds = [
    () => world.processes.filter(({ life }) => life !== 'dead').length < MOST_TABS && open(),
    () => some('running')?.close(),
    () => some('running')?.kill(),
    () => some('running')?.stop(),
    () => some('stopped')?.cont(),
    () => some('running')?.freeze(),
    () => some('frozen')?.resume(),
    () => some('running')?.setVisible(random.chance(0.5)),
    () => some('running')?.leap(random.pick([1000, 7000, 3 * HOURS])),
    () => some('running')?.setClock(random.pick([-7, 7]) * HOURS),
    () => server.setUp(!server.up || random.chance(0.7)),
    () => random.chance(0.2) && some('running')?.view.clear(),
    () => (world.storage.full = random.chance(0.1)),
  ];
  open();
  for (let round = 0; round < rounds; round++) {
    random.pick(deeds)();
    for (let i = random.integer(6); i > 0; i--) {
      write(server, random);
      await world.pass(random.chance(0.5) ? random.between(0, 30) : random.between(0, 400));
    }
    if (random.chance(0.3)) await world.pass(random.between(0, 9000));
  }
  world.storage.full = false;
  if (!server.up) server.setUp(true);
  for (const process of world.processes) {
    process.cont();
    process.resume();
  }
  if (world.running.length === 0) open();
  // Long enough for a roll call by the slowest clock: a tab that crashed is counted until then.
  await world.pass(420_000);
  return { world, pages: pages.filter(({ process }) => process.life === 'running') };
}

/** One transaction of a writer that no tab knows of, on a few tables. */
function write(server, random) {
  const tables = ['a', 'b', 'k'].filter(() => random.chance(0.5));
  if (random.chance(0.03)) server.commit(tables.slice(0, 1).map((table) => ({ table, op: 'truncate' })));
  else server.commit(tables.flatMap((table) => writeRow(server, table, random)));
}

/** What happens to one row. Half of the updates leave its text as it is. */
function writeRow(server, table, random) {
  const ids = [...server.state(table).keys()];
  const text = () => (random.chance(0.02) ? 'x'.repeat(70_000) : random.pick(TEXTS));
  const row = (id, like) => ({ ...(!server.keyless.has(table) && { id }), v: random.integer(3), text: like ?? text() });
  const kind = random.integer(20);
  if (ids.length === 0 || kind < 6) {
    const id = server.nextId++;
    return [{ table, op: 'insert', id, row: row(id) }];
  }
  const id = random.pick(ids);
  if (kind < 9) return [{ table, op: 'delete', id }];
  const like = server.state(table).get(id).text;
  const first = { table, op: 'update', id, row: row(id, random.chance(0.5) ? like : undefined) };
  if (kind < 17) return [first];
  return [first, { table, op: 'update', id, row: row(id, random.chance(0.5) ? first.row.text : undefined) }];
}
