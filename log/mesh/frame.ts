import { concatBytes } from '../../base/bytes/compare.ts';
import { crc32c } from '../../base/bytes/crc32c.ts';
import type { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError } from '../../base/errors.ts';

/**
 * Length of the payload (4), kind (1), CRC-32C of these five bytes and the payload (4). The checksum starts from the frame's
 * number in its direction of the channel, so a frame that is left out, repeated or moved is as damaged as any. On a sealed
 * channel the number itself stands there: a second checksum of each byte took a sixth of an echo's time.
 */
export const frameHeaderBytes = 9;
const checkedHeaderBytes = 5;

export function damaged(problem: string): AlopexError {
  return new AlopexError('protocol_violation', `a frame of the mesh is damaged: ${problem}`);
}

/** `sequence`: of a frame, among those of its direction of the channel. */
export type FramePlace = { readonly sequence: number; readonly isSealed: boolean };

/** Room for the header of a frame; what is written next is its payload. Returns where the frame starts. */
export function beginFrame(writer: ByteWriter): number {
  const start = writer.reserve(frameHeaderBytes);
  writer.length += frameHeaderBytes;
  return start;
}

export function endFrame(
  writer: ByteWriter,
  start: number,
  kind: number,
  { sequence, isSealed }: FramePlace,
): void {
  const payloadStart = start + frameHeaderBytes;
  writer.setUint32(start, writer.length - payloadStart);
  writer.setUint8(start + 4, kind);
  if (isSealed) {
    writer.setUint32(start + checkedHeaderBytes, sequence);
    return;
  }
  for (let index = 0; index < checkedHeaderBytes; index++)
    checkedHeader[index] = writer.bytes[start + index]!;
  const payload = writer.bytes.subarray(payloadStart, writer.length);
  writer.setUint32(start + checkedHeaderBytes, checksumOf(checkedHeader, payload, sequence));
}

/** Of the frame that is being written: a view of the writer's bytes costs more than to copy five of them. */
const checkedHeader = new Uint8Array(checkedHeaderBytes);

function checksumOf(header: Uint8Array, payload: Uint8Array, sequence: number): number {
  return crc32c(payload, crc32c(header, sequence));
}

/** The number of the frame after one. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) % 2 ** 32;
}

/**
 * Frames out of a stream that is cut anywhere. A payload that arrives in one piece is a view of it; one that does not is
 * put together once. Either belongs to whoever gets it.
 *
 * Invariant: holds less than one frame, and of that only what has arrived, whatever length its header claims.
 */
export class FrameReader {
  readonly #payloadBytesMax: number;
  readonly #isSealed: boolean;
  readonly #header = new Uint8Array(frameHeaderBytes);
  readonly #checkedHeader = this.#header.subarray(0, checkedHeaderBytes);
  readonly #view = new DataView(this.#header.buffer);
  #headerBytes = 0;
  #sequence = 0;
  #parts: Uint8Array[] = [];
  #partsBytes = 0;

  constructor(payloadBytesMax: number, isSealed = false) {
    this.#payloadBytesMax = payloadBytesMax;
    this.#isSealed = isSealed;
  }

  /** Throws protocol_violation where a frame is too long or its checksum is wrong; nothing can be read after that. */
  push(chunk: Uint8Array, onFrame: (kind: number, payload: Uint8Array) => void): void {
    let at = 0;
    for (;;) {
      while (this.#headerBytes < frameHeaderBytes && at < chunk.length)
        this.#header[this.#headerBytes++] = chunk[at++]!;
      if (this.#headerBytes < frameHeaderBytes) return;
      const length = this.#view.getUint32(0);
      if (length > this.#payloadBytesMax)
        throw damaged(`it has ${length} bytes, and ${this.#payloadBytesMax} at most are allowed`);
      const missing = length - this.#partsBytes;
      if (missing > chunk.length - at) {
        this.#keep(chunk.subarray(at));
        return;
      }
      const payload = this.#complete(chunk.subarray(at, at + missing));
      at += missing;
      onFrame(this.#header[4]!, payload);
    }
  }

  #keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.#parts.push(part);
    this.#partsBytes += part.length;
  }

  #complete(last: Uint8Array): Uint8Array {
    let payload = last;
    if (this.#parts.length > 0) {
      payload = concatBytes([...this.#parts, last]);
      this.#parts = [];
      this.#partsBytes = 0;
    }
    this.#headerBytes = 0;
    const sequence = this.#sequence;
    this.#sequence = nextSequence(sequence);
    const expected = this.#isSealed ? sequence : checksumOf(this.#checkedHeader, payload, sequence);
    if (expected !== this.#view.getUint32(checkedHeaderBytes))
      throw damaged(this.#isSealed ? 'it is out of order' : 'checksum mismatch');
    return payload;
  }
}
