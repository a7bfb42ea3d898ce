import { createRequire } from 'node:module';
import zlib from 'node:zlib';
import { expect } from 'chai';
import fc from 'fast-check';
import { epoch, nodeId, offset } from '../../base/ids.ts';
import { BatchBuilder, type BatchPlace } from './batch-builder.ts';
import { BatchError } from './batch-error.ts';
import { decodeControl, encodeControlBatch } from './control.ts';
import { decodeHeader, placeBatch, verifyBatch } from './header.ts';
import { decodeHeaders, encodeHeaders } from './headers.ts';
import { headerBytes } from './layout.ts';
import type { ControlRecord, RecordHeader } from './record.ts';
import { type Decompressor, decodeBatch, RecordReader } from './record-reader.ts';

/** kafkajs's own codec, which has no types. */
type KafkaRecord = {
  offset: string;
  timestamp: string;
  key: Buffer | null;
  value: Buffer | null;
  headers: Record<string, Buffer | null | (Buffer | null)[]>;
  isControlRecord: boolean;
};
type KafkaBatch = {
  firstOffset: string;
  partitionLeaderEpoch: number;
  inTransaction: boolean;
  producerId: string;
  producerEpoch: number;
  firstSequence: number;
  maxTimestamp: string;
  records: KafkaRecord[];
};
const require = createRequire(import.meta.url);
const protocol = 'kafkajs/src/protocol';
const KafkaDecoder = require(`${protocol}/decoder`) as new (bytes: Buffer) => unknown;
const decodeWithKafka = require(`${protocol}/recordBatch/v0/decoder`) as (
  decoder: unknown,
) => Promise<KafkaBatch>;
const kafkaEncoder = require(`${protocol}/recordBatch/v0`) as {
  RecordBatch(input: Record<string, unknown>): Promise<{ buffer: Buffer }>;
};
const encodeRecordWithKafka = require(`${protocol}/recordBatch/record/v0`) as (input: unknown) => unknown;

type Row = {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly RecordHeader[];
  readonly delta: number;
};
const bytes = fc.uint8Array({ maxLength: 300 });
/** kafkajs loses headers that are named as a member of Object is: 'toString'. */
const headerName = fc.string({ unit: 'grapheme' }).map((text) => `h${text}`);
const row: fc.Arbitrary<Row> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  headers: fc.uniqueArray(fc.record({ key: headerName, value: fc.option(bytes) }), {
    maxLength: 4,
    selector: (header) => header.key,
  }),
  delta: fc.oneof(fc.constant(0), fc.nat(5_000_000_000)),
});
const rows = fc.array(row, { minLength: 1, maxLength: 30 });
const place: fc.Arbitrary<BatchPlace> = fc.record({
  baseOffset: fc.maxSafeNat().map((value) => offset(Math.floor(value / 2))),
  epoch: fc.nat().map(epoch),
  timestampMs: fc.nat(4_000_000_000_000),
  producer: fc.record({
    id: fc.maxSafeNat(),
    epoch: fc.nat(32_767),
    baseSequence: fc.nat(),
    isTransactional: fc.boolean(),
  }),
});
const here: BatchPlace = { baseOffset: offset(7), epoch: epoch(3), timestampMs: 1_700_000_000_000 };

function build(records: readonly Row[], at: BatchPlace): Uint8Array {
  const builder = new BatchBuilder(16);
  for (const { key, value, headers, delta } of records)
    builder.add(key, value, encodeHeaders(headers), delta);
  return builder.finish(at);
}

function plain(value: Uint8Array | null): number[] | null {
  return value === null ? null : [...value];
}

async function kafkaView(batch: Uint8Array): Promise<KafkaBatch> {
  return decodeWithKafka(new KafkaDecoder(Buffer.from(batch)));
}

