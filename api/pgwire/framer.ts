import { concatBytes } from '../../base/bytes/compare.ts';
import { type FrontendMessage, messageKind, protocolViolation } from './frontend.ts';
import { messageBytesMax, startupBytesMax, unauthenticatedMessageBytesMax } from './limits.ts';

export type Frame =
  | { readonly kind: 'startup'; readonly body: Uint8Array }
  | { readonly kind: 'message'; readonly message: FrontendMessage['kind']; readonly body: Uint8Array };

/**
 * Cuts a stream of bytes into packets. Sans I/O. A length beyond the limit of the phase is refused from its four
 * bytes alone, before anything is kept.
 */
export class Framer {
  phase: 'startup' | 'unauthenticated' | 'authenticated' = 'startup';
  #chunks: Uint8Array[] = [];
  #length = 0;

  /** Bytes that wait for the rest of their packet. */
  get pendingBytes(): number {
    return this.#length;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#length += chunk.length;
  }

  /** The next whole packet, or null. */
  next(): Frame | null {
    return this.phase === 'startup' ? this.#startup() : this.#message();
  }

  #startup(): Frame | null {
    if (this.#length < 4) return null;
    const length = this.#lengthAt(0);
    if (length < 8 || length > startupBytesMax) throw protocolViolation('invalid length of startup packet');
    if (this.#length < length) return null;
    return { kind: 'startup', body: this.#take(length).subarray(4) };
  }

  #message(): Frame | null {
    if (this.#length < 5) return null;
    const message = messageKind(this.#header(1)[0]!);
    const length = this.#lengthAt(1);
    const limit = this.phase === 'authenticated' ? messageBytesMax : unauthenticatedMessageBytesMax;
    if (length < 4 || length > limit) throw protocolViolation(`invalid message length ${length}`);
    if (this.#length < length + 1) return null;
    return { kind: 'message', message, body: this.#take(length + 1).subarray(5) };
  }

  /** The first bytes in one piece. */
  #header(count: number): Uint8Array {
    if (this.#chunks[0]!.length < count) this.#join();
    return this.#chunks[0]!;
  }

  #lengthAt(position: number): number {
    const bytes = this.#header(position + 4);
    return (
      ((bytes[position]! << 24) |
        (bytes[position + 1]! << 16) |
        (bytes[position + 2]! << 8) |
        bytes[position + 3]!) >>>
      0
    );
  }

  #take(count: number): Uint8Array {
    if (this.#chunks[0]!.length < count) this.#join();
    const first = this.#chunks[0]!;
    this.#length -= count;
    if (first.length === count) this.#chunks.shift();
    else this.#chunks[0] = first.subarray(count);
    return first.subarray(0, count);
  }

  #join(): void {
    this.#chunks = [concatBytes(this.#chunks)];
  }
}
