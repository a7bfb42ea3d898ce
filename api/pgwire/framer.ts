import { ByteReader } from '../../base/bytes/reader.ts';
import { type FrontendMessage, messageKind, protocolViolation } from './frontend.ts';
import { messageBytesMax, startupBytesMax, unauthenticatedMessageBytesMax } from './limits.ts';

/** A packet. `body` reads it without its type and length, and is another packet's once the next one is cut. */
export type Frame =
  | { readonly kind: 'startup'; readonly body: ByteReader }
  | { readonly kind: 'message'; readonly message: FrontendMessage['kind']; readonly body: ByteReader };

const noBytes = new Uint8Array();
const noReader = new ByteReader(noBytes);

/**
 * Cuts a stream of bytes into packets. Sans I/O. A length beyond the limit of the phase is refused from its four
 * bytes alone, before anything is kept.
 *
 * A packet that lies whole in one chunk is read in it, by one reader for all of a chunk: a view for each packet, and for
 * each of its parts, took a third of the time of a prepared lookup. What a chunk ends in is copied to one buffer that doubles,
 * so that a client that sends single bytes costs no more memory than the bytes.
 */
export class Framer {
  phase: 'startup' | 'unauthenticated' | 'authenticated' = 'startup';
  #bytes: Uint8Array = noBytes;
  #reader = noReader;
  #start = 0;
  #end = 0;
  /** The buffer is a copy of ours, which may be written to behind `#end`. */
  #isOwned = false;

  /** Bytes that wait for the rest of their packet, or to be taken. */
  get pendingBytes(): number {
    return this.#end - this.#start;
  }

  /** Bytes of the buffer that this framer keeps alive. */
  get heldBytes(): number {
    return this.#bytes.length;
  }

  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#hold(chunk, chunk.length, new ByteReader(chunk));
      this.#isOwned = false;
      return;
    }
    this.#makeRoom(chunk.length);
    this.#bytes.set(chunk, this.#end);
    this.#end += chunk.length;
  }

  #makeRoom(count: number): void {
    if (this.#isOwned && this.#end + count <= this.#bytes.length) return;
    const kept = this.#bytes.subarray(this.#start, this.#end);
    const needed = kept.length + count;
    // Packets that were taken are views of the old buffer: what is kept moves to a new one, never within it.
    const grown = new Uint8Array(Math.max(needed, kept.length * 2));
    grown.set(kept);
    this.#hold(grown, kept.length, new ByteReader(grown));
    this.#isOwned = true;
  }

  #hold(bytes: Uint8Array, end: number, reader: ByteReader): void {
    this.#bytes = bytes;
    this.#reader = reader;
    this.#start = 0;
    this.#end = end;
  }

  /** The next whole packet, or null. */
  next(): Frame | null {
    // Nothing is left: the chunk is not held for an idle connection's sake.
    if (this.#start === this.#end && this.#end > 0) this.#forget();
    return this.phase === 'startup' ? this.#startup() : this.#message();
  }

  #startup(): Frame | null {
    if (this.pendingBytes < 4) return null;
    const length = this.#uint32(this.#start);
    if (length < 8 || length > startupBytesMax) throw protocolViolation('invalid length of startup packet');
    if (this.pendingBytes < length) return null;
    return { kind: 'startup', body: this.#take(length, 4) };
  }

  #message(): Frame | null {
    if (this.pendingBytes === 0) return null;
    const message = messageKind(this.#bytes[this.#start]!);
    if (this.pendingBytes < 5) return null;
    const length = this.#uint32(this.#start + 1);
    const limit = this.phase === 'authenticated' ? messageBytesMax : unauthenticatedMessageBytesMax;
    if (length < 4 || length > limit) throw protocolViolation(`invalid message length ${length}`);
    if (this.pendingBytes < length + 1) return null;
    return { kind: 'message', message, body: this.#take(length + 1, 5) };
  }

  #uint32(at: number): number {
    const bytes = this.#bytes;
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  }

  /** A packet of `count` bytes, without the `skipped` first ones. */
  #take(count: number, skipped: number): ByteReader {
    const reader = this.#reader;
    reader.position = this.#start + skipped;
    this.#start += count;
    reader.end = this.#start;
    return reader;
  }

  #forget(): void {
    this.#hold(noBytes, 0, noReader);
    this.#isOwned = false;
  }
}