describe('log/record', () => {
  it('batch_random_decodes_to_what_was_added', () => {
    fc.assert(
      fc.property(rows, place, (records, at) => {
        const batch = build(records, at);
        const decoded = decodeBatch(batch);
        expect(decoded.header).to.deep.equal({
          baseOffset: at.baseOffset,
          lastOffset: at.baseOffset + records.length - 1,
          epoch: at.epoch,
          compression: 'none',
          isTransactional: at.producer?.isTransactional,
          isControl: false,
          baseTimestampMs: at.timestampMs,
          maxTimestampMs: at.timestampMs + Math.max(...records.map(({ delta }) => delta)),
          producerId: at.producer?.id,
          producerEpoch: at.producer?.epoch,
          baseSequence: at.producer?.baseSequence,
          recordCount: records.length,
          sizeBytes: batch.length,
        });
        expect(decoded.records).to.deep.equal(
          records.map(({ key, value, headers, delta }, index) => ({
            offset: at.baseOffset + index,
            timestampMs: at.timestampMs + delta,
            key,
            value,
            headers,
          })),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('batch_of_ours_reads_the_same_in_kafkajs', async () => {
    await fc.assert(
      fc.asyncProperty(rows, place, async (records, at) => {
        const seen = await kafkaView(build(records, at));
        expect(seen.firstOffset).to.equal(String(at.baseOffset));
        expect(seen.partitionLeaderEpoch).to.equal(at.epoch);
        expect(seen.producerId).to.equal(String(at.producer?.id));
        expect(seen.producerEpoch).to.equal(at.producer?.epoch);
        expect(seen.firstSequence).to.equal(at.producer?.baseSequence);
        expect(seen.inTransaction).to.equal(at.producer?.isTransactional);
        expect(seen.records.length).to.equal(records.length);
        for (const [index, record] of seen.records.entries()) {
          const { key, value, headers, delta } = records[index]!;
          expect(record.offset).to.equal(String(at.baseOffset + index));
          expect(record.timestamp).to.equal(String(at.timestampMs + delta));
          expect([plain(record.key), plain(record.value)]).to.deep.equal([plain(key), plain(value)]);
          const named = Object.entries(record.headers).map(([name, held]) => [
            name,
            plain(held as Buffer | null),
          ]);
          expect(named).to.have.deep.members(headers.map((header) => [header.key, plain(header.value)]));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('batch_of_kafkajs_reads_the_same_here_and_is_built_byte_for_byte', async () => {
    await fc.assert(
      fc.asyncProperty(rows, place, async (records, at) => {
        const theirs = await kafkaEncoder.RecordBatch({
          firstOffset: String(at.baseOffset),
          firstTimestamp: at.timestampMs,
          maxTimestamp: at.timestampMs + Math.max(...records.map(({ delta }) => delta)),
          partitionLeaderEpoch: at.epoch,
          lastOffsetDelta: records.length - 1,
          transactional: at.producer?.isTransactional,
          producerId: String(at.producer?.id),
          producerEpoch: at.producer?.epoch,
          firstSequence: at.producer?.baseSequence,
          records: records.map(({ key, value, delta }, index) =>
            encodeRecordWithKafka({
              offsetDelta: index,
              timestampDelta: delta,
              key: key === null ? null : Buffer.from(key),
              value: value === null ? null : Buffer.from(value),
            }),
          ),
        });
        const ours = build(
          records.map((record) => ({ ...record, headers: [] })),
          at,
        );
        expect(Buffer.from(ours).equals(theirs.buffer)).to.equal(true);
        expect(decodeBatch(theirs.buffer).records.map(({ value }) => plain(value))).to.deep.equal(
          records.map(({ value }) => plain(value)),
        );
      }),
      { numRuns: 100 },
    );
  });

  it('batch_compressed_by_kafkajs_needs_a_decompressor', async () => {
    const theirs = await kafkaEncoder.RecordBatch({
      compression: 1,
      lastOffsetDelta: 1,
      records: [0, 1].map((index) =>
        encodeRecordWithKafka({ offsetDelta: index, key: Buffer.from(`k${index}`), value: null }),
      ),
    });
    const gunzip: Decompressor = (_, compressed, bytesMax) =>
      zlib.gunzipSync(compressed, { maxOutputLength: bytesMax });
    const decoded = decodeBatch(theirs.buffer, gunzip);
    expect(decoded.header.compression).to.equal('gzip');
    expect(decoded.records.map(({ key }) => String(key && Buffer.from(key)))).to.deep.equal(['k0', 'k1']);
    expect(() => decodeBatch(theirs.buffer)).to.throw(BatchError, 'compressed with gzip');
    const breaking: Decompressor = () => {
      throw new Error('bomb');
    };
    expect(() => decodeBatch(theirs.buffer, breaking)).to.throw(
      BatchError,
      'do not decompress with gzip: bomb',
    );
  });

  it('batch_with_any_flipped_bit_is_refused_or_only_placed_elsewhere', () => {
    const at = { ...here, producer: { id: 5, epoch: 1, baseSequence: 2, isTransactional: true } };
    fc.assert(
      fc.property(rows, fc.nat(), (records, seed) => {
        const batch = build(records, at);
        const before = decodeBatch(batch);
        const bit = seed % (batch.length * 8);
        batch[bit >> 3]! ^= 1 << (bit & 7);
        let after: ReturnType<typeof decodeBatch>;
        try {
          after = decodeBatch(batch);
        } catch (thrown) {
          expect(thrown).to.be.instanceOf(BatchError);
          return;
        }
        // The CRC skips the base offset and the epoch: readers assert those against their neighbours.
        expect(
          after.header.baseOffset !== before.header.baseOffset || after.header.epoch !== before.header.epoch,
        ).to.equal(true);
        expect(after.records.map(({ key, value }) => [key, value])).to.deep.equal(
          before.records.map(({ key, value }) => [key, value]),
        );
      }),
      { numRuns: 3000 },
    );
  });

  it('records_of_arbitrary_bytes_under_a_valid_header_never_crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), fc.integer({ min: 1, max: 5 }), (body, count) => {
        const batch = new Uint8Array(headerBytes + body.length);
        batch.set(build([{ key: null, value: null, headers: [], delta: 0 }], here).subarray(0, headerBytes));
        batch.set(body, headerBytes);
        const view = new DataView(batch.buffer);
        view.setInt32(8, batch.length - 12);
        view.setInt32(23, count - 1);
        view.setInt32(57, count);
        const reader = new RecordReader(batch, decodeHeader(batch));
        try {
          while (reader.next()) expect(reader.index).to.be.lessThan(count);
        } catch (thrown) {
          expect(thrown).to.be.instanceOf(BatchError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('batch_cut_anywhere_is_refused', () => {
    const batch = build([{ key: Uint8Array.of(1), value: Uint8Array.of(2, 3), headers: [], delta: 0 }], here);
    for (let length = 0; length < batch.length; length++) {
      expect(() => verifyBatch(batch.subarray(0, length)), `${length} bytes`).to.throw(BatchError);
    }
    expect(() => decodeBatch(Uint8Array.of(...batch, 0))).to.throw(BatchError, '1 bytes after the batch');
  });

  it('batch_placed_elsewhere_keeps_its_crc', () => {
    const batch = build([{ key: null, value: null, headers: [], delta: 0 }], here);
    placeBatch(batch, offset(2 ** 40 + 5), epoch(9));
    expect(verifyBatch(batch)).to.include({ baseOffset: 2 ** 40 + 5, epoch: 9 });
  });

  it('builder_is_empty_again_after_finish', () => {
    const builder = new BatchBuilder();
    builder.add(Uint8Array.of(1), null, encodeHeaders([]), 10);
    const first = builder.finish(here);
    builder.add(Uint8Array.of(2), null);
    const second = builder.finish(here);
    expect(decodeBatch(first).records[0]?.key).to.deep.equal(Uint8Array.of(1));
    expect(decodeBatch(second).records.map(({ key, timestampMs }) => [key, timestampMs])).to.deep.equal([
      [Uint8Array.of(2), here.timestampMs],
    ]);
  });

  it('headers_encode_and_decode', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ key: fc.string({ unit: 'grapheme' }), value: fc.option(bytes) })),
        (headers) => {
          expect(decodeHeaders(encodeHeaders(headers))).to.deep.equal(headers);
        },
      ),
    );
  });

  const producer = { id: 12, epoch: 0, baseSequence: -1, isTransactional: true };
  const controls: readonly ControlRecord[] = [
    { kind: 'abort', coordinatorEpoch: 4 },
    { kind: 'commit', coordinatorEpoch: 5, timestamp: 2 ** 52 + 1 },
    { kind: 'flush-point', horizon: 2 ** 50 + 3 },
    { kind: 'leader-change', leader: 2 },
    {
      kind: 'membership',
      membership: {
        members: [
          { id: nodeId(1), role: 'voter', mesh: 'first.example:7000', client: 'first.example:5432' },
          { id: nodeId(2 ** 31 - 1), role: 'learner', mesh: '[::1]:7000', client: 'größer:5432' },
        ],
        outgoing: [{ id: nodeId(3), role: 'witness', mesh: 'third:1', client: '' }],
        forced: [{ generation: 2, node: nodeId(2), offset: offset(2 ** 40) }],
      },
    },
  ];
  for (const control of controls) {
    it(`control_${control.kind}_encodes_and_decodes`, async () => {
      const ends = control.kind === 'abort' || control.kind === 'commit';
      const batch = encodeControlBatch(control, ends ? { ...here, producer } : here);
      const header = verifyBatch(batch);
      expect(header).to.include({
        isControl: true,
        isTransactional: ends,
        producerId: ends ? 12 : -1,
        recordCount: 1,
      });
      const reader = new RecordReader(batch, header);
      expect(reader.next()).to.equal(true);
      expect(decodeControl(reader)).to.deep.equal(control);
      const seen = await kafkaView(batch);
      expect(seen.records.map(({ isControlRecord }) => isControlRecord)).to.deep.equal([true]);
    });
  }

  it('control_commit_and_abort_have_the_bytes_of_kafka', () => {
    // EndTransactionMarker of Kafka: key = version 0, type (0 abort, 1 commit); value = version 0, coordinator epoch.
    for (const [kind, type] of [
      ['abort', 0],
      ['commit', 1],
    ] as const) {
      const batch = encodeControlBatch({ kind, coordinatorEpoch: 258, timestamp: 1 } as ControlRecord, {
        ...here,
        producer,
      });
      const record = decodeBatch(batch).records[0];
      expect(record?.key).to.deep.equal(Uint8Array.of(0, 0, 0, type));
      expect(record?.value).to.deep.equal(Uint8Array.of(0, 0, 0, 0, 1, 2));
    }
  });

  it('control_membership_with_more_members_than_there_can_be_is_refused', () => {
    for (const [value, problem] of [
      [[0, 0, 65], '65 members, at most 64'],
      [[0, 0, 1, 0, 0, 0, 1, 3, 0, 0, 0, 0, 0], 'member role 3'],
      [[0, 0, 1, 0, 0, 0, 1, 0, 2, 1], 'an address of 513 bytes'],
      [[0, 0, 1, 255, 255, 255, 255, 0], 'node -1'],
      [[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 'node 1 to generation 0 at 0'],
    ] as const) {
      const builder = new BatchBuilder();
      builder.add(Uint8Array.of(0, 0, 3, 235), Uint8Array.from(value));
      const batch = builder.finish({ ...here, isControl: true });
      const reader = new RecordReader(batch, verifyBatch(batch));
      reader.next();
      expect(() => decodeControl(reader)).to.throw(BatchError, problem);
    }
  });

  it('control_of_unknown_type_is_refused', () => {
    const builder = new BatchBuilder();
    builder.add(Uint8Array.of(0, 0, 4, 210), Uint8Array.of(0, 0));
    const batch = builder.finish({ ...here, isControl: true });
    const reader = new RecordReader(batch, verifyBatch(batch));
    reader.next();
    expect(() => decodeControl(reader)).to.throw(BatchError, 'control record of type 1234');
  });
});
