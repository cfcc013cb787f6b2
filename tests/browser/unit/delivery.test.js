/** Whole tabs in the simulated browser, under random histories. A failure names its seed. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chaos } from './sim/chaos.js';

const SEEDS = Number(process.env.SEEDS ?? 15);
const FIRST = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));

for (const locks of [true, false]) {
  for (const rowsInStorage of [true, false]) {
    const name = `replica_equals_the_oracle_${locks ? 'with' : 'without'}_locks${rowsInStorage ? '' : '_keeping_rows_out_of_storage'}`;
    test(name, async (t) => {
      for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
        await within(`seed ${seed} (SEED=${seed} SEEDS=1)`, async () => {
          const { world, pages } = await chaos(seed, { locks, rowsInStorage, rounds: 60 });
          for (const page of pages) page.checkCurrent();
          const roles = pages.map(({ role }) => role).sort();
          assert.equal(roles.filter((role) => role === 'master').length, 1, `roles: ${roles}`);
          assert.equal(roles.filter((role) => role === 'follower').length, pages.length - 1, `roles: ${roles}`);
          // One poll may just be going over into the next.
          if (world.server.parked.size === 0) await world.pass(100);
          assert.equal(world.server.parked.size, 1, 'polls that are open at the server');
          assert.deepEqual(leftBehind(world, pages), [], 'keys of tabs that are no more');
          assert.ok(pages.every(({ rowcast }) => rowcast.state.tabs === pages.length), 'every tab knows how many there are');
        });
      }
      t.diagnostic(`seeds ${FIRST} to ${FIRST + SEEDS - 1}`);
    });
  }
}

/** What lies in storage beside the lease, the ping, the browser's id, the log's slots and a key for each tab. */
function leftBehind(world, pages) {
  const tabs = pages.map(({ rowcast }) => rowcast.state.tab);
  const names = [...world.storage.truth.keys()].map((key) => key.replace(/^rowcast:1:[^:]*:/, ''));
  return names.filter((name) => !['lease', 'ping', 'browser'].includes(name) && !tabs.includes(name.replace(/^tab:/, '')) && !/^log:([12]?\d|3[01])$/.test(name));
}

async function within(what, run) {
  const wrong = [];
  const onError = (error) => wrong.push(error);
  // What a listener throws is reported there, not to us.
  process.on('uncaughtException', onError);
  try {
    await run();
    if (wrong.length > 0) throw wrong[0];
  } catch (error) {
    error.message = `${what}: ${error.message}`;
    throw error;
  } finally {
    process.off('uncaughtException', onError);
  }
}
