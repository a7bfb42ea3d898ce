import { expect } from 'chai';
import fc from 'fast-check';
import { compareText, stringToUtf8 } from '../../base/bytes/utf8.ts';
import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { ColumnBuilder } from './row-store.ts';
import { TextTable } from './text-table.ts';
import { compareTextAt, Texts } from './texts.ts';
import { datumVector, gather, gatherFrom } from './vectors.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.constantFrom('', 'a', 'ab', '\u{e000}', '\u{1f600}', 'x'.repeat(3000)),
);
const texts = fc.array(fc.option(text), { maxLength: 200 });

function utf8Vector(values: readonly (string | null)[]): Extract<ColumnVector, { kind: 'utf8' }> {
  const held = new Texts();
  for (const value of values) held.push(value ?? '');
  return { kind: 'utf8', text: held, nulls: Uint8Array.from(values, (value) => Number(value === null)) };
}

function datumsIn(column: ColumnVector, count: number): Datum[] {
  return Array.from({ length: count }, (_unused, row) => datumAt(column, row));
}

describe('texts of rows that are kept', () => {
  it('are what was put in, by the string or by its bytes', () => {
    fc.assert(
      fc.property(fc.array(text, { maxLength: 200 }), (values) => {
        const held = new Texts();
        for (const [at, value] of values.entries()) {
          const bytes = stringToUtf8(value);
          if (at % 2 === 0) held.push(value);
          else held.pushBytes(bytes, 0, bytes.length);
        }
        expect(values.map((_value, row) => held.at(row))).to.deep.equal(values);
        expect(held.heldBytes).to.be.at.least(values.reduce((sum, value) => sum + value.length, 0));
      }),
    );
  });

  it('are ordered as strings are by code point', () => {
    fc.assert(
      fc.property(text, text, (left, right) => {
        const { text: held } = utf8Vector([left, right]);
        expect(Math.sign(compareTextAt(held, 0, held, 1))).to.equal(Math.sign(compareText(left, right)));
      }),
    );
  });

  it('are gathered from one column or from several, nulls among them', () => {
    fc.assert(
      fc.property(texts, texts, fc.infiniteStream(fc.nat()), (left, right, picks) => {
        const columns = [utf8Vector(left), utf8Vector(right)];
        const rows = left.map((_value, at) => picks.next().value! % (at + 1));
        const one = gather(columns[0]!, Uint32Array.from(rows), rows.length, false);
        expect(datumsIn(one, rows.length)).to.deep.equal(rows.map((row) => left[row]));
        const sources = Uint32Array.from([...left.map(() => 0), ...right.map(() => 1)]);
        const places = Uint32Array.from([...left.keys(), ...right.keys()]);
        for (const vectors of [columns, columns.map((column) => ({ ...column, nulls: null }))]) {
          const both = gatherFrom(vectors, sources, places, places.length);
          const expected = [...left, ...right].map((value) => (vectors === columns ? value : (value ?? '')));
          expect(datumsIn(both, places.length)).to.deep.equal(expected);
        }
      }),
    );
  });
});

describe('TextTable', () => {
  it('gives ids as a Map would, and one to null', () => {
    fc.assert(
      fc.property(fc.array(fc.option(text), { maxLength: 500 }), (values) => {
        const table = new TextTable();
        const ids = new Map<string | null, number>();
        let ofNull = -1;
        for (const [at, value] of values.entries()) {
          if (value === null && ofNull < 0) ofNull = table.reserve();
          const bytes = stringToUtf8(value ?? '');
          const find = (insert: boolean): number => {
            if (value === null) return ofNull;
            return at % 2 === 0 ? table.idOf(value, insert) : table.idOfBytes(bytes, 0, bytes.length, insert);
          };
          if (!ids.has(value) && value !== null) expect(find(false)).to.equal(-1);
          if (!ids.has(value)) ids.set(value, ids.size);
          expect(find(true)).to.equal(ids.get(value));
        }
        expect(table.size).to.equal(ids.size);
        for (const [value, id] of ids) if (value !== null) expect(table.texts.at(id)).to.equal(value);
      }),
    );
  });
});

describe('ColumnBuilder', () => {
  it('holds texts, numbers and nulls in any order, from any kind of vector', () => {
    const datum = fc.oneof(fc.constant(null), text, fc.integer(), fc.boolean());
    const column = fc.oneof(texts.map(utf8Vector), fc.array(fc.option(fc.integer())).map(datumVector));
    const batch = fc.oneof(column, fc.array(datum).map(datumVector));
    fc.assert(
      fc.property(fc.array(batch, { maxLength: 4 }), (columns) => {
        const builder = new ColumnBuilder();
        const expected: Datum[] = [];
        for (const each of columns) {
          const count = each.kind === 'datum' ? each.values.length : each.nulls!.length;
          builder.append(each, null, count);
          expected.push(...datumsIn(each, count));
        }
        expect(builder.length).to.equal(expected.length);
        expect(datumsIn(builder.finish(), expected.length)).to.deep.equal(expected);
      }),
    );
  });
});
