/**
 * The page at /status: puts new figures in the place of the old ones. The markup is described in `pages/src/figures.rs`.
 *
 * The server's own numbers have no history, so a subscription to them is told nothing but resets; and after a reset a page
 * reads anew.
 */
import { find } from './page/dom.js';
import { showStatus } from './page/status.js';
import { connect } from './rowcast.js';

const rowcast = connect({ endpoint: '/' });
const stale = find(HTMLElement, '#stale');

/** @type {import('./subscription.js').Subscription | null} */
let subscription = null;
let reading = false;

showStatus(rowcast);
rowcast.addEventListener('state', () => {
  if (rowcast.state.connection === 'offline') stale.hidden = false;
  else if (!stale.hidden) read();
});
document.addEventListener('visibilitychange', look);
look();

/** While nobody looks, the server need not tell. */
function look() {
  if (document.hidden) {
    subscription?.close();
    subscription = null;
  } else if (!subscription) {
    subscription = rowcast.subscribe('rowcast.status', {}, read);
    read();
  }
}

async function read() {
  if (reading) return;
  reading = true;
  try {
    const response = await fetch('/status/figures', { cache: 'no-store' });
    if (!response.ok) throw new Error(response.statusText);
    const page = new DOMParser().parseFromString(await response.text(), 'text/html');
    renew(find(HTMLElement, '#figures'), find(HTMLElement, '#figures', page));
    stale.hidden = true;
  } catch {
    stale.hidden = false;
  } finally {
    reading = false;
  }
}

/**
 * Makes what is there like what is fresh, and touches nothing that is the same: so a selection, the focus and a screen
 * reader's place stay.
 * @param {ChildNode} there @param {ChildNode} fresh
 */
function renew(there, fresh) {
  const [children, freshChildren] = [[...there.childNodes], [...fresh.childNodes]];
  if (there.nodeName !== fresh.nodeName || children.length !== freshChildren.length) return there.replaceWith(fresh);
  if (there instanceof Element && fresh.nodeType === Node.ELEMENT_NODE) renewAttributes(there, /** @type {Element} */ (fresh));
  else if (there.nodeValue !== fresh.nodeValue) there.nodeValue = fresh.nodeValue;
  children.forEach((child, place) => renew(child, /** @type {ChildNode} */ (freshChildren[place])));
}

/** @param {Element} there @param {Element} fresh */
function renewAttributes(there, fresh) {
  for (const { name, value } of fresh.attributes) if (there.getAttribute(name) !== value) there.setAttribute(name, value);
  for (const { name } of [...there.attributes]) if (!fresh.hasAttribute(name)) there.removeAttribute(name);
}
