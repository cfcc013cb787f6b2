/**
 * A browser in a box: a clock that is turned by hand, processes that stop, freeze and die, and the
 * storage, locks and network between them. One seed is one history.
 */
import { SimLocks } from './locks.js';
import { randomFrom } from './random.js';
import { SimStorage } from './storage.js';

export class World {
  /** @param {number} seed */
  constructor(seed) {
    this.seed = seed;
    this.random = randomFrom(seed);
    this.now = 0;
    this.storage = new SimStorage(this);
    this.locks = new SimLocks(this);
    /** Things to come, sorted by time; equal times in the order of asking. */
    this.queue = [];
    this.processes = [];
    /** @type {import('./server.js').SimServer | null} */
    this.server = null;
  }

  /** @param {number} delay ms @param {() => void} run */
  after(delay, run) {
    return this.at(this.now + delay, run);
  }

  /**
   * What is asked for equal times comes in the order of asking: so give such times as they are, not
   * as a difference that rounding would change.
   * @param {number} time
   * @param {() => void} run
   * @returns {object} for `cancel`
   */
  at(time, run) {
    const item = { at: Math.max(this.now, time), run };
    let low = 0;
    let high = this.queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.queue[middle].at <= item.at) low = middle + 1;
      else high = middle;
    }
    this.queue.splice(low, 0, item);
    return item;
  }

  cancel(item) {
    if (item) item.run = () => {};
  }

  /** Lets so much time pass. Promises settle between any two things that happen. @param {number} ms */
  async pass(ms) {
    const end = this.now + ms;
    while (this.queue.length > 0 && this.queue[0].at <= end) {
      const item = this.queue.shift();
      this.now = item.at;
      item.run();
      await settle();
    }
    this.now = end;
  }

  /** @param {{ visible?: boolean, locks?: boolean }} [options] */
  spawn(options = {}) {
    const process = new Process(this, options);
    this.processes.push(process);
    return process;
  }

  get running() {
    return this.processes.filter((process) => process.life === 'running');
  }
}

/** All microtasks, and what they cause, have run when this resolves. */
function settle() {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One tab in a process of its own. */
export class Process {
  /** @param {World} world */
  constructor(world, { visible = true, locks = true, storage = true, fakeLocks = null, speed = 1 }) {
    this.world = world;
    this.name = `p${world.processes.length}`;
    /** @type {'running' | 'stopped' | 'frozen' | 'dead'} */
    this.life = 'running';
    this.visible = visible;
    this.backlog = [];
    this.listeners = new Map();
    /** Storage events are lost. */
    this.deaf = false;
    this.hasStorage = storage;
    this.view = world.storage.open(this);
    this.lockClient = locks ? world.locks.open(this) : null;
    this.fakeLocks = fakeLocks;
    this.ends = new Set();
    /** How fast this process's clock runs, and by how much it is ahead: monotonic, and of the day. */
    this.speed = speed;
    this.ahead = 0;
    this.wallAhead = 0;
  }

  get now() {
    return this.world.now * this.speed + this.ahead;
  }

  /** The monotonic clock leaps ahead, as over a sleep that it counts; timers know nothing of it. @param {number} ms */
  leap(ms) {
    this.ahead += ms;
  }

  /** Somebody sets the clock of the day, forward or back. @param {number} ms */
  setClock(ms) {
    this.wallAhead += ms;
  }

  /** The world as this process sees it, in the form of static/js/env.js. */
  get env() {
    const { world } = this;
    return {
      now: () => this.now,
      wall: () => 1_700_000_000_000 + world.now + this.wallAhead,
      random: world.random,
      secret: (bytes) => world.random.hex(bytes),
      setTimeout: (run, ms) => this.setTimeout(run, ms),
      clearTimeout: (timer) => world.cancel(timer),
      fetch: (url, init) => world.server.fetch(this, url, init),
      storage: () => {
        if (!this.hasStorage) throw new Error('SecurityError');
        return this.view;
      },
      locks: this.fakeLocks ?? this.lockClient,
      visible: () => this.visible,
      sandboxed: false,
      on: (happening, listener) => {
        const list = this.listeners.get(happening) ?? new Set();
        this.listeners.set(happening, list.add(listener));
        return () => list.delete(listener);
      },
    };
  }

  /** Timers of hidden pages tick once a second, wherever they were armed, but for those that wait for nothing. */
  setTimeout(run, ms) {
    const { world } = this;
    const due = world.now + ms / this.speed;
    const at = this.visible || ms <= 0 ? due : Math.ceil(due / 1000) * 1000;
    return world.at(at, () => this.run(run));
  }

  /** Runs a task of this process: now, later, or never. @param {() => void} task */
  run(task) {
    if (this.life === 'running') task();
    else if (this.life !== 'dead') this.backlog.push(task);
  }

  dispatch(happening, event = {}) {
    if (this.deaf && happening === 'storage') return;
    const fire = () => {
      for (const listener of [...(this.listeners.get(happening) ?? [])]) listener(event);
    };
    if (['pagehide', 'freeze', 'resume'].includes(happening)) fire();
    else this.run(fire);
  }

  setVisible(visible) {
    this.visible = visible;
    this.dispatch('visibilitychange');
  }

  /** SIGSTOP: nothing runs, nothing is told. */
  stop() {
    if (this.life === 'running') this.life = 'stopped';
  }

  /** SIGCONT: everything that came meanwhile is run. */
  cont() {
    if (this.life === 'stopped') this.catchUp();
  }

  freeze() {
    if (this.life !== 'running') return;
    this.dispatch('freeze');
    this.life = 'frozen';
  }

  resume() {
    if (this.life !== 'frozen') return;
    // Seen both ways: queued events before the resume event, and after it.
    const first = this.world.random.chance(0.5);
    if (first) this.dispatch('resume');
    this.catchUp();
    if (!first) this.dispatch('resume');
  }

  /** The page is closed or navigated away. */
  close() {
    if (this.life !== 'running') return this.kill();
    this.dispatch('pagehide');
    this.kill();
  }

  kill() {
    if (this.life === 'dead') return;
    this.life = 'dead';
    this.backlog = [];
    for (const end of this.ends) end();
    this.lockClient?.die();
  }

  catchUp() {
    this.life = 'running';
    const backlog = this.backlog.splice(0);
    for (const task of backlog) this.run(task);
  }
}
