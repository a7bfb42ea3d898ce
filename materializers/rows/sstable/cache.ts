import type { PageFile } from './file.ts';
import type { PageAddress } from './format.ts';

/** How the pages of one kind are read. One object for all of them. */
export type PageCodec<Value> = {
  /** A promise where values lie in pages of their own. */
  readonly decode: (payload: Uint8Array, slot: PageSlot<Value>) => Value | Promise<Value>;
  /** Bytes that the decoded value holds in memory, about. */
  readonly sizeOf: (value: Value) => number;
};

/**
 * Where one decoded page is, if it is in memory. Slots stand in the index that points to the page, so that
 * using a cached page costs a field access and no lookup.
 */
export class PageSlot<Value> {
  readonly file: PageFile;
  readonly address: PageAddress;
  readonly codec: PageCodec<Value>;
  /** Rows that the page must have, where its codec asks. */
  readonly rowCount: number;
  /** The decoded page, or null: fetch it. */
  value: Value | null = null;
  /** Set on use, cleared by the clock hand. */
  isReferenced = false;
  /** Pinned slots stay. */
  pins = 0;
  byteSize = 0;
  /** Where the cache has it, or -1. */
  place = -1;
  loading: Promise<Value> | null = null;

  constructor(file: PageFile, address: PageAddress, codec: PageCodec<Value>, rowCount = 0) {
    this.file = file;
    this.address = address;
    this.codec = codec;
    this.rowCount = rowCount;
  }
}

/** A slot of any kind of page. */
// biome-ignore lint/suspicious/noExplicitAny: a slot both takes and gives its value, so no narrower type holds all.
export type AnyPageSlot = PageSlot<any>;

/**
 * Decoded pages of any number of files, bounded by their bytes; second chance (CLOCK: Corbató, 1968). What is
 * pinned may exceed the bound for as long as it is pinned.
 */
export class PageCache {
  readonly bytesMax: number;
  #bytes = 0;
  #hand = 0;
  readonly #slots: AnyPageSlot[] = [];
  #isClosed = false;

  constructor(bytesMax: number) {
    this.bytesMax = bytesMax;
  }

  /** Its database ends: whoever still reads is told so. */
  close(): void {
    this.#isClosed = true;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get pageCount(): number {
    return this.#slots.length;
  }

  /** Keeps a value in its slot, and drops others until the bound holds. */
  keep<Value>(slot: PageSlot<Value>, value: Value): void {
    if (slot.value !== null) return;
    slot.value = value;
    slot.isReferenced = true;
    slot.byteSize = slot.codec.sizeOf(value);
    this.#bytes += slot.byteSize;
    slot.place = this.#slots.length;
    this.#slots.push(slot);
    this.trim();
  }

  /** Drops a page that will not be asked for, because something else in the cache has its values. */
  discard(slot: AnyPageSlot): void {
    if (slot.place >= 0) this.#drop(slot);
  }

  /** Drops all pages of a file, which is being closed. */
  forget(file: PageFile): void {
    for (const slot of this.#slots.filter((candidate) => candidate.file === file)) this.#drop(slot);
  }

  /** Drops pages until the bound holds: after something was kept, and after something was unpinned. */
  trim(): void {
    let chances = this.#slots.length * 2;
    while (this.#bytes > this.bytesMax && chances-- > 0 && this.#slots.length > 0) {
      if (this.#hand >= this.#slots.length) this.#hand = 0;
      const slot = this.#slots[this.#hand]!;
      if (slot.pins === 0 && !slot.isReferenced) this.#drop(slot);
      else {
        slot.isReferenced = false;
        this.#hand++;
      }
    }
  }

  #drop(slot: AnyPageSlot): void {
    const last = this.#slots.pop()!;
    if (last !== slot) {
      this.#slots[slot.place] = last;
      last.place = slot.place;
    }
    slot.place = -1;
    this.#bytes -= slot.byteSize;
    slot.value = null;
  }
}
