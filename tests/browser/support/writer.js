/**
 * A writer that writes throughout: one transaction a row, in one session, as long as it is let. Its
 * journal is what every tab must be told, each entry once and in this order.
 */
export class Writer {
  /** Each as `op id`. @type {string[]} */
  journal = [];
  /** @type {number[]} ids of the rows that there are, the oldest first */
  rows = [];
  inserted = 0;
  #session;
  #ended;
  /** @type {any} */
  #timer;

  /**
   * @param {import('./cluster.js').Cluster} cluster
   * @param {string} url
   * @param {{ every?: number, before?: Writer | null }} [options]  `every`: ms; `before`: a writer that has stopped, to go on from
   */
  constructor(cluster, url, { every = 20, before } = {}) {
    if (before) ({ journal: this.journal, rows: this.rows, inserted: this.inserted } = before);
    this.#session = cluster.session(url);
    this.#ended = new Promise((resolve) => this.#session.once('exit', resolve));
    // What it died of is told when it is stopped.
    this.#session.stdin.on('error', () => clearInterval(this.#timer));
    this.#timer = setInterval(() => this.write(), every);
  }

  /** An insert, as a rule; now and then an update, or the oldest row goes. */
  write() {
    const n = this.journal.length;
    const [oldest = 0] = this.rows;
    if (n % 5 === 4) this.#do('update', this.inserted, `update testtype set value = ${n} where id = ${this.inserted}`);
    else if (n % 7 === 6) {
      this.#do('delete', oldest, `delete from testtype where id = ${oldest}`);
      this.rows.shift();
    } else {
      this.inserted += 1;
      this.rows.push(this.inserted);
      this.#do('insert', this.inserted, `insert into testtype (id, name, value) values (${this.inserted}, 'row', ${n})`);
    }
  }

  /** The last change has been committed when this resolves. It is written now, so that who has just joined is told something, too. */
  async stop() {
    clearInterval(this.#timer);
    if (!this.#session.stdin.writableEnded) {
      this.write();
      this.#session.stdin.end();
    }
    const code = await this.#ended;
    if (code !== 0) throw new Error(`psql ended with ${code}`);
  }

  /** @param {string} op @param {number} id @param {string} sql */
  #do(op, id, sql) {
    this.journal.push(`${op} ${id}`);
    this.#session.stdin.write(`${sql};\n`);
  }
}
