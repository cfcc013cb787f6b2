/**
 * What all tabs want to hear, and how far each has come: from this the master makes its poll.
 *
 * Tabs stand at one cursor as a rule, because an answer's cursor holds for all. A tab that has just
 * listed, or slept, stands elsewhere for a moment: then the poll has one entry for each cursor.
 */
import { leadsOn, resolve } from './channel.js';
import { entryId } from './filter.js';

/**
 * @typedef {import('./types.js').Batch} Batch
 * @typedef {import('./types.js').Demand} Demand
 * @typedef {import('./types.js').Entry} Entry
 */

export class Demands {
  /** @type {Map<string, Demand[]>} tab → its subscriptions; `since` is where it stands now */
  #tabs = new Map();

  /**
   * A tab has said what it wants and where it stands.
   * @param {string} tab
   * @param {Demand[]} demands
   * @param {Batch[]} batches  the log: some of it may be on its way to that tab
   */
  set(tab, demands, batches) {
    this.#tabs.set(
      tab,
      demands.map((demand) => ({ ...demand, since: resolve(batches, demand.id, demand.since) })),
    );
  }

  /** @param {string} tab */
  drop(tab) {
    this.#tabs.delete(tab);
  }

  clear() {
    this.#tabs.clear();
  }

  /** The server has answered: who stood at a start stands at the end. @param {Batch} batch */
  advance(batch) {
    for (const demand of this.#all()) {
      if (leadsOn(batch, demand.id, demand.since)) demand.since = batch.to;
    }
  }

  /** The server will not serve this subscription: no more of it, until a tab asks again. @param {string} id */
  refuse(id) {
    for (const [tab, demands] of this.#tabs) {
      this.#tabs.set(tab, demands.filter((demand) => demand.id !== id));
    }
  }

  /** The entries of the next poll, in an order that is the same in every browser. @returns {Entry[]} */
  entries() {
    /** @type {Map<string, Map<string, Demand>>} */
    const byId = new Map();
    for (const demand of this.#all()) {
      const cursors = byId.get(demand.id) ?? new Map();
      byId.set(demand.id, cursors.set(demand.since, demand));
    }
    return [...byId.keys()].sort().flatMap((id) =>
      [...(byId.get(id) ?? [])].map(([since, { table, where }], n) => ({
        id: entryId(id, n),
        table,
        since,
        ...(where && { where }),
      })),
    );
  }

  #all() {
    return [...this.#tabs.values()].flat();
  }
}

/**
 * A tab's demands as its key has them, or none: the key is open to every script of the origin.
 * @param {any} value
 * @returns {Demand[]}
 */
export function readDemands(value) {
  if (!Array.isArray(value)) return [];
  return value.filter((demand) => demand && ['id', 'table', 'since'].every((name) => typeof demand[name] === 'string'));
}
