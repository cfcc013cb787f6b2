import { Firefox } from './support/firefox.js';
import { CONTEXTS, House } from './support/scene.js';
import { until } from './support/until.js';
import { masterOf } from './support/tab.js';
const useBlank = process.argv[3] !== 'noblank';
const house = new House(Firefox); await house.open();
async function lives(tab) { const answer = tab.page.evaluate(() => true).catch(() => false); return Promise.race([answer, new Promise((r) => setTimeout(() => r(false), 2000))]); }
let ok = 0, bad = 0;
for (let i = 0; i < Number(process.argv[2]); i++) for (const [context, host] of CONTEXTS.slice(0, 1)) {
  const ends = []; const t = { after: (f) => ends.push(f) };
  let scene, stage = 'open', left = [], info = {};
  try {
    scene = await house.scene(t, host);
    const [master] = await scene.open(2);
    const all = [...scene.tabs];
    const pid = await scene.program.rendererOf(master.page);
    await scene.write(50);
    if (useBlank) await scene.program.blank.bringToFront();
    process.kill(pid, 'SIGKILL'); stage = 'killed';
    await until('dead', 5000, async () => !(await lives(master)));
    for (const tab of scene.tabs) if (await lives(tab)) left.push(tab);
    info.left = left.map((x) => all.indexOf(x));
    scene.tabs = left;
    stage = 'tab'; await scene.tab();
    stage = 'master'; await until('a master among the living', 9000, async () => (await scene.states()).some(({ role }) => role === 'master'));
    stage = 'proves'; await scene.proves(); ok++;
  } catch (e) {
    bad++; console.log(context, stage, info, String(e.message).slice(0, 300));
    for (const tab of scene?.tabs ?? []) {
      console.log(JSON.stringify(await Promise.race([tab.page.evaluate(() => ({ hidden: document.hidden, state: rowcast.state, live: live.status, raw: raw.status, at: raw.at, told: told.slice(-3), n: told.length, ls: Object.fromEntries(Object.entries(localStorage).map(([k, v]) => [k, v.slice(0, 160)])) })).catch((e) => 'E ' + e.message), new Promise((r) => setTimeout(() => r('hung'), 3000))])));
    }
    console.log('journal', scene?.writer?.journal.length, scene?.writer?.journal.slice(-3), 'polls', await scene?.server.pollsOpen());
  }
  for (const end of ends) await end().catch((e) => console.log('end', e.message.slice(0, 200)));
}
console.log({ ok, bad });
await house.close();
