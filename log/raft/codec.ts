import { ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError } from '../../base/errors.ts';
import { type Epoch, epoch, nodeId, type Offset, offset } from '../../base/ids.ts';
import { unreachable } from '../../base/unreachable.ts';
import { BatchError } from '../record/batch-error.ts';
import { decodeControl } from '../record/control.ts';
import { verifyBatch } from '../record/header.ts';
import { batchBytesMax } from '../record/layout.ts';
import { putMembership, takeMembership } from '../record/membership.ts';
import type { BatchHeader } from '../record/record.ts';
import { RecordReader } from '../record/record-reader.ts';
import type { Entry, Generation, Membership, Message } from './contract.ts';

/** A message, which holds one batch at least where it holds any: the largest batch, and others before it. */
export const encodedMessageBytesMax = 2 * batchBytesMax;

const kinds: readonly Message['kind'][] = [
  'append',
  'append-accepted',
  'append-rejected',
  'vote-request',
  'vote',
  'timeout-now',
  'snapshot',
  'outranked',
];
const codes = Object.fromEntries(kinds.map((kind, code) => [kind, code])) as Readonly<
  Record<Message['kind'], number>
>;

/** A message, and of which generation its sender is. */
export type Packet = { readonly generation: Generation; readonly message: Message };

/** Of what stands before the entries. */
const headBytes = 72;

/**
 * Kind (1 byte), the sender's generation (count and node, int32 each), epoch (int32), then what the kind has; the batches of an
 * append stand at the end, byte for byte.
 */
export function encodeMessage(message: Message, generation: Generation): Uint8Array {
  const writer = new ByteWriter(headBytes + entriesBytes(message));
  writer.uint8(codes[message.kind]);
  writer.int32(generation.count);
  writer.int32(generation.node);
  writer.int32(message.epoch);
  switch (message.kind) {
    case 'append':
      writer.int64(message.previousOffset);
      writer.int32(message.previousEpoch);
      writer.int64(message.highWatermark);
      writer.int64(message.round);
      writer.uint8(flags(message.quiesce));
      for (const { bytes } of message.entries) writer.raw(bytes);
      break;
    case 'append-accepted':
      writer.int64(message.match);
      writer.int64(message.round);
      break;
    case 'append-rejected':
      writer.int64(message.previousOffset);
      writer.int32(message.hintEpoch);
      writer.int64(message.hintOffset);
      writer.int64(message.round);
      break;
    case 'vote-request':
      writer.uint8(flags(message.isPreVote, message.isTransfer));
      writer.int32(message.lastEpoch);
      writer.int64(message.endOffset);
      break;
    case 'vote':
      writer.uint8(flags(message.isPreVote, message.isGranted));
      break;
    case 'timeout-now':
    case 'outranked':
      break;
    case 'snapshot':
      writer.int64(message.offset);
      writer.int32(message.offsetEpoch);
      putMembership(writer, message.membership);
      break;
    default:
      unreachable(message);
  }
  return writer.view();
}

/** Entries are views of `bytes`. Throws protocol_violation, and data_corrupted for a batch that is damaged. */
export function decodeMessage(bytes: Uint8Array): Packet {
  if (bytes.length > encodedMessageBytesMax)
    throw violation(`${bytes.length} bytes, at most ${encodedMessageBytesMax}`);
  const reader = new ByteReader(bytes);
  try {
    const packet = takePacket(reader);
    if (reader.remaining > 0) throw violation(`${reader.remaining} bytes after a message`);
    return packet;
  } catch (thrown) {
    if (thrown instanceof ByteReaderError) throw violation(thrown.message);
    throw thrown;
  }
}

function takePacket(reader: ByteReader): Packet {
  const code = reader.uint8();
  const kind = kinds[code];
  if (kind === undefined) throw violation(`message of kind ${code}`);
  const generation = takeGeneration(reader);
  return { generation, message: takeMessage(reader, kind) };
}

function takeGeneration(reader: ByteReader): Generation {
  const count = reader.int32();
  const node = reader.int32();
  if (count < 0 || node < 0) throw violation(`generation ${count} of node ${node}`);
  return { count, node: nodeId(node) };
}

