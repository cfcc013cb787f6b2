/**
 * The one place where bodies of the server become values and where values become text again.
 *
 * JSON.parse reads integers beyond 2^53 as the nearest double. Whatever is decided about them has to
 * be decided here, for lists, polls and the log alike: a list that reads a key one way and a change
 * that reads it another way would be two rows.
 */

/**
 * @param {string} text
 * @returns {any}
 * @throws {SyntaxError} if the text is not JSON
 */
export function parse(text) {
  return JSON.parse(text);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function print(value) {
  return JSON.stringify(value);
}
