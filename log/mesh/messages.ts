import { ByteReader } from '../../base/bytes/reader.ts';
import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError, type Condition, sqlStates } from '../../base/errors.ts';
import { type RangeId, rangeId } from '../../base/ids.ts';
import { beginFrame, damaged, endFrame, type FramePlace, frameHeaderBytes } from './frame.ts';

export type RaftMessage = { readonly group: RangeId; readonly bytes: Uint8Array };

/** What stands in a frame. `id`: of a request or a fetch, given by whoever opened the channel. */
export type MeshFrame =
  | { readonly kind: 'ping' }
  | { readonly kind: 'pong' }
  | { readonly kind: 'messages'; readonly messages: readonly RaftMessage[] }
  | { readonly kind: 'request'; readonly id: number; readonly name: string; readonly body: Uint8Array }
  | { readonly kind: 'answer'; readonly id: number; readonly body: Uint8Array }
  | { readonly kind: 'failure'; readonly id: number; readonly error: AlopexError }
  | FetchFrame
  | ChunkFrame
  /** The source may send everything below, of what was asked for. */
  | { readonly kind: 'allow'; readonly id: number; readonly until: number }
  | { readonly kind: 'end'; readonly id: number; readonly position: number }
  /** The fetcher wants no more. */
  | { readonly kind: 'stop'; readonly id: number };

export type FetchFrame = {
  readonly kind: 'fetch';
  readonly id: number;
  readonly position: number;
  readonly until: number;
  readonly acceptsCompressed: boolean;
  readonly name: string;
  readonly body: Uint8Array;
};

export type ChunkFrame = {
  readonly kind: 'chunk';
  readonly id: number;
  readonly position: number;
  readonly isCompressed: boolean;
  /** Once it is decompressed. */
  readonly length: number;
  readonly bytes: Uint8Array;
};

const kindNumbers: Readonly<Record<MeshFrame['kind'], number>> = {
  ping: 1,
  pong: 2,
  messages: 3,
  request: 4,
  answer: 5,
  failure: 6,
  fetch: 7,
  chunk: 8,
  allow: 9,
  end: 10,
  stop: 11,
};

/** What a name, the numbers and the lengths beside a body take at most. */
export const frameOverheadBytes = 1024;
/** Of a message among others: its group and its length. */
export const messageOverheadBytes = 12;
export const nameBytesMax = 255;
const errorTextBytesMax = 64 * 1024;

type Encoders = {
  readonly [Kind in MeshFrame['kind']]: (
    writer: ByteWriter,
    frame: Extract<MeshFrame, { kind: Kind }>,
  ) => void;
};
type Decoders = {
  readonly [Kind in MeshFrame['kind']]: (reader: ByteReader) => Extract<MeshFrame, { kind: Kind }>;
};

const encoders: Encoders = {
  ping: () => {},
  pong: () => {},
  messages: (writer, { messages }) => {
    for (const { group, bytes } of messages) {
      writer.int64(group);
      writer.uint32(bytes.length);
      writer.raw(bytes);
    }
  },
  request: (writer, { id, name, body }) => {
    writer.uint32(id);
    writeName(writer, name);
    writer.raw(body);
  },
  answer: (writer, { id, body }) => {
    writer.uint32(id);
    writer.raw(body);
  },
  failure: (writer, { id, error }) => {
    writer.uint32(id);
    for (const text of [error.condition, error.message, error.detail, error.hint]) writeText(writer, text);
  },
  fetch: (writer, { id, position, until, acceptsCompressed, name, body }) => {
    writer.uint32(id);
    writer.int64(position);
    writer.int64(until);
    writer.uint8(acceptsCompressed ? 1 : 0);
    writeName(writer, name);
    writer.raw(body);
  },
  chunk: (writer, { id, position, isCompressed, length, bytes }) => {
    writer.uint32(id);
    writer.int64(position);
    writer.uint8(isCompressed ? 1 : 0);
    writer.uint32(length);
    writer.raw(bytes);
  },
  allow: (writer, { id, until }) => {
    writer.uint32(id);
    writer.int64(until);
  },
  end: (writer, { id, position }) => {
    writer.uint32(id);
    writer.int64(position);
  },
  stop: (writer, { id }) => writer.uint32(id),
};

