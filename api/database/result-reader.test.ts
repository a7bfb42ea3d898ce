import { expect } from 'chai';
import fc from 'fast-check';
import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { rowsOf } from '../../query/exec/rows.ts';
import { datumVector } from '../../query/exec/vectors.ts';
import { testContext } from '../../query/types/context.fixture.ts';
import { oids, type TypeOid } from '../../query/types/type.ts';
import { ResultReader } from './result-reader.ts';
import type { EngineSession } from './session.ts';

const session = { functions: testContext() } as EngineSession;
const columns = [
  ['a', oids.int4],
  ['at', oids.timestamp],
  ['b', oids.text],
  ['__proto__', oids.jsonb],
].map(([name, oid]) => ({
  name: name as string,
  type: { oid: oid as TypeOid, modifier: -1 },
  table: 0,
  attribute: 0,
}));

/** The values as the vector that has their kind: typed ones for numbers, with or without nulls. */
function numbersOf(values: readonly (number | null)[], isInt: boolean): ColumnVector {
  const nulls = values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : null;
  const numbers = values.map((value) => value ?? 0);
  return isInt
    ? { kind: 'int32', values: Int32Array.from(numbers), nulls }
    : { kind: 'float64', values: Float64Array.from(numbers), nulls };
}

const rowOf = fc.tuple(
  fc.option(fc.integer()),
  fc.option(fc.integer({ min: 0, max: 2 ** 50 })),
  fc.option(fc.string()),
  fc.option(fc.constantFrom('1', '"x"', '{"y": [2]}')),
  fc.boolean(),
);

describe('ResultReader', () => {
  it('makes the same objects of batches, of rows, and before code is generated', () => {
    fc.assert(
      fc.property(fc.array(rowOf, { minLength: 1, maxLength: 150 }), fc.boolean(), (rows, isSelected) => {
        const column = <Value extends Datum>(at: number) => rows.map((row) => row[at] as Value);
        const selection = Uint32Array.from(rows.flatMap((row, at) => (row[4] ? [at] : [])));
        const batch: ColumnBatch = {
          rowCount: rows.length,
          columns: [
            numbersOf(column(0), true),
            numbersOf(column(1), false),
            datumVector(column(2)),
            datumVector(column(3)),
          ],
          selection: isSelected ? selection : null,
        };
        const expected = rowsOf(batch).map(([a, at, b, json]) =>
          Object.fromEntries([
            ['a', a],
            ['at', at === null ? null : new Date(Math.floor(Number(at) / 1000))],
            ['b', b],
            ['__proto__', json === null ? null : JSON.parse(json as string)],
          ]),
        );
        const reader = new ResultReader<object>(columns);
        for (let times = 0; times < 3; times++) {
          const appended: object[] = [];
          reader.append(session, batch, appended);
          expect(appended).to.deep.equal(expected);
          expect(reader.read(session, rowsOf(batch))).to.deep.equal(expected);
        }
      }),
      { numRuns: 200 },
    );
  });
});
