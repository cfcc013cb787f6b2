/**
 * Web Locks: one queue for each name, steals, and a holder that lets go some time after it died, and
 * never while it is only stopped.
 */
export class SimLocks {
  /** @param {import('./world.js').World} world */
  constructor(world) {
    this.world = world;
    /** @type {Map<string, { holder: Request | null, queue: Request[] }>} */
    this.byName = new Map();
    this.steals = [];
  }

  open(process) {
    return new Client(this, process);
  }

  of(name) {
    if (!this.byName.has(name)) this.byName.set(name, { holder: null, queue: [] });
    return this.byName.get(name);
  }

  /** @param {string} name */
  grantNext(name) {
    const lock = this.of(name);
    if (lock.holder || lock.queue.length === 0) return;
    const request = lock.queue.shift();
    lock.holder = request;
    request.client.deliver(() => request.run());
  }

  letGo(name, request) {
    const lock = this.of(name);
    lock.queue = lock.queue.filter((other) => other !== request);
    if (lock.holder !== request) return;
    lock.holder = null;
    this.grantNext(name);
  }
}

class Client {
  constructor(locks, process) {
    this.locks = locks;
    this.process = process;
    this.requests = new Set();
  }

  deliver(task) {
    const { world } = this.locks;
    world.after(world.random.between(0.5, 5), () => this.process.run(task));
  }

  request(name, { signal, steal = false }, held) {
    const { locks } = this;
    return new Promise((resolve, reject) => {
      const request = { client: this, name, reject, run: () => {} };
      this.requests.add(request);
      request.run = async () => {
        if (locks.of(name).holder !== request) return;
        await held();
        resolve(undefined);
        this.finish(request);
      };
      signal?.addEventListener('abort', () => {
        if (locks.of(name).holder === request) return;
        this.finish(request);
        reject(new Error('AbortError'));
      });
      // The request takes its way to the browser, as the grant does back.
      locks.world.after(locks.world.random.between(0.2, 2), () => {
        if (!this.requests.has(request)) return;
        const lock = locks.of(name);
        if (steal) {
          locks.steals.push({ at: locks.world.now, process: this.process });
          const victim = lock.holder;
          lock.holder = null;
          if (victim) victim.client.deliver(() => victim.reject(new Error('AbortError')));
          lock.queue.unshift(request);
        } else lock.queue.push(request);
        locks.grantNext(name);
      });
    });
  }

  finish(request) {
    this.requests.delete(request);
    this.locks.letGo(request.name, request);
  }

  /** The process died: the browser notices a little later. */
  die() {
    const { world } = this.locks;
    for (const request of [...this.requests]) world.after(world.random.between(10, 80), () => this.finish(request));
  }
}