const decoders: Decoders = {
  ping: () => ({ kind: 'ping' }),
  pong: () => ({ kind: 'pong' }),
  messages: (reader) => {
    const messages: RaftMessage[] = [];
    while (reader.remaining > 0) {
      const group = rangeId(readSafe(reader));
      messages.push({ group, bytes: reader.raw(reader.uint32()) });
    }
    return { kind: 'messages', messages };
  },
  request: (reader) => ({
    kind: 'request',
    id: reader.uint32(),
    name: readName(reader),
    body: reader.raw(reader.remaining),
  }),
  answer: (reader) => ({ kind: 'answer', id: reader.uint32(), body: reader.raw(reader.remaining) }),
  failure: (reader) => ({ kind: 'failure', id: reader.uint32(), error: readError(reader) }),
  fetch: (reader) => ({
    kind: 'fetch',
    id: reader.uint32(),
    position: readSafe(reader),
    until: readSafe(reader),
    acceptsCompressed: readFlag(reader),
    name: readName(reader),
    body: reader.raw(reader.remaining),
  }),
  chunk: (reader) => ({
    kind: 'chunk',
    id: reader.uint32(),
    position: readSafe(reader),
    isCompressed: readFlag(reader),
    length: reader.uint32(),
    bytes: reader.raw(reader.remaining),
  }),
  allow: (reader) => ({ kind: 'allow', id: reader.uint32(), until: readSafe(reader) }),
  end: (reader) => ({ kind: 'end', id: reader.uint32(), position: readSafe(reader) }),
  stop: (reader) => ({ kind: 'stop', id: reader.uint32() }),
};

const kindsByNumber = new Map(
  Object.entries(kindNumbers).map(([kind, number]) => [number, kind as MeshFrame['kind']]),
);

export function writeMeshFrame(writer: ByteWriter, frame: MeshFrame, place: FramePlace): void {
  const start = beginFrame(writer);
  const encode = encoders[frame.kind] as (writer: ByteWriter, frame: MeshFrame) => void;
  encode(writer, frame);
  endFrame(writer, start, kindNumbers[frame.kind], place);
}

/** Throws protocol_violation for what no node of this version writes. */
export function decodeMeshFrame(number: number, payload: Uint8Array): MeshFrame {
  const kind = kindsByNumber.get(number);
  if (kind === undefined) throw damaged(`its kind is ${number}`);
  const reader = new ByteReader(payload);
  let frame: MeshFrame;
  try {
    frame = decoders[kind](reader);
  } catch (thrown) {
    throw damaged(`${kind}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  }
  if (reader.remaining > 0) throw damaged(`${kind}: ${reader.remaining} bytes too many`);
  return frame;
}

/** What a frame takes, or a little more: as much room for a name as a writer asks for. */
export function frameBytes(frame: MeshFrame): number {
  const around = frameHeaderBytes + 32;
  switch (frame.kind) {
    case 'messages':
      return frame.messages.reduce((sum, { bytes }) => sum + messageOverheadBytes + bytes.length, around);
    case 'request':
    case 'fetch':
      return around + frame.body.length + 3 * frame.name.length;
    case 'answer':
      return around + frame.body.length;
    case 'chunk':
      return around + frame.bytes.length;
    default:
      return around;
  }
}

function writeName(writer: ByteWriter, name: string): void {
  const start = writer.length;
  writer.uint8(0);
  writer.setUint8(start, writer.utf8(name));
}

function readName(reader: ByteReader): string {
  return reader.utf8(reader.uint8());
}

function writeText(writer: ByteWriter, text: string | undefined): void {
  if (text === undefined) {
    writer.int32(-1);
    return;
  }
  const bytes = stringToUtf8(text).subarray(0, errorTextBytesMax);
  writer.int32(bytes.length);
  writer.raw(bytes);
}

function readText(reader: ByteReader): string | undefined {
  const length = reader.int32();
  return length < 0 ? undefined : reader.utf8(length);
}

/** A condition that only a newer version knows is an internal error here. */
function readError(reader: ByteReader): AlopexError {
  const [condition = '', message = '', detail, hint] = Array.from({ length: 4 }, () => readText(reader));
  const known = Object.hasOwn(sqlStates, condition) ? (condition as Condition) : 'internal_error';
  return new AlopexError(known, message, {
    ...(detail === undefined ? {} : { detail }),
    ...(hint === undefined ? {} : { hint }),
  });
}

function readSafe(reader: ByteReader): number {
  const value = reader.int64();
  if (typeof value === 'bigint' || value < 0) throw damaged(`${value} is out of range`);
  return value;
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.uint8();
  if (flag > 1) throw damaged(`${flag} is no flag`);
  return flag === 1;
}