function takeMessage(reader: ByteReader, kind: Message['kind']): Message {
  const ofEpoch = takeEpoch(reader);
  switch (kind) {
    case 'append':
      return takeAppend(reader, ofEpoch);
    case 'append-accepted':
      return { kind, epoch: ofEpoch, match: takeOffset(reader), round: takeWhole(reader) };
    case 'append-rejected':
      return {
        kind,
        epoch: ofEpoch,
        previousOffset: takeOffset(reader),
        hintEpoch: takeEpoch(reader),
        hintOffset: takeOffset(reader),
        round: takeWhole(reader),
      };
    case 'vote-request': {
      const [isPreVote, isTransfer] = takeFlags(reader, 2);
      const lastEpoch = takeEpoch(reader);
      return { kind, epoch: ofEpoch, isPreVote, lastEpoch, endOffset: takeOffset(reader), isTransfer };
    }
    case 'vote': {
      const [isPreVote, isGranted] = takeFlags(reader, 2);
      return { kind, epoch: ofEpoch, isPreVote, isGranted };
    }
    case 'timeout-now':
    case 'outranked':
      return { kind, epoch: ofEpoch };
    case 'snapshot': {
      const place = takeOffset(reader);
      const offsetEpoch = takeEpoch(reader);
      return { kind, epoch: ofEpoch, offset: place, offsetEpoch, membership: takeMembership(reader) };
    }
    default:
      return unreachable(kind);
  }
}

function takeAppend(reader: ByteReader, ofEpoch: Epoch): Message {
  const previousOffset = takeOffset(reader);
  const previousEpoch = takeEpoch(reader);
  const highWatermark = takeOffset(reader);
  const round = takeWhole(reader);
  const [quiesce] = takeFlags(reader, 1);
  const entries: Entry[] = [];
  let place = previousOffset;
  let epochBefore = previousEpoch;
  while (reader.remaining > 0) {
    const entry = takeEntry(reader);
    if (entry.baseOffset !== place || entry.epoch < epochBefore || entry.epoch > ofEpoch)
      throw violation(
        `a batch at ${entry.baseOffset} of epoch ${entry.epoch} after one that ends at ${place} of epoch ${epochBefore}`,
      );
    entries.push(entry);
    place = entry.endOffset;
    epochBefore = entry.epoch;
  }
  return {
    kind: 'append',
    epoch: ofEpoch,
    previousOffset,
    previousEpoch,
    entries,
    highWatermark,
    round,
    quiesce,
  };
}

function takeEntry(reader: ByteReader): Entry {
  const rest = reader.bytes.subarray(reader.position, reader.end);
  try {
    const header = verifyBatch(rest);
    return entryOf(reader.raw(header.sizeBytes), header);
  } catch (thrown) {
    if (!(thrown instanceof BatchError)) throw thrown;
    throw new AlopexError(
      'data_corrupted',
      `a replicated batch is corrupt at byte ${thrown.byteOffset}: ${thrown.message}`,
    );
  }
}

/** A verified batch as an entry. */
export function entryOf(bytes: Uint8Array, header: BatchHeader): Entry {
  return {
    baseOffset: header.baseOffset,
    endOffset: offset(header.lastOffset + 1),
    epoch: header.epoch,
    sizeBytes: header.sizeBytes,
    membership: membershipOf(bytes, header),
    bytes,
  };
}

/** What a batch says of the membership; null for nearly all. The batch is verified. Throws BatchError. */
function membershipOf(batch: Uint8Array, header: BatchHeader): Membership | null {
  if (!header.isControl) return null;
  const reader = new RecordReader(batch, header);
  if (!reader.next()) return null;
  const control = decodeControl(reader);
  return control.kind === 'membership' ? control.membership : null;
}

function entriesBytes(message: Message): number {
  if (message.kind !== 'append') return 0;
  let bytes = 0;
  for (const entry of message.entries) bytes += entry.bytes.length;
  return bytes;
}

function flags(first: boolean, second = false): number {
  return (first ? 1 : 0) | (second ? 2 : 0);
}

function takeFlags(reader: ByteReader, count: 1 | 2): readonly [boolean, boolean] {
  const value = reader.uint8();
  if (value >> count !== 0) throw violation(`flags ${value}`);
  return [(value & 1) !== 0, (value & 2) !== 0];
}

function takeWhole(reader: ByteReader): number {
  const value = reader.int64();
  if (typeof value === 'bigint' || value < 0) throw violation(`${value} where a place is due`);
  return value;
}

function takeOffset(reader: ByteReader): Offset {
  return offset(takeWhole(reader));
}

function takeEpoch(reader: ByteReader): Epoch {
  const value = reader.int32();
  if (value < 0) throw violation(`epoch ${value}`);
  return epoch(value);
}

function violation(problem: string): AlopexError {
  return new AlopexError('protocol_violation', `invalid replication message: ${problem}`);
}
