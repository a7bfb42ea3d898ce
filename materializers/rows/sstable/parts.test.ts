import { expect } from 'chai';
import fc from 'fast-check';
import { compareBytes, concatBytes } from '../../../base/bytes/compare.ts';
import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { columnId } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import type { ZonePredicate } from '../contract.ts';
import { buildFilter, hashKey, mayContain } from './bloom.ts';
import { readIntegers, writeIntegers } from './integers.ts';
import { KeyIndex } from './key-index.ts';
import { decodeKeys, encodeKeys } from './keys.ts';
import { openPage, sealPage } from './page.ts';
import { mayMatch, readZone, writeZone, zoneOf } from './zone.ts';

const keys = fc.oneof(
  fc.array(fc.uint8Array({ maxLength: 12 }), { minLength: 1, maxLength: 40 }),
  fc
    .array(fc.integer({ min: 0, max: 70_000 }), { minLength: 1, maxLength: 60 })
    .map((numbers) => numbers.map((n) => Uint8Array.of(2, 128, 0, n >> 16, (n >> 8) & 255, n & 255))),
);

describe('materializers/rows/sstable: parts', () => {
  it('keeps runs of safe integers, dense, sparse or extreme', () => {
    const number = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: 0, max: 9 }), fc.integer());
    fc.assert(
      fc.property(fc.array(number, { maxLength: 50 }), (values) => {
        const writer = new ByteWriter();
        writeIntegers(writer, Float64Array.from(values), values.length);
        const reader = new ByteReader(writer.view());
        expect([...readIntegers(reader, new Float64Array(values.length))]).to.deep.equal(values);
        expect(reader.remaining).to.equal(0);
      }),
      { numRuns: 500 },
    );
  });

  it('takes one byte a row for an ascending run, and none for a constant', () => {
    const size = (values: number[]) => {
      const writer = new ByteWriter();
      writeIntegers(writer, Float64Array.from(values), values.length);
      return writer.length;
    };
    expect(size(Array.from({ length: 1000 }, () => 2 ** 40))).to.be.below(12);
    expect(size(Array.from({ length: 1000 }, (_, row) => 2 ** 40 + row))).to.be.below(20);
    expect(size(Array.from({ length: 1000 }, (_, row) => row * 1000 + (row % 7)))).to.be.below(1020);
  });

  it('finds keys as a sorted list does', () => {
    fc.assert(
      fc.property(keys, keys, (stored, probes) => {
        const sorted = stored.toSorted(compareBytes);
        const offsets = new Int32Array(sorted.length + 1);
        for (const [row, key] of sorted.entries()) offsets[row + 1] = offsets[row]! + key.length;
        const page = decodeKeys(encodeKeys(concatBytes(sorted), offsets, sorted.length));
        expect(sorted.map((_, row) => new Uint8Array(page.keyAt(row)))).to.deep.equal(sorted);
        const index = new KeyIndex(sorted);
        for (const probe of [...probes, ...sorted]) {
          const first = sorted.findIndex((key) => compareBytes(key, probe) >= 0);
          const place = first < 0 ? sorted.length : first;
          expect(page.seek(probe)).to.equal(place);
          expect(index.seek(probe)).to.equal(place);
          const isFound = place < sorted.length && compareBytes(sorted[place]!, probe) === 0;
          expect(page.find(probe)).to.equal(isFound ? place : -1);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('stores integer keys as numbers, and others as bytes', () => {
    const form = (all: Uint8Array[]) => {
      const offsets = Int32Array.from([0, ...all.map((_, row) => (row + 1) * all[0]!.length)]);
      return decodeKeys(encodeKeys(concatBytes(all), offsets, all.length)).kind;
    };
    expect(form([Uint8Array.of(2, 128, 0, 0, 1), Uint8Array.of(2, 128, 0, 1, 1)])).to.equal('numeric');
    expect(form([new Uint8Array(16), new Uint8Array(16).fill(1)])).to.equal('bytes');
  });

  it('has no false negative in its filter, and few false positives', () => {
    const key = (n: number) => Uint8Array.of(2, n >> 16, (n >> 8) & 255, n & 255);
    const filter = buildFilter(Array.from({ length: 10_000 }, (_, n) => hashKey(key(n))));
    let falsePositives = 0;
    for (let n = 0; n < 10_000; n++) {
      expect(mayContain(filter, hashKey(key(n)))).to.equal(true);
      if (mayContain(filter, hashKey(key(n + 1_000_000)))) falsePositives++;
    }
    expect(falsePositives).to.be.below(300);
  });

  it('refuses a page under another file number or position', () => {
    const sealed = sealPage(7, 100, new Uint8Array(50), null);
    const context = { file: 'x.sst', fileNumber: 7, compression: null };
    const address = { position: 100, length: sealed.length };
    expect(openPage(context, address, sealed)).to.deep.equal(new Uint8Array(50));
    expect(() => openPage(context, { ...address, position: 101 }, sealed)).to.throw('checksum mismatch');
    expect(() => openPage({ ...context, fileNumber: 8 }, address, sealed)).to.throw('checksum mismatch');
  });
});

describe('materializers/rows/sstable: zone maps', () => {
  const operators = ['=', '<', '<=', '>', '>='] as const;

  /** PostgreSQL's order: NaN is the greatest number. */
  function matches(operator: (typeof operators)[number], left: Datum, right: Datum): boolean {
    if (left === null) return false;
    const order = orderOf(left, right);
    if (operator === '=') return order === 0;
    if (operator === '<') return order < 0;
    if (operator === '<=') return order <= 0;
    return operator === '>' ? order > 0 : order >= 0;
  }

  function orderOf(left: Datum, right: Datum): number {
    if (left instanceof Numeric && right instanceof Numeric) return orderOfNumerics(left, right);
    if (Number.isNaN(left)) return Number.isNaN(right) ? 0 : 1;
    if (Number.isNaN(right)) return -1;
    return left! < right! ? -1 : left! > right! ? 1 : 0;
  }

  function orderOfNumerics(left: Numeric, right: Numeric): number {
    const scaled = (value: Numeric) => BigInt(value.units) * 10n ** BigInt(30 - value.scale);
    return scaled(left) < scaled(right) ? -1 : scaled(left) > scaled(right) ? 1 : 0;
  }

  const numbers = fc.oneof(fc.double(), fc.integer({ min: -3, max: 3 }));
  const numerics = fc
    .tuple(fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -30, max: 30 })), fc.nat(20))
    .map(([units, scale]) => Numeric.of(units, scale));
  // Beyond the length of a bound, and with letters that agree in UTF-16 and in UTF-8 order.
  const texts = fc
    .tuple(fc.constantFrom('', 'b', 'é'.repeat(50)), fc.string())
    .map((parts) => parts.join(''));
  const cases = [
    { kind: 'float8', values: numbers },
    { kind: 'numeric', values: numerics },
    { kind: 'text', values: texts },
  ] as const;

  for (const { kind, values } of cases) {
    it(`never prunes a match among ${kind}`, () => {
      const column = fc.array(fc.option(values as fc.Arbitrary<Datum>), { minLength: 1, maxLength: 8 });
      let pruned = 0;
      fc.assert(
        fc.property(
          column,
          values as fc.Arbitrary<Datum>,
          fc.constantFrom(...operators),
          (rows, value, operator) => {
            const writer = new ByteWriter();
            writeZone(writer, zoneOf({ kind }, rows, rows.length));
            const zone = readZone(new ByteReader(writer.view()));
            const predicate: ZonePredicate = { column: columnId(1), operator, value };
            const isPossible = mayMatch(zone, rows.length, predicate);
            if (!isPossible) pruned++;
            if (rows.some((row) => matches(operator, row, value))) expect(isPossible).to.equal(true);
          },
        ),
        { numRuns: 3000 },
      );
      expect(pruned).to.be.above(300);
    });
  }

  it('prunes by nulls', () => {
    const possible = (rows: Datum[], operator: 'is null' | 'is not null') =>
      mayMatch(zoneOf({ kind: 'interval' }, rows, rows.length), rows.length, {
        column: columnId(1),
        operator,
        value: null,
      });
    expect(possible([null, null], 'is not null')).to.equal(false);
    expect(possible([null, null], 'is null')).to.equal(true);
  });
});
