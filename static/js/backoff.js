/**
 * How long to wait before the next try: full jitter, so that clients which lost the same server at
 * the same moment do not come back at the same moment.
 */

const FIRST_MS = 500;
const LONGEST_MS = 30_000;

/**
 * @param {number} failures  how many tries have failed in a row, at least 1
 * @param {number} random    in [0, 1)
 * @param {number | null} [retryAfterMs]  what the server asked for: never come sooner than that
 * @returns {number} ms
 */
export function backoff(failures, random, retryAfterMs = null) {
  const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** (failures - 1));
  return retryAfterMs === null ? random * most : retryAfterMs + random * Math.min(most, retryAfterMs / 4);
}
