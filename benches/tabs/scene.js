/** Scenes outside of a test runner, and figures in few words. */

/**
 * @typedef {import('../../tests/browser/support/scene.js').House} House
 * @typedef {import('../../tests/browser/support/scene.js').Scene} Scene
 */

/**
 * Opens a scene for as long as this takes.
 * @template T
 * @param {House} house @param {string} host @param {(scene: Scene) => Promise<T>} play @param {string[]} [flags]
 * @returns {Promise<T>}
 */
export async function within(house, host, play, flags) {
  /** @type {(() => Promise<void>)[]} */
  const ends = [];
  const scene = await house.scene(/** @type {any} */ ({ after: (/** @type {() => Promise<void>} */ end) => ends.push(end) }), host, flags);
  try {
    return await play(scene);
  } finally {
    for (const end of ends) await end();
  }
}

/** @param {number[]} values @param {number} share  of the values that are not above the result */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? NaN;
}
