import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { nodeId } from '../../base/ids.ts';
import { unreachable } from '../../base/unreachable.ts';
import { damaged } from './frame.ts';
import type { MemberRecord, MemberState, SwimMessage } from './swim.ts';

const kindNumbers: Readonly<Record<SwimMessage['kind'], number>> = { ping: 1, ack: 2, probe: 3 };
const stateNumbers: Readonly<Record<MemberState, number>> = { alive: 1, suspect: 2, dead: 3 };
const kinds = Object.keys(kindNumbers) as readonly SwimMessage['kind'][];
const states = Object.keys(stateNumbers) as readonly MemberState[];
const addressBytesMax = 512;

/** Kind (1), sequence (4), for a probe its target (8), the sender's record, and the other records up to the end. */
export function encodeSwimMessage(message: SwimMessage): Uint8Array {
  const writer = new ByteWriter();
  writer.uint8(kindNumbers[message.kind]);
  writer.uint32(message.sequence);
  if (message.kind === 'probe') writer.int64(message.target);
  for (const record of [message.sender, ...message.updates]) writeRecord(writer, record);
  return writer.toBytes();
}

/** Throws protocol_violation for what is none. */
export function decodeSwimMessage(bytes: Uint8Array): SwimMessage {
  try {
    return readMessage(new ByteReader(bytes));
  } catch (thrown) {
    throw damaged(`membership: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
}

function readMessage(reader: ByteReader): SwimMessage {
  const kind = numbered(kinds, kindNumbers, reader.uint8());
  const sequence = reader.uint32();
  switch (kind) {
    case 'ping':
    case 'ack':
      return { kind, sequence, sender: readRecord(reader), updates: readUpdates(reader) };
    case 'probe': {
      const target = nodeId(readWhole(reader));
      return { kind, sequence, target, sender: readRecord(reader), updates: readUpdates(reader) };
    }
    default:
      return unreachable(kind);
  }
}

/** Node (8), incarnation (8), state (1), two addresses: length (2), UTF-8. */
function writeRecord(writer: ByteWriter, { node, incarnation, state, addresses }: MemberRecord): void {
  writer.int64(node);
  writer.int64(incarnation);
  writer.uint8(stateNumbers[state]);
  for (const address of [addresses.mesh, addresses.client]) {
    const at = writer.reserve(2);
    writer.int16(0);
    const length = writer.utf8(address);
    writer.setUint8(at, length >> 8);
    writer.setUint8(at + 1, length & 255);
  }
}

function readUpdates(reader: ByteReader): readonly MemberRecord[] {
  const updates: MemberRecord[] = [];
  while (reader.remaining > 0) updates.push(readRecord(reader));
  return updates;
}

function readRecord(reader: ByteReader): MemberRecord {
  const node = nodeId(readWhole(reader));
  const incarnation = readWhole(reader);
  const state = numbered(states, stateNumbers, reader.uint8());
  const [mesh, client] = [readAddress(reader), readAddress(reader)];
  return { node, incarnation, state, addresses: { mesh, client } };
}

function readAddress(reader: ByteReader): string {
  const length = reader.uint16();
  if (length > addressBytesMax) throw new RangeError(`an address of ${length} bytes`);
  return reader.utf8(length);
}

function readWhole(reader: ByteReader): number {
  const value = reader.int64();
  if (typeof value === 'bigint' || value < 0) throw new RangeError(`${value} is out of range`);
  return value;
}

function numbered<Name extends string>(
  names: readonly Name[],
  numbers: Readonly<Record<Name, number>>,
  number: number,
): Name {
  const name = names.find((each) => numbers[each] === number);
  if (name === undefined) throw new RangeError(`${number} stands for nothing`);
  return name;
}
