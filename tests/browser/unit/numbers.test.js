/** Numbers that a double does not hold: read without loss, ordered by size, sent back as they came. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareNumbers } from '../../../static/js/decimal.js';
import { canonical, query, subscriptionId } from '../../../static/js/filter.js';
import { parse, print } from '../../../static/js/json.js';
import { compare, ordering } from '../../../static/js/order.js';
import { lonePage } from './sim/page.js';
import { randomFrom } from './sim/random.js';

const SEED = Number(process.env.SEED ?? Math.floor(Math.random() * 1e6));
const one = (literal) => parse(`[${literal}]`)[0];

/** The reference: a number as a fraction of whole numbers. */
function fraction(literal) {
  const [, sign, whole, part = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(literal);
  const exponent = Number(power) - part.length;
  const digits = BigInt(sign + whole + part);
  return exponent >= 0 ? [digits * 10n ** BigInt(exponent), 1n] : [digits, 10n ** BigInt(-exponent)];
}

function difference(a, b) {
  const [[x, under], [y, below]] = [fraction(a), fraction(b)];
  return x * below - y * under;
}

/** Whether JavaScript would print the very number. */
function isKept(literal) {
  const number = Number(literal);
  return Number.isFinite(number) && difference(literal, String(number)) === 0n;
}

/** Numbers as a numeric has them, many of them near the edge of what a double holds. */
function literalBy(random) {
  const digits = (count) => Array.from({ length: count }, () => random.pick('0000012345678999')).join('');
  const any = `${random.integer(9) + 1}${digits(random.integer(30))}`;
  const edge = String(2n ** 53n + BigInt(random.integer(9) - 4));
  const whole = random.pick(['0', '1', any, edge, '17'.padEnd(random.integer(40) + 2, '0')]);
  const part = random.pick(['', '', `.${digits(random.integer(25) + 1)}`, '.0', '.5', `.${'0'.repeat(random.integer(20))}1`]);
  return random.pick(['', '-']) + whole + part;
}

test('number_that_a_double_holds_is_a_number_and_any_other_a_string_of_its_digits', () => {
  const kept = [
    '0', '-0', '5', '1.10', '9007199254740991', '9007199254740992', '9007199254740994', '0.1', '100000000000000000000000', '1e100', '1E+2',
    '0.000000000000000000001', '5e-324', '1.7976931348623157e+308', '123456789012345.67', '0.00000000000000000000', '1e-7',
  ];
  for (const literal of kept) assert.equal(one(literal), Number(literal), literal);
  const long = [
    '9007199254740993', '-9007199254740993', '0.12345678901234567890123', '1e400', '-1e400', '1e-400', '1234567890.12345678',
    '99999999999999999999999999999999999999', '0.10000000000000000000000001', '1.7976931348623157e+309', '0.10000000000000001',
  ];
  for (const literal of long) assert.equal(one(literal), literal, literal);
});

test('long_number_is_found_wherever_it_stands', () => {
  for (let before = 0; before < 50; before++) {
    for (const literal of ['9007199254740993', '-9007199254740993', '0.10000000000000001', '1e400']) {
      assert.deepEqual(parse(`[${' '.repeat(before)}${literal}]`), [literal], `after ${before} spaces`);
    }
  }
});

test('every_number_is_read_as_the_reference_reads_it', () => {
  const random = randomFrom(SEED);
  let strings = 0;
  for (let n = 0; n < 20_000; n++) {
    const literal = literalBy(random);
    const expected = isKept(literal) ? Number(literal) : literal;
    if (typeof expected === 'string') strings += 1;
    assert.equal(one(literal), expected, `${literal} (SEED=${SEED})`);
  }
  assert.ok(strings > 1000 && strings < 19_000, `${strings} strings test one half of it only`);
});

test('float8_stays_a_number', () => {
  // As PostgreSQL prints them: it avoids a number midway between two doubles where JavaScript does not.
  const printed = [
    '9.999999999999997e+22', '9.999999999999999e+22', '1.0000000000000001e+23', '1.2345678901234566e-07', '1e+15',
    '-1.7976931348623157e+308', '2.2250738585072014e-308', '4.9e-322',
  ];
  for (const literal of printed) assert.equal(one(literal), Number(literal), literal);
  const random = randomFrom(SEED);
  const bits = new DataView(new ArrayBuffer(8));
  for (let n = 0; n < 20_000; n++) {
    bits.setUint32(0, random.integer(2 ** 32));
    bits.setUint32(4, random.integer(2 ** 32));
    const number = bits.getFloat64(0);
    if (!Number.isFinite(number)) continue;
    for (const literal of [String(number), number.toExponential()]) assert.equal(one(literal), number, `${literal} (SEED=${SEED})`);
  }
});

test('digits_in_strings_and_names_are_left_alone', () => {
  const random = randomFrom(SEED);
  const pieces = ['"', '\\', '9007199254740993', ',', '[', ':', '\n', 'é', '1e400', ' ', '{'];
  const text = () => Array.from({ length: random.integer(8) }, () => random.pick(pieces)).join('');
  const build = (depth) => {
    const kind = random.integer(depth > 3 ? 4 : 6);
    if (kind === 0) return [JSON.stringify(text())].map((json) => [json, JSON.parse(json)])[0];
    if (kind === 1) return random.pick([['true', true], ['null', null]]);
    if (kind < 4) {
      const literal = literalBy(random);
      return [literal, isKept(literal) ? Number(literal) : literal];
    }
    const items = Array.from({ length: random.integer(5) }, () => build(depth + 1));
    const space = () => random.pick(['', ' ', '\n\t']);
    if (kind === 4) return [`[${items.map(([json]) => space() + json + space()).join(',')}]`, items.map(([, value]) => value)];
    const named = items.map((item, n) => [text() + n, item]);
    const json = `{${named.map(([name, [inner]]) => `${space()}${JSON.stringify(name)}${space()}:${space()}${inner}`).join(',')}}`;
    return [json, Object.fromEntries(named.map(([name, [, value]]) => [name, value]))];
  };
  for (let n = 0; n < 5000; n++) {
    const [json, value] = build(0);
    assert.deepEqual(parse(`[${json}]`), [value], `${json} (SEED=${SEED})`);
  }
});

test('text_that_is_no_json_does_not_become_json', () => {
  const random = randomFrom(SEED);
  const isJson = (read, text) => {
    try {
      read(text);
      return true;
    } catch (error) {
      assert.ok(error instanceof SyntaxError);
      return false;
    }
  };
  const known = [
    '{9007199254740993:1}', '{"a":1,9007199254740993:1}', '[09007199254740993]', '[9007199254740993.]', '[9007199254740993 1]',
    '[9007199254740993', '["a,9007199254740993]', '{"a":1 9007199254740993}',
  ];
  for (const text of known) assert.ok(!isJson(parse, text), text);
  for (let n = 0; n < 30_000; n++) {
    const whole = `[{"a":${literalBy(random)},"9007199254740993":[1,"\\"9007199254740993",${literalBy(random)}]}, 9007199254740993e5]`;
    const at = random.integer(whole.length);
    const text = whole.slice(0, at) + random.pick(['', '"', '0', '-', 'e', '.', ',', '}', ']', ':', '\\', ' 1']) + whole.slice(at + random.integer(3));
    assert.equal(isJson(parse, text), isJson(JSON.parse, text), `${text} (SEED=${SEED})`);
  }
});

test('long_run_of_digits_costs_no_more_than_its_length', () => {
  const start = performance.now();
  parse(`["${'9'.repeat(2_000_000)}","${'\\\\'.repeat(500_000)}",${'1'.padEnd(100_000, '0')}1,${'1'.repeat(100_000)}]`);
  const took = performance.now() - start;
  assert.ok(took < 2000, `${took} ms`);
});

test('long_numbers_survive_the_log', () => {
  const batch = parse('{"answers":[{"changes":[{"key":[9007199254740993],"new":{"id":9007199254740993,"x":9.999999999999999e+22}}]}]}');
  assert.deepEqual(parse(print(batch)), batch);
  assert.equal(print(batch.answers[0].changes[0].key), '["9007199254740993"]');
});

test('long_numbers_stand_among_numbers_by_size', () => {
  const sorted = [
    '-1e400', '-9007199254740993', -9007199254740992, -5, '-0.12345678901234567890123', 0, '0.12345678901234567890122',
    '0.12345678901234567890123', 0.5, 5, 9007199254740992, '9007199254740993', '9007199254740993.5', 9007199254740994,
    '12345678901234567890123', 1e23, '1e400', 'text', null,
  ];
  for (let turn = 0; turn < sorted.length; turn++) {
    const turned = [...sorted.slice(turn), ...sorted.slice(0, turn)].reverse();
    assert.deepEqual(turned.sort(compare), sorted);
  }
  assert.equal(compare(9007199254740993n, '9007199254740993'), 0);
  const rows = ['9007199254740993', 5, '10000000000000000000001'].map((id) => ({ row: { id }, key: [id], name: print([id]) }));
  assert.deepEqual(rows.sort(ordering('-id')).map(({ row }) => row.id), ['10000000000000000000001', '9007199254740993', 5]);
  assert.deepEqual(rows.sort(ordering()).map(({ row }) => row.id), [5, '9007199254740993', '10000000000000000000001']);
});

test('numbers_compare_as_the_reference_compares_them', () => {
  const random = randomFrom(SEED);
  for (let n = 0; n < 20_000; n++) {
    const a = literalBy(random);
    const b = random.chance(0.3) ? a.replace(/\d$/, '0') : literalBy(random);
    const expected = difference(a, b);
    assert.equal(Math.sign(compareNumbers(a, b)), expected > 0n ? 1 : expected < 0n ? -1 : 0, `${a} and ${b} (SEED=${SEED})`);
  }
});

test('bigint_and_its_digits_filter_alike', () => {
  assert.equal(subscriptionId('t', { id: 9007199254740993n }), subscriptionId('t', { id: '9007199254740993' }));
  assert.equal(query({ id: -9007199254740993n }), 'id=eq.-9007199254740993');
  assert.deepEqual(canonical({ x: NaN, id: 5n, n: 5 }), { id: '5', n: 5, x: 'NaN' }, 'as JSON can have it');
  assert.equal(query({ x: NaN, y: -Infinity }), 'x=eq.NaN&y=eq.-Infinity');
});

test('neighbours_that_a_double_takes_for_one_stay_two_rows', async () => {
  const { server, world, tab } = await lonePage({ tables: ['a'] });
  const [even, odd] = [9007199254740992n, 9007199254740993n];
  const commit = (op, id, v) => server.commit([{ table: 'n', op, id, ...(op !== 'delete' && { row: { id, v } }) }]);
  commit('insert', even, 1);
  commit('insert', odd, 1);
  const all = tab.rowcast.live('n');
  const mine = tab.rowcast.live('n', { where: { id: odd } });
  await world.pass(500);
  const shown = (live) => live.rows.map(({ id, v }) => [id, v]);
  assert.deepEqual(shown(all), [[9007199254740992, 1], ['9007199254740993', 1]]);
  commit('update', odd, 2);
  await world.pass(500);
  assert.deepEqual([shown(all), shown(mine)], [[[9007199254740992, 1], ['9007199254740993', 2]], [['9007199254740993', 2]]]);
  commit('delete', even);
  await world.pass(500);
  assert.deepEqual([shown(all), shown(mine)], [[['9007199254740993', 2]], [['9007199254740993', 2]]]);
});
