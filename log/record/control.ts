import { ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { unreachable } from '../../base/unreachable.ts';
import { BatchBuilder, type BatchPlace } from './batch-builder.ts';
import { BatchError } from './batch-error.ts';
import { decodeHeaders, encodeHeaders, type HeadersBlock, noHeaders } from './headers.ts';
import { headerBytes } from './layout.ts';
import { putMembership, takeMembership } from './membership.ts';
import type { ControlRecord } from './record.ts';
import type { RecordReader } from './record-reader.ts';

/** In a control record's key, after a version. Kafka's own are 0 to 6; its clients skip what they do not know. */
const types: Readonly<Record<ControlRecord['kind'], number>> = {
  abort: 0,
  commit: 1,
  'flush-point': 1000,
  'leader-change': 1001,
  rollback: 1002,
  membership: 1003,
};
const kinds = new Map(Object.entries(types).map(([kind, type]) => [type, kind as ControlRecord['kind']]));

/** Of keys and values. */
const version = 0;
/** Header of a commit marker with our commit timestamp, as row events have it; Kafka's clients ignore headers here. */
const timestampHeader = 'ts';

/** A control batch: one control record. Abort, commit and rollback need the producer of the transaction. */
export function encodeControlBatch(control: ControlRecord, place: Omit<BatchPlace, 'isControl'>): Uint8Array {
  const key = new ByteWriter(4);
  key.int16(version);
  key.int16(types[control.kind]);
  const builder = new BatchBuilder(128);
  builder.add(key.toBytes(), controlValue(control), controlHeaders(control));
  return builder.finish({ ...place, isControl: true });
}

/** The control record that a reader stands on. Throws BatchError, also for a type that is unknown here. */
export function decodeControl(record: Pick<RecordReader, 'key' | 'value' | 'headers'>): ControlRecord {
  if (record.key === null || record.value === null)
    throw new BatchError(headerBytes, 'a control record without key or value');
  try {
    const key = new ByteReader(record.key);
    key.skip(2);
    const type = key.int16();
    const kind = kinds.get(type);
    if (kind === undefined) throw new BatchError(headerBytes, `control record of type ${type}`);
    const value = new ByteReader(record.value);
    value.skip(2);
    return decodeValue(kind, value, record.headers);
  } catch (thrown) {
    if (thrown instanceof ByteReaderError)
      throw new BatchError(headerBytes, `control record: ${thrown.message}`);
    throw thrown;
  }
}

function controlValue(control: ControlRecord): Uint8Array {
  const writer = new ByteWriter(16);
  writer.int16(version);
  switch (control.kind) {
    case 'abort':
    case 'commit':
      writer.int32(control.coordinatorEpoch);
      break;
    case 'flush-point':
      writer.int64(control.horizon);
      break;
    case 'rollback':
      writer.int64(control.from);
      break;
    case 'leader-change':
      writer.int32(control.leader);
      break;
    case 'membership':
      putMembership(writer, control.membership);
      break;
    default:
      unreachable(control);
  }
  return writer.toBytes();
}

function controlHeaders(control: ControlRecord): HeadersBlock {
  if (control.kind !== 'commit') return noHeaders;
  const value = new ByteWriter(8);
  value.int64(control.timestamp);
  return encodeHeaders([{ key: timestampHeader, value: value.toBytes() }]);
}

function decodeValue(kind: ControlRecord['kind'], value: ByteReader, headers: HeadersBlock): ControlRecord {
  switch (kind) {
    case 'abort':
      return { kind, coordinatorEpoch: value.int32() };
    case 'commit':
      return { kind, coordinatorEpoch: value.int32(), timestamp: commitTimestamp(headers) };
    case 'flush-point':
      return { kind, horizon: safe(value.int64()) };
    case 'rollback':
      return { kind, from: safe(value.int64()) };
    case 'leader-change':
      return { kind, leader: value.int32() };
    case 'membership':
      return { kind, membership: takeMembership(value) };
    default:
      return unreachable(kind);
  }
}

function commitTimestamp(headers: HeadersBlock): number {
  const header = decodeHeaders(headers).find(({ key }) => key === timestampHeader);
  if (header?.value?.length !== 8) throw new BatchError(headerBytes, 'a commit marker without a timestamp');
  return safe(new ByteReader(header.value).int64());
}

function safe(value: number | bigint): number {
  if (typeof value === 'bigint' || value < 0)
    throw new BatchError(headerBytes, `control record with ${value}`);
  return value;
}
