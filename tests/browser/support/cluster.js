/** A PostgreSQL cluster of the test's own: a unix socket in a temporary directory, no TCP. */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Background, run } from './processes.js';
import { until } from './until.js';

const CHECKOUT = new URL('../../../', import.meta.url).pathname;

export class Cluster {
  #directory = mkdtempSync(join(tmpdir(), 'rowcast-'));
  #programs = findPrograms();
  #user = process.getuid?.() === 0 ? idsOf('postgres') : {};
  /** @type {Background | null} */
  #server = null;
  #databases = 0;
  /** A template is copied for one at a time. @type {Promise<unknown>} */
  #making = Promise.resolve();
  /** The database that the schema was loaded into, by a role that is no superuser. */
  url = `postgresql://app@/browser?host=${encodeURIComponent(this.#directory)}`;

  /** Makes the cluster, starts it and loads the schema with the script that a person would use. */
  static async start() {
    const cluster = new Cluster();
    try {
      await cluster.#init();
      await cluster.up();
      const admin = cluster.url.replace('app@/browser', 'postgres@/postgres');
      await run(join(cluster.#programs, 'psql'), ['-XqAt', admin, '-c', 'create role app login createdb createrole']);
      const maintenance = cluster.url.replace('/browser', '/postgres');
      await run(join(CHECKOUT, 'reinitdb.sh'), ['browser'], { env: { ...process.env, DATABASE_URL: maintenance } });
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  async up() {
    const args = ['-D', join(this.#directory, 'data'), '-k', this.#directory, '-c', 'listen_addresses=', '-c', 'fsync=off'];
    const server = new Background(join(this.#programs, 'postgres'), args, { ...this.#user, cwd: this.#directory });
    this.#server = server;
    await until('PostgreSQL to accept connections', 20_000, () => {
      if (server.gone) throw new Error(server.said);
      return run(join(this.#programs, 'pg_isready'), ['-q', '-h', this.#directory]).then(() => true);
    });
  }

  /**
   * Runs SQL by the real psql, in one session.
   * @param {string} sql
   * @param {string} [url]  of another database than the first
   * @returns {Promise<string>} its output, unaligned
   */
  psql(sql, url = this.url) {
    return run(join(this.#programs, 'psql'), ['-XqAt', '-v', 'ON_ERROR_STOP=1', url], { input: sql });
  }

  /** One psql that takes statements for as long as it is open. @param {string} url */
  session(url) {
    return spawn(join(this.#programs, 'psql'), ['-XqAt', '-v', 'ON_ERROR_STOP=1', url], { stdio: ['pipe', 'ignore', 'inherit'] });
  }

  /** Another database with the same schema, for a scenario of its own. @returns {Promise<string>} its URL */
  async another() {
    this.#databases += 1;
    const name = `browser_${this.#databases}`;
    const made = this.#making.then(() => this.psql(`create database ${name} template browser`, this.url.replace('/browser', '/postgres')));
    this.#making = made.catch(() => {});
    await made;
    return this.url.replace('/browser', `/${name}`);
  }

  /** Ends the cluster and removes it. */
  async stop() {
    await this.#server?.end('SIGINT');
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #init() {
    if (this.#user.uid !== undefined) chownSync(this.#directory, this.#user.uid, this.#user.gid ?? 0);
    chmodSync(this.#directory, 0o700);
    const args = ['-D', join(this.#directory, 'data'), '-A', 'trust', '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync'];
    await run(join(this.#programs, 'initdb'), args, { ...this.#user, cwd: this.#directory });
  }
}

/** The newest of what Debian installs; elsewhere, what is in PATH. */
function findPrograms() {
  const root = '/usr/lib/postgresql';
  try {
    const versions = readdirSync(root).map(Number).filter(Boolean).sort((a, b) => b - a);
    if (versions.length > 0) return join(root, String(versions[0]), 'bin');
  } catch {
    // Not Debian.
  }
  return execFileSync('pg_config', ['--bindir'], { encoding: 'utf8' }).trim();
}

/** PostgreSQL refuses to run as root. @param {string} user */
function idsOf(user) {
  const id = (/** @type {string} */ flag) => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
