/**
 * Decimal numbers as text: PostgreSQL's numeric and bigint hold more digits than a double does.
 */

/** A number as JSON spells it, and nothing else. */
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
/** Significant digits that every double gives back as they were. */
const ALWAYS = 15;
/** And the most that tell two doubles apart. */
const MOST = 17;

/**
 * Its value in one spelling: 0.`digits` × 10^`exponent`. Zero has no digits and no sign.
 * @typedef {{ negative: boolean, digits: string, exponent: number }} Decimal
 */

/**
 * Whether a double holds this number: JavaScript prints it as the same decimal number.
 * @param {string} literal  as JSON spells it
 */
export function fitsDouble(literal) {
  const number = Number(literal);
  const printed = String(number);
  if (printed === literal) return true;
  if (!Number.isFinite(number)) return false;
  const exact = decimal(literal);
  if (same(exact, decimal(printed))) return true;
  // From 1e15 on PostgreSQL prints a float8 with an exponent, and avoids a number midway between two doubles where
  // JavaScript does not: 9.999999999999999e+22 is 1e23 there. A numeric never has an exponent.
  const { length } = exact.digits;
  const float8 = /e/i.test(literal) && Math.abs(number) >= 1e15 && length > ALWAYS && length <= MOST;
  return float8 && same(exact, decimal(number.toPrecision(length)));
}

/**
 * Whether this is what `parse` makes of a number that a double does not hold.
 * @param {unknown} value
 * @returns {value is string}
 */
export function isLongNumber(value) {
  return typeof value === 'string' && /^-?\d/.test(value) && NUMBER.test(value) && !fitsDouble(value);
}

/**
 * By size, exactly.
 * @param {string} a @param {string} b  numbers as JSON or JavaScript spells them
 */
export function compareNumbers(a, b) {
  const [x, y] = [decimal(a), decimal(b)];
  const [signOfX, signOfY] = [sign(x), sign(y)];
  if (signOfX !== signOfY || signOfX === 0) return signOfX - signOfY;
  if (x.exponent !== y.exponent) return x.exponent > y.exponent ? signOfX : -signOfX;
  return x.digits === y.digits ? 0 : x.digits > y.digits ? signOfX : -signOfX;
}

/** @param {Decimal} number */
function sign({ negative, digits }) {
  return digits === '' ? 0 : negative ? -1 : 1;
}

/** @param {Decimal} a @param {Decimal} b */
function same(a, b) {
  return a.digits === b.digits && a.exponent === b.exponent && a.negative === b.negative;
}

/** @param {string} text  @returns {Decimal} */
function decimal(text) {
  const negative = text.startsWith('-');
  const [mantissa = '', power = '0'] = text.slice(negative ? 1 : 0).split(/e/i);
  const [whole = '', fraction = ''] = mantissa.split('.');
  const all = whole + fraction;
  let start = 0;
  while (all[start] === '0') start += 1;
  let end = all.length;
  // By hand: a regular expression would take the square of the length over a long run of zeros.
  while (end > start && all[end - 1] === '0') end -= 1;
  if (start === end) return { negative: false, digits: '', exponent: 0 };
  return { negative, digits: all.slice(start, end), exponent: whole.length - start + Number(power) };
}
