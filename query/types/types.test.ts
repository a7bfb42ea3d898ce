import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { codecOf } from './codec/codec.ts';
import { compareFunction, hashKey } from './compare.ts';
import { testContext } from './context.fixture.ts';
import { formatType } from './format-type.ts';
import {
  allOperators,
  equalsFunction,
  functionsByName,
  lessFunction,
  operatorsByName,
} from './functions/registry.ts';
import { applyModifier, parseTypeModifier } from './modifier.ts';
import { addNumeric, divideNumeric, multiplyNumeric, subtractNumeric } from './numeric/arithmetic.ts';
import { compareNumeric } from './numeric/compare.ts';
import { expNumeric, powerNumeric } from './numeric/transcendental.ts';
import { Regex } from './regex/match.ts';
import { allTypes, typeByName, typeInfo } from './registry.ts';
import { oids } from './type.ts';

const context = testContext();
const vectorType = { oid: oids.vector, modifier: -1 };
const parseVector = (text: string) => codecOf(oids.vector).parse(text, vectorType, context) as Float32Array;
const numeric = fc
  .tuple(
    fc.oneof(fc.bigInt(-(10n ** 30n), 10n ** 30n), fc.bigInt(-1000n, 1000n)),
    fc.integer({ min: 0, max: 12 }),
  )
  .map(([units, scale]) => Numeric.of(units, scale));

