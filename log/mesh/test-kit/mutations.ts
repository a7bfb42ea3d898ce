import { ByteWriter } from '../../../base/bytes/writer.ts';
import { SeededRandom } from '../../../base/env/simulated/random.ts';
import { AlopexError } from '../../../base/errors.ts';
import { nodeId, rangeId } from '../../../base/ids.ts';
import { FrameReader } from '../frame.ts';
import { decodeHello, encodeHello } from '../hello.ts';
import { decodeMeshFrame, type MeshFrame, writeMeshFrame } from '../messages.ts';
import { decodeSwimMessage, encodeSwimMessage } from '../swim-messages.ts';

const payloadBytesMax = 1 << 20;

export function encodeMeshFrame(frame: MeshFrame, sequence: number): Uint8Array {
  const writer = new ByteWriter();
  writeMeshFrame(writer, frame, { sequence, isSealed: false });
  return writer.toBytes();
}

/** One of each kind. */
export function sampleFrames(random: SeededRandom): readonly MeshFrame[] {
  const id = random.uint32();
  const [position, until] = [random.uint32() * 1000, random.uint32()];
  const body = random.bytes(random.below(300));
  return [
    { kind: 'ping' },
    { kind: 'pong' },
    {
      kind: 'messages',
      messages: Array.from({ length: random.below(5) }, () => ({
        group: rangeId(random.uint32()),
        bytes: random.bytes(random.below(100)),
      })),
    },
    { kind: 'request', id, name: 'a name', body },
    { kind: 'answer', id, body },
    { kind: 'failure', id, error: new AlopexError('disk_full', 'no space', { hint: 'buy one' }) },
    { kind: 'fetch', id, position, until, acceptsCompressed: random.chance(0.5), name: 'ö', body },
    { kind: 'chunk', id, position, isCompressed: random.chance(0.5), length: body.length, bytes: body },
    { kind: 'allow', id, until },
    { kind: 'end', id, position },
    { kind: 'stop', id },
  ];
}

/** The frames of bytes that come cut anywhere; `damage`: what ended it. */
export function readCut(
  bytes: Uint8Array,
  random: SeededRandom,
): { readonly frames: readonly MeshFrame[]; readonly damage: AlopexError | null } {
  const reader = new FrameReader(payloadBytesMax);
  const frames: MeshFrame[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = random.chance(0.5) ? random.below(12) : random.below(400);
    try {
      reader.push(bytes.subarray(at, at + length), (kind, payload) =>
        frames.push(decodeMeshFrame(kind, payload)),
      );
    } catch (thrown) {
      if (thrown instanceof AlopexError && thrown.condition === 'protocol_violation')
        return { frames, damage: thrown };
      throw thrown;
    }
    at += length;
  }
  return { frames, damage: null };
}

/**
 * Damages streams of frames, frames whose checksum is right, hellos, and messages of SWIM. Whatever they are, a frame comes out, or a clear
 * error; from a damaged stream nothing but what was written before the damage.
 */
export function sendMutations(seed: number, count: number): { readonly refused: number } {
  const random = new SeededRandom(seed);
  let refused = 0;
  for (let sent = 0; sent < count; sent++) {
    const kinds = [mutateStream, mutatePayload, mutateHello, mutateMembership] as const;
    refused += random.pick(kinds)(random) ? 1 : 0;
  }
  return { refused };
}

function mutateStream(random: SeededRandom): boolean {
  const written = sampleFrames(random).map(encodeMeshFrame);
  const bytes = new Uint8Array(Buffer.concat(written));
  const { damaged, from } = mutated(bytes, random);
  const { frames, damage } = readCut(damaged, random);
  frames.forEach((frame, index) => {
    const isWritten =
      Buffer.compare(encodeMeshFrame(frame, index), written[index] ?? new Uint8Array(0)) === 0;
    if (!isWritten)
      throw new Error(`frame ${index}, ${frame.kind}, was damaged at byte ${from} and is taken`);
  });
  return damage !== null;
}

function mutatePayload(random: SeededRandom): boolean {
  const frames = sampleFrames(random);
  const bytes = encodeMeshFrame(frames[random.below(frames.length)]!, 0);
  const { damaged } = mutated(bytes.subarray(9), random);
  return isRefused(() => decodeMeshFrame(random.chance(0.9) ? bytes[4]! : random.below(256), damaged));
}

function mutateHello(random: SeededRandom): boolean {
  const hello = encodeHello({ node: nodeId(1 + random.below(9)), class: 'raft' });
  const { damaged } = mutated(hello, random);
  if (damaged.length < hello.length) return true;
  return isRefused(() => decodeHello(damaged.subarray(0, hello.length)));
}

function mutateMembership(random: SeededRandom): boolean {
  const record = {
    node: nodeId(1 + random.below(9)),
    incarnation: random.uint32() * 1000,
    state: 'suspect',
    addresses: { mesh: 'a:1', client: 'ö:2' },
  } as const;
  const updates = Array.from({ length: random.below(3) }, () => record);
  const sequence = random.uint32();
  const bytes = encodeSwimMessage({ kind: 'probe', sequence, target: nodeId(7), sender: record, updates });
  const { damaged } = mutated(bytes, random);
  return isRefused(() => decodeSwimMessage(damaged));
}

function isRefused(decode: () => unknown): boolean {
  try {
    decode();
    return false;
  } catch (thrown) {
    if (thrown instanceof AlopexError) return true;
    throw thrown;
  }
}

/** Bits turned, bytes taken out, put in, or put elsewhere, the end cut off. */
function mutated(bytes: Uint8Array, random: SeededRandom): { damaged: Uint8Array; from: number } {
  const from = random.below(bytes.length);
  const [before, after] = [bytes.slice(0, from), bytes.slice(from)];
  const joined = (...parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  switch (random.below(5)) {
    case 0: {
      const damaged = bytes.slice();
      if (damaged.length > 0) damaged[from]! ^= 1 << random.below(8);
      return { damaged, from };
    }
    case 1:
      return { damaged: joined(before, after.subarray(1 + random.below(20))), from };
    case 2:
      return { damaged: joined(before, random.bytes(1 + random.below(20)), after), from };
    case 3:
      return { damaged: joined(before, before.subarray(random.below(from + 1)), after), from };
    default:
      return { damaged: before, from };
  }
}
