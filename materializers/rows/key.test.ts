import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import fc from 'fast-check';
import { compareBytes } from '../../base/bytes/compare.ts';
import { compareText } from '../../base/bytes/utf8.ts';
import { columnId } from '../../base/ids.ts';
import { type Datum, Interval, type PhysicalType, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import type { KeyColumn } from '../../log/events/layout.ts';
import { decodeKey, encodeKeyDatums, keyRange, keyRangeOfTextPrefix } from './key.ts';

type Kind = PhysicalType['kind'];

/** PostgreSQL's order of two values of a type. */
type Compare = (left: never, right: never) => number;
const plain = (left: number | bigint | boolean, right: number | bigint | boolean): number =>
  left < right ? -1 : left > right ? 1 : 0;
const floats = (left: number, right: number): number =>
  Number.isNaN(left) || Number.isNaN(right)
    ? Number(Number.isNaN(left)) - Number(Number.isNaN(right))
    : plain(left, right);

function numerics(left: Numeric, right: Numeric): number {
  const rank = ({ special }: Numeric): number =>
    special === 'NaN' ? 2 : special === 'Infinity' ? 1 : special === '-Infinity' ? -1 : 0;
  if (left.special !== null || right.special !== null) return rank(left) - rank(right);
  const at = (value: Numeric, scale: number): bigint =>
    BigInt(value.units) * 10n ** BigInt(scale - value.scale);
  const scale = Math.max(left.scale, right.scale);
  return plain(at(left, scale), at(right, scale));
}

const lengthOf = (value: Interval): bigint =>
  (BigInt(value.months) * 30n + BigInt(value.days)) * 86_400_000_000n + BigInt(value.microseconds);

function arrays(left: SqlArray, right: SqlArray): number {
  for (let index = 0; index < Math.min(left.items.length, right.items.length); index++) {
    const [a, b] = [left.items[index] as number | null, right.items[index] as number | null];
    if (a === null || b === null) {
      if (a !== b) return a === null ? 1 : -1;
    } else if (a !== b) return a - b;
  }
  return left.items.length - right.items.length;
}

function vectors(left: Float32Array, right: Float32Array): number {
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    if (left[index] !== right[index]) return left[index]! - right[index]!;
  }
  return left.length - right.length;
}

const kinds: Readonly<Record<Kind, { readonly values: fc.Arbitrary<Datum>; readonly compare: Compare }>> = {
  bool: { values: fc.boolean(), compare: plain },
  int4: { values: fc.oneof(fc.integer(), fc.integer({ min: -3, max: 3 })), compare: plain },
  int8: {
    values: fc.oneof(
      fc.integer({ min: -3, max: 3 }),
      fc.maxSafeInteger(),
      fc.bigInt(2n ** 53n, 2n ** 63n - 1n),
      fc.bigInt(-(2n ** 63n), -(2n ** 53n)),
    ),
    compare: plain,
  },
  float4: { values: fc.float(), compare: floats },
  float8: { values: fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN)), compare: floats },
  numeric: {
    values: fc.oneof(
      fc.constantFrom<Datum>(Numeric.nan, Numeric.infinity, Numeric.negativeInfinity),
      fc
        .tuple(fc.bigInt(-(10n ** 25n), 10n ** 25n), fc.nat(30))
        .map(([units, scale]) => Numeric.of(units, scale)),
      fc
        .tuple(fc.integer({ min: -200, max: 200 }), fc.nat(3))
        .map(([units, scale]) => Numeric.of(units, scale)),
    ),
    compare: numerics,
  },
  text: {
    values: fc.oneof(
      fc.string({ unit: 'binary', maxLength: 8 }),
      fc.constantFrom('', '\0', 'a', 'a\0', 'a\0b'),
    ),
    compare: compareText,
  },
  bytes: {
    values: fc.array(fc.constantFrom(0, 1, 255), { maxLength: 5 }).map((bytes) => Uint8Array.from(bytes)),
    compare: compareBytes,
  },
  uuid: { values: fc.uuid(), compare: compareText },
  interval: {
    values: fc
      .tuple(fc.integer(), fc.integer(), fc.maxSafeInteger())
      .map(([months, days, micros]) => new Interval(months, days, micros)),
    compare: (left: Interval, right: Interval) => plain(lengthOf(left), lengthOf(right)),
  },
  vector: {
    values: fc
      .array(fc.constantFrom(-1.5, 0, 2), { maxLength: 3 })
      .map((values) => Float32Array.from(values)),
    compare: vectors,
  },
  array: {
    values: fc.array(fc.constantFrom(null, -1, 0, 7), { maxLength: 4 }).map((items) => SqlArray.of(items)),
    compare: arrays,
  },
};

const column = fc.record({
  kind: fc.constantFrom(...(Object.keys(kinds) as Kind[])),
  descending: fc.boolean(),
  nullsFirst: fc.boolean(),
});
type Column = { readonly kind: Kind; readonly descending: boolean; readonly nullsFirst: boolean };

