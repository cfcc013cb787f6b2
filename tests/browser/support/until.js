/**
 * Waits for a condition, never for a time.
 * @template T
 * @param {string} what  is awaited, for the message
 * @param {number} limit  ms
 * @param {() => T | Promise<T>} probe  done when this is truthy; what it throws counts as not yet
 * @returns {Promise<T>}
 */
export async function until(what, limit, probe) {
  const end = performance.now() + limit;
  let last;
  for (;;) {
    try {
      last = await probe();
      if (last) return last;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) throw new Error(`waited ${limit} ms in vain for ${what}; at last: ${describe(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
}

function describe(value) {
  return value instanceof Error ? value.message : JSON.stringify(value);
}
