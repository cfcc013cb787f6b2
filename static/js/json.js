/**
 * The one place where bodies of the server become values and where values become text again.
 *
 * On the wire every number is exact, as PostgreSQL printed it. A number that a double holds becomes a
 * number; any other becomes a string of the very digits that were there, so that 9007199254740993 and
 * 9007199254740992 stay two keys. Such a string goes back to the server as it is: in a body, a `where`
 * or a key the database casts it. 1.10 is the number 1.1: digits that do not change the value go.
 */
import { fitsDouble } from './decimal.js';

/** Characters of digits and point from which on a double may not hold the number. */
const LONG = 16;
/** A number with a large exponent, which a double may not hold either. */
const LARGE = /\d[eE][+-]?\d{3,}[ \t\n\r]*[,\]}]/;
/** Either of them, if it is a number as it should be: text that is no JSON must not become JSON. */
const SUSPECT =
  /[[,:][ \t\n\r]*(?=-?(?:[\d.]{16}|[\d.]+[eE][+-]?\d{3}))(-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?=[ \t\n\r]*[,\]}])/g;

/**
 * @param {string} text
 * @returns {any}
 * @throws {SyntaxError} if the text is not JSON
 */
export function parse(text) {
  return JSON.parse(mayHoldLongNumbers(text) ? withLongNumbersQuoted(text) : text);
}

/**
 * @param {unknown} value
 * @returns {string}
 */
export function print(value) {
  return JSON.stringify(value);
}

/**
 * Each long run covers one position of every LONG: no other is looked at, and almost no text costs more than that.
 * @param {string} text
 */
function mayHoldLongNumbers(text) {
  for (let at = LONG - 1; at < text.length; at += LONG) {
    if (!isDigitOrPoint(text, at)) continue;
    let start = at;
    while (isDigitOrPoint(text, start - 1)) start -= 1;
    let end = at + 1;
    while (isDigitOrPoint(text, end)) end += 1;
    if (end - start >= LONG) return true;
  }
  return LARGE.test(text);
}

/** @param {string} text @param {number} at */
function isDigitOrPoint(text, at) {
  const code = text.charCodeAt(at);
  return (code >= 48 && code <= 57) || code === 46;
}

/** @param {string} text  with numbers inside of an object or array: the server sends none alone */
function withLongNumbersQuoted(text) {
  const parts = [];
  let copied = 0;
  // The string that begins before the number ends here, and the next one begins there.
  let end = -1;
  let next = text.indexOf('"');
  SUSPECT.lastIndex = 0;
  for (let found = SUSPECT.exec(text); found; found = SUSPECT.exec(text)) {
    const [{ length }, literal = ''] = found;
    while (next !== -1 && next < found.index) {
      end = endOfString(text, next);
      if (end === -1) return text;
      next = text.indexOf('"', end + 1);
    }
    if (end > found.index) continue;
    if (fitsDouble(literal)) continue;
    const stop = found.index + length;
    parts.push(text.slice(copied, stop - literal.length), '"', literal, '"');
    copied = stop;
  }
  return parts.join('') + text.slice(copied);
}

/**
 * The quote that ends a string, or -1.
 * @param {string} text @param {number} start  of its first quote
 */
function endOfString(text, start) {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0;
    while (text[end - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return end;
  }
  return -1;
}
