/** The server, on a free port. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Background } from './processes.js';
import { until } from './until.js';

const CHECKOUT = new URL('../../../', import.meta.url).pathname;
/** What the tests run is checked at run time; benches measure what is shipped. */
const PROFILE = process.env.ROWCAST_TEST_PROFILE ?? 'debug';
const BINARY = join(process.env.CARGO_TARGET_DIR ?? join(CHECKOUT, 'target'), PROFILE, 'rowcast');

/** The name under which the server is no secure context. */
export const PLAIN_HOST = 'rowcast.test';

export class Server {
  #directory = mkdtempSync(join(tmpdir(), 'rowcast-server-'));
  #databaseUrl;
  /** @type {Background | null} */
  #process = null;

  /** @param {string} databaseUrl @param {number} port */
  constructor(databaseUrl, port) {
    this.#databaseUrl = databaseUrl;
    this.port = port;
  }

  /**
   * @param {string} databaseUrl
   * @param {string} [settings]  more lines of the configuration
   * @param {string} [exposed]  the lines under [expose]
   */
  static async start(databaseUrl, settings = '', exposed = 'testtype = "rw"') {
    const server = new Server(databaseUrl, await freePort());
    const config = `public_hosts = ["${PLAIN_HOST}"]\n${settings}\n\n[expose]\n${exposed}\n`;
    writeFileSync(join(server.#directory, 'rowcast.toml'), config);
    try {
      await server.up();
      return server;
    } catch (error) {
      await server.stop();
      throw error;
    }
  }

  async up() {
    const environment = { PATH: process.env.PATH, DATABASE_URL: this.#databaseUrl, ROWCAST_PORT: String(this.port) };
    const child = new Background(BINARY, ['serve'], { cwd: this.#directory, env: environment });
    this.#process = child;
    await until('the server to be ready', 20_000, async () => {
      if (child.gone) throw new Error(child.said);
      const response = await fetch(`http://127.0.0.1:${this.port}/readyz`);
      if (!response.ok) throw new Error(await response.text());
      return true;
    });
  }

  /** Away, as after a crash. */
  async down() {
    await this.#process?.end('SIGKILL');
  }

  async stop() {
    await this.#process?.end('SIGTERM');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  /** How many polls the server holds open, by its own count. */
  async pollsOpen() {
    const text = await (await fetch(`http://127.0.0.1:${this.port}/metrics`)).text();
    return Number(/^rowcast_polls_open (\d+)$/m.exec(text)?.[1]);
  }
}

/** @returns {Promise<number>} */
export function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
