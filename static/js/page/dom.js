/**
 * What the page's scripts do to its markup: find a place, write text and times into it, tell of a problem.
 */

/** @typedef {{ title: string, detail?: string }} Problem  what the page shows of a problem+json body */

/** Shows a problem in its place, or clears that place. @param {Element} where @param {Problem | null | false} [problem] */
export function tell(where, problem) {
  setText(find(HTMLElement, '[data-error]', where), problem ? sentence(problem) : '');
}

/** @param {Problem} problem */
export function sentence({ title, detail }) {
  return (detail ? `${title}: ${detail}` : title).replace(/[^.!?]$/, '$&.');
}

/**
 * Shows a time as its age, and exactly to who asks.
 * @param {HTMLElement} place @param {number | null} time  ms since the epoch
 * @param {string} otherwise  what stands there without a time
 */
export function setTime(place, time, otherwise) {
  setText(place, time === null ? otherwise : ago(time));
  if (time === null) return delete place.dataset.at;
  place.dataset.at = String(time);
  place.title = new Date(time).toLocaleString('en-GB', { dateStyle: 'long', timeStyle: 'long' });
}

/** @param {number} time */
export function ago(time) {
  // The server's clock may be ahead of this one: nothing has changed in the future.
  const seconds = Math.max(0, Math.round((Date.now() - time) / 1000));
  if (seconds < 5) return 'just now';
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 60 * 60) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 24 * 60 * 60) return `${Math.floor(seconds / 60 / 60)} h ago`;
  return new Date(time).toLocaleDateString('en-GB', { dateStyle: 'medium' });
}

/** Writes only what differs, so that a live region speaks only of news. @param {HTMLElement} place @param {string} text */
export function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @param {string} selector @param {ParentNode} [root] @returns {NodeListOf<HTMLElement>} */
export function all(selector, root = document) {
  return root.querySelectorAll(selector);
}

/**
 * The element that the page is known to have; without it script and markup do not belong together.
 * @template {Element} T
 * @param {new () => T} kind @param {string} selector @param {ParentNode} [root]
 * @returns {T}
 */
export function find(kind, selector, root = document) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new Error(`the page has no ${kind.name} at ${selector}`);
}
