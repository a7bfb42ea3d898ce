import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from 'chai';
import fc from 'fast-check';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { columnId, epoch, offset, schemaId, storageId, tableId, timestamp } from '../../base/ids.ts';
import { type Datum, Interval, type PhysicalType, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { verifyBatch } from '../record/header.ts';
import { RecordReader } from '../record/record-reader.ts';
import { avroKeySchema, avroSchema } from './avro.ts';
import type { EventSchema } from './layout.ts';
import { encodeRow, rowCodec, rowCodecWithoutGeneratedCode } from './row.ts';
import { EventWriter, readEvents } from './row-event.ts';

type AvscType = { toBuffer(value: unknown): Buffer; fromBuffer(bytes: Buffer): Record<string, unknown> };
const avsc = createRequire(import.meta.url)('avsc') as {
  Type: { forSchema(schema: unknown, options?: unknown): AvscType };
  types: { LongType: { __with(methods: unknown): unknown } };
};

const datums: Readonly<Record<PhysicalType['kind'], fc.Arbitrary<Datum>>> = {
  bool: fc.boolean(),
  int4: fc.integer(),
  int8: fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt(2n ** 53n, 2n ** 63n - 1n),
    fc.bigInt(-(2n ** 63n), -(2n ** 53n)),
  ),
  float4: fc.float(),
  float8: fc.double(),
  numeric: fc.oneof(
    fc.constantFrom<Datum>(Numeric.nan, Numeric.infinity, Numeric.negativeInfinity),
    fc
      .tuple(fc.bigInt(-(10n ** 30n), 10n ** 30n), fc.nat(40))
      .map(([units, scale]) => Numeric.of(units, scale)),
    fc.tuple(fc.integer(), fc.nat(4)).map(([units, scale]) => Numeric.of(units, scale)),
  ),
  text: fc.oneof(fc.string({ unit: 'grapheme', maxLength: 100 }), fc.string({ maxLength: 100 })),
  bytes: fc.uint8Array({ maxLength: 100 }),
  uuid: fc.uuid(),
  interval: fc
    .tuple(fc.integer(), fc.integer(), fc.maxSafeInteger())
    .map(([months, days, micros]) => new Interval(months, days, micros)),
  vector: fc.array(fc.float({ noNaN: true }), { maxLength: 5 }).map((values) => Float32Array.from(values)),
  array: fc.array(fc.option(fc.integer()), { maxLength: 5 }).map((items) => SqlArray.of(items)),
};
const kinds = Object.keys(datums) as PhysicalType['kind'][];
const typeOf = (kind: PhysicalType['kind']): PhysicalType =>
  kind === 'array' ? { kind, element: { kind: 'int4' } } : { kind };

const schemaAndRow = fc
  .array(fc.tuple(fc.constantFrom(...kinds), fc.boolean()), { minLength: 1, maxLength: 8 })
  .chain((columns) => {
    const schema: EventSchema = {
      id: schemaId(7),
      table: tableId(16384),
      storage: storageId(3),
      name: 'public.it has-odd "names"',
      fields: columns.map(([kind, required], index) => ({
        column: columnId(index + 1),
        name: `c ${index}`,
        type: typeOf(kind),
        required: required || index === 0,
        sqlType: kind,
      })),
      key: [columnId(1)],
    };
    const row = fc.tuple(
      ...schema.fields.map((field) =>
        field.required ? datums[field.type.kind] : fc.option(datums[field.type.kind]),
      ),
    );
    return fc.tuple(fc.constant(schema), row, fc.array(fc.nat(9), { maxLength: 6 }));
  });

const long = avsc.types.LongType.__with({
  fromBuffer: (buffer: Buffer) => buffer.readBigInt64LE(),
  toBuffer: (value: bigint) => {
    const buffer = Buffer.alloc(8);
    buffer.writeBigInt64LE(value);
    return buffer;
  },
  fromJSON: BigInt,
  toJSON: Number,
  isValid: (value: unknown) => typeof value === 'bigint',
  compare: (left: bigint, right: bigint) => (left < right ? -1 : left > right ? 1 : 0),
});
const avscType = (json: unknown): AvscType =>
  avsc.Type.forSchema(json, { registry: { long }, wrapUnions: false });

/** avsc's records of two types have two classes. */
const plain = (value: unknown): string | undefined =>
  JSON.stringify(value, (_, each) => (typeof each === 'bigint' ? `${each}` : each));

