/**
 * localStorage between processes, as Chromium has it: each process has a view of its own; a write is
 * seen there at once, reaches the browser a moment later, which puts all writes in one order, and then
 * the other processes. While a process has a write of its own on the way, it does not take others'.
 */
export class SimStorage {
  /** @param {import('./world.js').World} world */
  constructor(world) {
    this.world = world;
    /** @type {Map<string, string>} */
    this.truth = new Map();
    this.views = [];
    this.full = false;
    this.writes = 0;
  }

  open(process) {
    const view = new View(this, process);
    this.views.push(view);
    return view;
  }

  /** A write arrives at the browser: it gets its place in the order, and goes on to everybody. */
  commit(view, key, value) {
    this.writes += 1;
    const before = key === null ? null : (this.truth.get(key) ?? null);
    apply(this.truth, key, value);
    for (const other of this.views) {
      if (other.process.life !== 'dead') other.arrive(view, key, value, before);
    }
  }
}

class View {
  constructor(storage, process) {
    this.storage = storage;
    this.process = process;
    this.map = new Map(storage.truth);
    /** Own writes on their way, by key; null for clear. */
    this.pending = new Map();
    this.sentAt = 0;
    this.heardAt = 0;
  }

  get length() {
    return this.map.size;
  }

  key(n) {
    return [...this.map.keys()][n] ?? null;
  }

  getItem(key) {
    return this.map.get(key) ?? null;
  }

  setItem(key, value) {
    if (this.storage.full && value.length > (this.map.get(key)?.length ?? 0)) throw new Error('QuotaExceededError');
    if (this.map.get(key) !== value) this.write(key, value);
  }

  removeItem(key) {
    if (this.map.has(key)) this.write(key, null);
  }

  clear() {
    this.write(null, null);
  }

  write(key, value) {
    const { world } = this.storage;
    if (this.process.life === 'dead') return;
    apply(this.map, key, value);
    this.pending.set(key, (this.pending.get(key) ?? 0) + 1);
    // In order: a message never overtakes the one before it.
    this.sentAt = Math.max(this.sentAt, world.now + world.random.between(0.1, 3));
    world.at(this.sentAt, () => this.storage.commit(this, key, value));
  }

  arrive(from, key, value, before) {
    const { world } = this.storage;
    this.heardAt = Math.max(this.heardAt, world.now + world.random.between(0.1, world.random.chance(0.02) ? 30 : 3));
    world.at(this.heardAt, () => {
      if (from === this) {
        const left = (this.pending.get(key) ?? 1) - 1;
        if (left > 0) this.pending.set(key, left);
        else this.pending.delete(key);
        return;
      }
      if (!this.pending.has(key) && !this.pending.has(null)) apply(this.map, key, value);
      if (value === before && key !== null) return;
      const delay = world.random.chance(0.3) ? world.random.between(0, 2) : 0;
      this.eventAt = Math.max(this.eventAt ?? 0, world.now + delay);
      world.at(this.eventAt, () => this.process.dispatch('storage', { key, newValue: value, storageArea: this }));
    });
  }
}

function apply(map, key, value) {
  if (key === null) map.clear();
  else if (value === null) map.delete(key);
  else map.set(key, value);
}
