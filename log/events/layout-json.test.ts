import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import { columnId, indexId, schemaId, storageId, tableId } from '../../base/ids.ts';
import { type Datum, Interval, SqlArray } from '../../base/values/datum.ts';
import { Numeric, narrow } from '../../base/values/numeric.ts';
import type { EventSchema, TableLayout } from './layout.ts';
import {
  datumFromJson,
  datumToJson,
  eventSchemaFromJson,
  eventSchemaToJson,
  type JsonValue,
  tableLayoutFromJson,
  tableLayoutToJson,
} from './layout-json.ts';
import { objectsLayout, objectsSchema } from './system.ts';

const scalar: fc.Arbitrary<Datum> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.string(),
  fc.double(),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(narrow),
  fc.tuple(fc.bigInt(), fc.nat(40)).map(([units, scale]) => Numeric.of(units, scale)),
  fc.constantFrom(Numeric.nan, Numeric.infinity, Numeric.negativeInfinity),
  fc.uint8Array(),
  fc.tuple(fc.integer(), fc.integer(), fc.maxSafeInteger()).map((parts) => new Interval(...parts)),
  fc.float32Array({ maxLength: 4 }),
);
const datum = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }).map((items) => SqlArray.of(items)),
);

/** As `alopex.objects` keeps it. */
function throughText(json: JsonValue): JsonValue {
  return JSON.parse(JSON.stringify(json)) as JsonValue;
}

describe('layout-json', () => {
  it('returns every datum as it was', () => {
    fc.assert(
      fc.property(datum, (value) => {
        expect(datumFromJson(throughText(datumToJson(value)))).to.deep.equal(value);
      }),
    );
    expect(Object.is(datumFromJson(throughText(datumToJson(-0))), -0)).to.equal(true);
  });

  it('returns layouts as they were', () => {
    const key = { column: columnId(2), type: { kind: 'uuid' }, descending: true, nullsFirst: true } as const;
    const layout: TableLayout = {
      table: tableId(16384),
      storage: storageId(16390),
      schema: schemaId(17),
      columns: [
        { id: columnId(2), type: { kind: 'uuid' }, missing: null },
        { id: columnId(5), type: { kind: 'numeric' }, missing: Numeric.of(125, 2) },
        { id: columnId(6), type: { kind: 'int8' }, missing: 9223372036854775807n },
        { id: columnId(7), type: { kind: 'array', element: { kind: 'bytes' } }, missing: SqlArray.of([]) },
      ],
      key: [key],
      indexes: [
        { id: indexId(16400), columns: [key], unique: true, nullsDistinct: false, state: 'write-only' },
      ],
      historyMs: 7 * 86_400_000,
    };
    expect(tableLayoutFromJson(throughText(tableLayoutToJson(layout)))).to.deep.equal(layout);
    expect(tableLayoutFromJson(throughText(tableLayoutToJson(objectsLayout)))).to.deep.equal(objectsLayout);
  });

  it('returns event schemas as they were', () => {
    const schema: EventSchema = {
      ...objectsSchema,
      fields: [
        ...objectsSchema.fields,
        {
          column: columnId(9),
          name: 'tags',
          type: { kind: 'array', element: { kind: 'text' } },
          required: false,
          sqlType: 'text[]',
        },
      ],
    };
    expect(eventSchemaFromJson(throughText(eventSchemaToJson(schema)))).to.deep.equal(schema);
  });

  it('names what is malformed', () => {
    const good = tableLayoutToJson(objectsLayout);
    const bad: JsonValue[] = [null, [], 'x', { ...good, columns: 1 }, { ...good, indexes: [{ id: 'a' }] }];
    for (const json of bad) {
      expect(() => tableLayoutFromJson(json), JSON.stringify(json)).to.throw(AlopexError, 'malformed');
    }
    expect(() => datumFromJson({ bytes: '0g' })).to.throw(AlopexError, '"0g"');
    expect(() => datumFromJson({ what: 1 })).to.throw(AlopexError, 'malformed');
  });
});
