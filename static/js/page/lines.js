/**
 * Rows on a page that keep their elements while the data changes, and with them the focus and what is being typed.
 */

const reducedMotion = matchMedia('(prefers-reduced-motion: reduce)');

/**
 * Puts elements in this order at the parent, moving as few as it can. What else is there, such as a row that fades away,
 * stays where it is and is passed over.
 * @param {Element} parent @param {readonly Element[]} elements
 */
export function arrange(parent, elements) {
  const wanted = new Set(elements);
  const skip = (/** @type {Element | null} */ place) => {
    while (place && !wanted.has(place)) place = place.nextElementSibling;
    return place;
  };
  let place = skip(parent.firstElementChild);
  for (const element of elements) {
    if (element === place) place = skip(place.nextElementSibling);
    else parent.insertBefore(element, place);
  }
}

/** Shows for a moment that something here is new. @param {HTMLElement} element */
export function flash(element) {
  const easing = reducedMotion.matches ? 'step-end' : 'ease-out';
  element.animate([{ backgroundColor: 'var(--flash)', offset: 0 }], { duration: 1800, easing });
}

/** Takes an element away, so that it is seen to go. @param {HTMLElement} element */
export function fade(element) {
  element.inert = true;
  if (document.hidden || reducedMotion.matches) element.remove();
  else element.animate({ opacity: [1, 0] }, 400).onfinish = () => element.remove();
}