const keyColumn = ({ kind, descending, nullsFirst }: Column, index: number): KeyColumn => ({
  column: columnId(index + 1),
  type: kind === 'array' ? { kind, element: { kind: 'int4' } } : { kind },
  descending,
  nullsFirst,
});

function compareDatums(columns: readonly Column[], left: readonly Datum[], right: readonly Datum[]): number {
  for (const [index, { kind, descending, nullsFirst }] of columns.entries()) {
    const [a, b] = [left[index]!, right[index]!];
    if (a === null || b === null) {
      if (a !== b) return (a === null) === nullsFirst ? -1 : 1;
      continue;
    }
    const order = kinds[kind].compare(a as never, b as never);
    if (order !== 0) return Math.sign(descending ? -order : order);
  }
  return 0;
}

const columnsAndPair = fc.array(column, { minLength: 1, maxLength: 3 }).chain((columns) => {
  const row = fc.tuple(...columns.map(({ kind }) => fc.option(kinds[kind].values, { freq: 6 })));
  return fc.tuple(fc.constant(columns), row, row);
});

describe('rows/key', () => {
  it('orders bytes as PostgreSQL orders values, and equal values get equal bytes', () => {
    fc.assert(
      fc.property(columnsAndPair, ([columns, left, right]) => {
        const keyColumns = columns.map(keyColumn);
        const order = compareBytes(encodeKeyDatums(keyColumns, left), encodeKeyDatums(keyColumns, right));
        expect(Math.sign(order)).to.equal(compareDatums(columns, left, right));
      }),
      { numRuns: 5000 },
    );
  });

  it('gives back values that are equal to those encoded', () => {
    fc.assert(
      fc.property(columnsAndPair, ([columns, row]) => {
        const keyColumns = columns.map(keyColumn);
        const decoded = decodeKey(keyColumns, encodeKeyDatums(keyColumns, row));
        expect(decoded).to.have.length(row.length);
        expect(compareDatums(columns, decoded, row)).to.equal(0);
      }),
      { numRuns: 3000 },
    );
  });

  it('makes of bounds on values the range of keys that has just those values', () => {
    const bounds = columnsAndPair.chain(([columns, first, second]) =>
      fc.tuple(
        fc.constant(columns),
        fc.constant(first),
        fc.constant(second),
        fc.option(fc.boolean()),
        fc.option(fc.boolean()),
      ),
    );
    fc.assert(
      fc.property(bounds, ([columns, row, edge, lowerInclusive, upperInclusive]) => {
        const keyColumns = columns.map(keyColumn);
        const [value, limit] = [row[0]!, edge[0]!];
        fc.pre(limit !== null);
        const lower = lowerInclusive === null ? null : { value: limit, isInclusive: lowerInclusive };
        const upper = upperInclusive === null ? null : { value: limit, isInclusive: upperInclusive };
        const range = keyRange(keyColumns, [], lower, upper);
        const key = encodeKeyDatums(keyColumns, row);
        const isWithin =
          (range.from === null || compareBytes(key, range.from) >= 0) &&
          (range.to === null || compareBytes(key, range.to) < 0);
        const order = value === null ? 0 : kinds[columns[0]!.kind].compare(value as never, limit as never);
        const expected =
          (lower === null && upper === null) ||
          (value !== null &&
            (lower === null || order > 0 || (lower.isInclusive && order === 0)) &&
            (upper === null || order < 0 || (upper.isInclusive && order === 0)));
        expect(isWithin).to.equal(expected);
      }),
      { numRuns: 3000 },
    );
  });

  it('makes of a text prefix the range of the texts that start with it', () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\0', 'é', '\u{10ffff}'), maxLength: 4 });
    fc.assert(
      fc.property(text, text, fc.boolean(), (prefix, value, descending) => {
        const columns = [keyColumn({ kind: 'text', descending, nullsFirst: false }, 0)];
        const { from, to } = keyRangeOfTextPrefix(columns, [], prefix);
        const key = encodeKeyDatums(columns, [value]);
        const isWithin = compareBytes(key, from!) >= 0 && (to === null || compareBytes(key, to) < 0);
        expect(isWithin).to.equal(value.startsWith(prefix));
      }),
      { numRuns: 2000 },
    );
  });

  it('has the bytes of docs/formats/key.md', () => {
    const columns = [
      keyColumn({ kind: 'int4', descending: false, nullsFirst: false }, 0),
      keyColumn({ kind: 'text', descending: true, nullsFirst: true }, 1),
      keyColumn({ kind: 'numeric', descending: false, nullsFirst: false }, 2),
      keyColumn({ kind: 'bool', descending: false, nullsFirst: false }, 3),
    ];
    const key = encodeKeyDatums(columns, [-2, 'a\0', Numeric.of(-1250, 2), null]);
    const document = readFileSync(new URL('../../docs/formats/key.md', import.meta.url), 'utf8');
    const hex = /```hex\n([\s\S]*?)```/.exec(document)![1]!.replace(/\s/g, '');
    expect(Buffer.from(key).toString('hex')).to.equal(hex);
  });
});
