import type { LazyText } from '../../base/values/column.ts';
import { Texts } from './texts.ts';

const missing = -1;

/**
 * Texts to dense ids from 0, in order of arrival, by their bytes: no string is made of a column's. Open addressing; the
 * hash of each is kept, so that growing and most misses touch no text.
 */
export class TextTable {
  readonly texts = new Texts();
  #slots = new Int32Array(64).fill(missing);
  #hashes = new Int32Array(32);
  /** An id without a text. */
  #reserved = missing;
  /** The string that is looked for: a buffer that is used again. */
  readonly #wanted = new Texts();

  get size(): number {
    return this.texts.length;
  }

  /** What it holds in memory. */
  get bytes(): number {
    return this.texts.heldBytes + this.#slots.byteLength + this.#hashes.byteLength;
  }

  /** The id of a text; with `insert` a new one where it has none, else -1. */
  idOf(text: string, insert: boolean): number {
    this.#wanted.clear();
    this.#wanted.push(text);
    return this.idOfBytes(this.#wanted.bytes, 0, this.#wanted.offsets[1]!, insert);
  }

  /** The same for the bytes [from, to). */
  idOfBytes(bytes: Uint8Array, from: number, to: number, insert: boolean): number {
    const hash = hashOf(bytes, from, to);
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = hash & mask;
    for (let id = slots[slot]!; id !== missing; id = slots[slot]!) {
      if (this.#hashes[id] === hash && isEqual(this.texts, id, bytes, from, to)) return id;
      slot = (slot + 1) & mask;
    }
    if (!insert) return missing;
    slots[slot] = this.size;
    return this.#append(bytes, from, to, hash);
  }

  /** An id that no text has: of null. At most one. */
  reserve(): number {
    this.#reserved = this.size;
    return this.#append(new Uint8Array(0), 0, 0, 0);
  }

  #append(bytes: Uint8Array, from: number, to: number, hash: number): number {
    const id = this.size;
    this.texts.pushBytes(bytes, from, to);
    if (id === this.#hashes.length) this.#hashes = new Int32Array(this.#hashes.buffer.transfer(id * 8));
    this.#hashes[id] = hash;
    if (this.size * 2 > this.#slots.length) this.#grow();
    return id;
  }

  #grow(): void {
    const slots = new Int32Array(this.#slots.length * 2).fill(missing);
    const mask = slots.length - 1;
    for (let id = 0; id < this.size; id++) {
      if (id === this.#reserved) continue;
      let slot = this.#hashes[id]! & mask;
      while (slots[slot] !== missing) slot = (slot + 1) & mask;
      slots[slot] = id;
    }
    this.#slots.buffer.transfer(0);
    this.#slots = slots;
  }
}

/** FNV-1a (Fowler, Noll, Vo), and the finalizer of MurmurHash3 (Appleby), for the low bits choose the slot. */
function hashOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = 0x811c9dc5;
  for (let at = from; at < to; at++) hash = Math.imul(hash ^ bytes[at]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}

function isEqual(texts: LazyText, row: number, bytes: Uint8Array, from: number, to: number): boolean {
  const { bytes: held, offsets } = texts;
  const start = offsets[row]!;
  if (offsets[row + 1]! - start !== to - from) return false;
  for (let at = from, other = start; at < to; at++, other++) if (bytes[at] !== held[other]) return false;
  return true;
}
