/**
 * A random history: tabs come and go in every way there is, the server goes away, storage fills or is
 * cleared, and writers write throughout.
 */
import { Page } from './page.js';
import { SimServer } from './server.js';
import { World } from './world.js';

const MOST_TABS = 6;

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
    const tables = random.chance(0.5) ? ['a'] : ['a', 'b'];
    const where = random.chance(0.2) ? { v: 1 } : undefined;
    pages.push(new Page(world, { locks, tables, where, rowsInStorage, visible: random.chance(0.6) }));
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
  // Long enough for a roll call: a tab that crashed is counted until then.
  await world.pass(330_000);
  return { world, pages: pages.filter(({ process }) => process.life === 'running') };
}

/** One transaction of a writer that no tab knows of. */
function write(server, random) {
  const table = random.pick(['a', 'b']);
  const ids = [...server.state(table).keys()];
  const row = () => ({ v: random.integer(3), text: 'x'.repeat(random.chance(0.03) ? 70_000 : 10) });
  const kind = random.integer(40);
  if (kind === 0) server.commit([{ table, op: 'truncate' }]);
  else if (kind < 8) server.commit([]);
  else if (kind < 14 && ids.length > 0) server.commit([{ table, op: 'delete', id: random.pick(ids) }]);
  else if (kind < 26 && ids.length > 0) {
    const id = random.pick(ids);
    server.commit([{ table, op: 'update', id, row: { id, ...row() } }]);
  } else server.insert(table, row());
}
