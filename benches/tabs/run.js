/**
 * What many tabs cost and how fast they heal, in real Chromium: prints figures beside those that must
 * be reached.
 *
 *     npm run bench -- [rebroadcast] [idle] [failover]      in tests/browser, after cargo build --release
 */
import { loadavg } from 'node:os';
import { House } from '../../tests/browser/support/scene.js';
import { failover } from './failover.js';
import { idle } from './idle.js';
import { rebroadcast } from './rebroadcast.js';

const PARTS = { rebroadcast, idle, failover };

const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !(name in PARTS));
if (unknown.length > 0) {
  console.error(`There is no part ${unknown.join(', ')}: choose from ${Object.keys(PARTS).join(', ')}, or none for all.`);
  process.exit(2);
}

const house = new House();
await house.open({ networkEnabled: false });
try {
  console.log(`${await house.program.browser.version()}, load ${loadavg()[0]?.toFixed(1)}`);
  for (const [name, part] of Object.entries(PARTS)) {
    if (chosen.length === 0 || chosen.includes(name)) await part(house);
  }
} finally {
  await house.close();
}
