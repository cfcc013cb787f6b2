/** A tab that takes part in the election, and in nothing else. */
import { Elector } from '../../../../static/js/elector.js';
import { Store } from '../../../../static/js/storage.js';

export class Candidate {
  /**
   * @param {import('./world.js').World} world
   * @param {{ visible?: boolean, locks?: boolean }} [options]
   */
  constructor(world, options) {
    this.process = world.spawn(options);
    const { env } = this.process;
    const store = new Store(env, '/');
    /** Whom it names as it goes. @type {(() => string | null) | null} */
    this.heir = null;
    /** Terms under which it has led. @type {number[]} */
    this.terms = [];
    this.elector = new Elector(env, store, this.process.name, {
      facts: () => ({}),
      company: () => true,
      onLead: (term) => this.terms.push(term),
      onStandDown() {},
      onStep() {},
    });
    store.watch((key) => {
      if (key === 'lease' || key === null) this.elector.send('lease');
      if (key === 'ping') this.elector.send('ping');
    });
    env.on('visibilitychange', () => this.elector.send(env.visible() ? 'visible' : 'hidden'));
    for (const sleep of ['pagehide', 'freeze']) env.on(sleep, () => this.elector.send('rest', this.heir?.()));
    env.on('resume', () => this.elector.send('wake'));
    this.elector.send('start');
  }

  /** Whether it would act as master now. */
  get leads() {
    return this.process.life !== 'dead' && this.elector.leads;
  }
}

/**
 * Lets time pass until this holds.
 * @param {import('./world.js').World} world
 * @param {number} limit ms
 * @param {string} what  is awaited
 * @param {() => boolean} holds
 * @returns {Promise<number>} ms that it took
 */
export async function until(world, limit, what, holds) {
  const start = world.now;
  while (!holds()) {
    if (world.now - start > limit) throw new Error(`waited ${limit} ms in vain for ${what} (seed ${world.seed})`);
    await world.pass(1);
  }
  return world.now - start;
}