describe('log/events/row', () => {
  it('reads back what it wrote, all columns or some, with generated code and with closures', () => {
    fc.assert(
      fc.property(schemaAndRow, ([schema, row, wanted]) => {
        const generated = rowCodec(schema);
        const closures = rowCodecWithoutGeneratedCode(schema);
        const bytes = encodeRow(schema, row);
        const writer = new ByteWriter();
        closures.encode(row, writer);
        expect(writer.view()).to.deep.equal(bytes);
        const columns = [...new Set(wanted)].map((id) => ({ id, missing: 'missing' }));
        const expected = columns.map(({ id }) => (row[id - 1] === undefined ? 'missing' : row[id - 1]));
        for (const codec of [generated, closures]) {
          expect(codec.decode(bytes)).to.deep.equal(row);
          expect(codec.projection(columns)(bytes)).to.deep.equal(expected);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('writes what avsc reads, and reads what avsc writes', () => {
    fc.assert(
      fc.property(schemaAndRow, ([schema, row]) => {
        const type = avscType(avroSchema(schema));
        const bytes = encodeRow(schema, row);
        const theirs = type.fromBuffer(Buffer.from(bytes));
        const written = Uint8Array.from(type.toBuffer(theirs));
        expect(rowCodec(schema).decode(written)).to.deep.equal(row);
        const writer = new ByteWriter();
        rowCodec(schema).encodeKey(row, writer);
        const key = avscType(avroKeySchema(schema)).fromBuffer(Buffer.from(writer.view()));
        expect(plain(Object.values(key)[0])).to.equal(plain(Object.values(theirs)[0]));
      }),
      { numRuns: 200 },
    );
  });

  it('refuses a body that is cut short, and never reads beyond it', () => {
    fc.assert(
      fc.property(schemaAndRow, fc.nat(), ([schema, row], cut) => {
        const bytes = encodeRow(schema, row);
        const short = bytes.slice(0, cut % bytes.length);
        expect(() => rowCodec(schema).decode(short)).to.throw('malformed Avro');
      }),
      { numRuns: 300 },
    );
  });

  it('keeps events through a batch', () => {
    fc.assert(
      fc.property(schemaAndRow, fc.constantFrom('c', 'u', 'd', 'r'), ([schema, row], operation) => {
        const builder = new BatchBuilder();
        const replaces = operation === 'u' || operation === 'd';
        const events = new EventWriter(builder, timestamp(2 ** 52 + 1), 77);
        events.add(operation, schema, operation === 'd' ? null : row, replaces ? row : null);
        const batch = builder.finish({ baseOffset: offset(5), epoch: epoch(1), timestampMs: 9 });
        const [event, ...rest] = [...readEvents(batch)];
        expect(rest).to.deep.equal([]);
        const codec = rowCodec(schema);
        expect(event).to.include({
          offset: 5,
          operation,
          timestamp: 2 ** 52 + 1,
          transaction: 77,
          schema: 7,
        });
        expect(codec.decodeKey(event!.key)).to.deep.equal([row[0]]);
        expect(event!.row && codec.decode(event!.row)).to.deep.equal(operation === 'd' ? null : row);
        expect(event!.before && codec.decode(event!.before.row)).to.deep.equal(replaces ? row : null);
      }),
      { numRuns: 200 },
    );
  });

  it('has the bytes of docs/formats/event.md', () => {
    const schema: EventSchema = {
      id: schemaId(7),
      table: tableId(16384),
      storage: storageId(10),
      name: 'public.city',
      fields: [
        { column: columnId(1), name: 'id', type: { kind: 'int8' }, required: true, sqlType: 'int8' },
        { column: columnId(2), name: 'name', type: { kind: 'text' }, required: false, sqlType: 'text' },
      ],
      key: [columnId(1)],
    };
    const builder = new BatchBuilder();
    new EventWriter(builder, timestamp(2048), 5).add('u', schema, [3, 'Oslo'], [3, null]);
    const batch = builder.finish({ baseOffset: offset(0), epoch: epoch(1), timestampMs: 0 });
    const reader = new RecordReader(batch, verifyBatch(batch));
    expect(reader.next()).to.equal(true);
    const document = readFileSync(new URL('../../docs/formats/event.md', import.meta.url), 'utf8');
    const examples = [...document.matchAll(/```hex\n([\s\S]*?)```/g)].map(([, hex]) =>
      hex!.replace(/\s/g, ''),
    );
    const parts = [reader.key!, reader.value!, reader.headers].map((part) =>
      Buffer.from(part).toString('hex'),
    );
    expect(parts).to.deep.equal(examples);
  });
});