describe('query/types', () => {
  it('links every array type with its element', () => {
    for (const type of allTypes()) {
      expect(typeByName(type.name)).to.equal(type);
      if (type.array !== 0) expect(typeInfo(type.array).element).to.equal(type.oid);
    }
  });

  it('names types with their modifiers as format_type does', () => {
    const names = [
      [oids.numeric, [10, 2], 'numeric(10,2)'],
      [oids.numeric, [5, -3], 'numeric(5,-3)'],
      [oids.varchar, [7], 'character varying(7)'],
      [oids.timestamptz, [3], 'timestamp(3) with time zone'],
      [oids.interval, [0x7fff, 2], 'interval(2)'],
      [oids.interval, [6], 'interval year to month'],
      [oids.vector, [3], 'vector(3)'],
      [oids.varcharArray, [7], 'character varying(7)[]'],
    ] as const;
    for (const [oid, values, name] of names) {
      expect(formatType({ oid, modifier: parseTypeModifier(oid, values) })).to.equal(name);
    }
  });

  it('cuts text only where the cast is explicit or blanks go', () => {
    const type = { oid: oids.varchar, modifier: 6 };
    expect(applyModifier('abc', type, true)).to.equal('ab');
    expect(applyModifier('ab  ', type, false)).to.equal('ab');
    expect(() => applyModifier('abc', type, false))
      .to.throw(AlopexError, 'value too long for type character varying(2)')
      .with.property('code', '22001');
  });

  it('reads, writes and measures vectors as pgvector', () => {
    const codec = codecOf(oids.vector);
    const vector = parseVector(' [1, 2.5,-3e2] ');
    expect(codec.format(vector, vectorType, context)).to.equal('[1,2.5,-300]');
    expect(codec.decode(codec.encode(vector, vectorType), vectorType)).to.deep.equal(vector);
    expect(() => parseVector('[]')).to.throw(AlopexError, 'vector must have at least 1 dimension');
    expect(() => parseVector('1,2')).to.throw(AlopexError, 'invalid input syntax for type vector: "1,2"');
    expect(() => parseVector('[NaN]')).to.throw(AlopexError, 'NaN not allowed in vector');
    expect(() => applyModifier(vector, { oid: oids.vector, modifier: 2 }, false)).to.throw(
      AlopexError,
      'expected 2 dimensions, not 3',
    );
    const measure = (symbol: string, left: string, right: string) =>
      operatorsByName(symbol)
        .find((operator) => operator.left === oids.vector)!
        .function.evaluate(parseVector(left), parseVector(right));
    expect(measure('<->', '[0,0]', '[3,4]')).to.equal(5);
    expect(measure('<#>', '[1,2]', '[3,4]')).to.equal(-11);
    expect(measure('<=>', '[1,0]', '[0,1]')).to.equal(1);
    expect(measure('<+>', '[1,2]', '[3,0]')).to.equal(4);
    expect(() => measure('<->', '[1]', '[1,2]')).to.throw(AlopexError, 'different vector dimensions 1 and 2');
  });

  it('gives equal values equal hash keys, and only them', () => {
    const compare = compareFunction(oids.numeric);
    const key = hashKey(oids.numeric);
    fc.assert(
      fc.property(numeric, numeric, fc.integer({ min: 0, max: 5 }), (left, right, zeros) => {
        const wider = Numeric.of(BigInt(left.units) * 10n ** BigInt(zeros), left.scale + zeros);
        expect(key(wider)).to.equal(key(left));
        expect(key(left) === key(right)).to.equal(compare(left, right) === 0);
      }),
    );
    expect(hashKey(oids.float8)(-0)).to.equal(hashKey(oids.float8)(0));
    expect(hashKey(oids.jsonb)('1.0')).to.equal(hashKey(oids.jsonb)('1.00'));
  });

  it('raises to whole powers exactly, as long as numeric is', () => {
    const raised = powerNumeric(Numeric.of(3, 0), Numeric.of(100_000, 0));
    expect(raised.units).to.equal(3n ** 100_000n * 10n ** 16n);
    expect(raised.scale).to.equal(16);
  });

  it('refuses exponentials and logarithms of more digits than it sums series to', () => {
    expect(() => expNumeric(Numeric.of(100_000, 0))).to.throw(AlopexError, 'at most 17000 digits');
  });

  it('keeps the laws of arithmetic over numerics of any size', () => {
    fc.assert(
      fc.property(numeric, numeric, numeric, (a, b, c) => {
        const equal = (left: Numeric, right: Numeric) => expect(compareNumeric(left, right)).to.equal(0);
        equal(subtractNumeric(addNumeric(a, b), b), a);
        equal(multiplyNumeric(a, addNumeric(b, c)), addNumeric(multiplyNumeric(a, b), multiplyNumeric(a, c)));
        if (b.units !== 0) equal(divideNumeric(multiplyNumeric(a, b), b), a);
      }),
    );
  });

  it('matches nested repetitions without backtracking', () => {
    expect(new Regex('^(a+)+$').test(`${'a'.repeat(3000)}b`)).to.equal(false);
    expect(new Regex('(a|aa)+$').test(`${'a'.repeat(3000)}b`)).to.equal(false);
  });

  it('has a function for every operator and an order for every ordered type', () => {
    expect(allOperators().every((operator) => functionsByName(operator.function.name).length > 0)).to.equal(
      true,
    );
    for (const oid of [oids.int4, oids.varchar, oids.regclass, oids.int4Array, oids.vector, oids.jsonb]) {
      expect(equalsFunction(oid)).not.to.equal(null);
      expect(lessFunction(oid)).not.to.equal(null);
    }
    expect(equalsFunction(oids.json)).to.equal(null);
    expect(equalsFunction(oids.bpchar)!.evaluate('a ', 'a')).to.equal(true);
  });

  it('refuses binary forms that are out of range, or too long', () => {
    const refused = (oid: number, hex: string): unknown => {
      try {
        return codecOf(oid).decode(Uint8Array.from(Buffer.from(hex, 'hex')), { oid, modifier: -1 });
      } catch (error) {
        return (error as { readonly code: string }).code;
      }
    };
    expect(refused(oids.date, '80000001')).to.equal('22008');
    expect(refused(oids.date, '7ffffffe')).to.equal('22008');
    expect(refused(oids.date, '00000000')).to.equal(10_957);
    expect(refused(oids.time, 'ffffffffffffffff')).to.equal('22008');
    expect(refused(oids.time, '000000141dd76001')).to.equal('22008');
    expect(refused(oids.timestamp, '7ffffffffffffffe')).to.equal('22008');
    expect(refused(oids.numeric, '00010000000000000001ff')).to.equal('22P03');
  });
});
