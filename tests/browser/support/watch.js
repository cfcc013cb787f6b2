/** Looks at the server's own count of open polls, all the time, as the judge of who polls. */
export class PollWatch {
  /** The most that were ever open at once. */
  most = 0;
  /** ms: the longest time for which more were open than there are profiles. */
  crowded = 0;
  /** @type {number | null} */
  #crowdedSince = null;
  #stopped = false;
  #watching;

  /** @param {import('./server.js').Server} server @param {number} [profiles] */
  constructor(server, profiles = 1) {
    this.#watching = this.#watch(server, profiles);
  }

  async stop() {
    this.#stopped = true;
    await this.#watching;
    return this;
  }

  /** @param {import('./server.js').Server} server @param {number} profiles */
  async #watch(server, profiles) {
    while (!this.#stopped) {
      const open = await server.pollsOpen().catch(() => 0);
      const now = performance.now();
      this.most = Math.max(this.most, open);
      if (open <= profiles) this.#crowdedSince = null;
      else this.crowded = Math.max(this.crowded, now - (this.#crowdedSince ??= now));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}
