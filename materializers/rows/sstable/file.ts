import { ByteReaderError } from '../../../base/bytes/reader.ts';
import { AlopexError, corrupted } from '../../../base/errors.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { AnyPageSlot, PageCache, PageSlot } from './cache.ts';
import type { PageAddress } from './format.ts';
import { type Compression, checkPage, openPage } from './page.ts';

/** Where the bytes of a file come from: a disk, an HTTP range request, memory. */
export type PageSource = {
  /** Exactly `length` bytes, or fewer where the file ends. */
  read(position: number, length: number): Promise<Uint8Array>;
};

/** Pages nearer than this are read together, with what lies between them. */
const gapBytesMax = 16 << 10;
/** Of one read, but for a single page that is larger. */
const readBytesMax = 1 << 20;

/** The pages of one open file: reads, verifies, decodes, and keeps them in the cache. */
export class PageFile {
  /** For messages. */
  readonly name: string;
  readonly fileNumber: number;
  readonly compression: Compression | null;
  readonly cache: PageCache;
  readonly #source: PageSource;
  #isClosed = false;

  constructor(
    source: PageSource,
    name: string,
    fileNumber: number,
    compression: Compression | null,
    cache: PageCache,
  ) {
    this.#source = source;
    this.name = name;
    this.fileNumber = fileNumber;
    this.compression = compression;
    this.cache = cache;
  }

  /** The same pages for other readers, which share nothing but the source. */
  sibling(): PageFile {
    return new PageFile(this.#source, this.name, this.fileNumber, this.compression, this.cache);
  }

  /** Reads that are under way end as they will; what they bring is not kept. */
  close(): void {
    this.#isClosed = true;
    this.cache.forget(this);
  }

  /** Fetches what is not in memory, and keeps it. Neighbours share a read. 57P01 where the database ends. */
  async load(slots: readonly AnyPageSlot[]): Promise<void> {
    if (this.cache.isClosed) throw new AlopexError('admin_shutdown', 'the database is closed');
    invariant(!this.#isClosed, `${this.name} is closed`);
    const missing = slots.filter((slot) => slot.value === null);
    const fresh = missing.filter((slot) => slot.loading === null);
    for (const batch of neighbours(fresh)) this.#start(batch, true);
    await Promise.all(missing.map((slot) => slot.loading));
  }

  /** The decoded pages, of which those that were not in memory are not kept there: for reading a file once. */
  async readOnce(slots: readonly AnyPageSlot[]): Promise<unknown[]> {
    const fresh = slots.filter((slot) => slot.value === null && slot.loading === null);
    for (const batch of neighbours(fresh)) this.#start(batch, false);
    return Promise.all(slots.map((slot) => slot.value ?? slot.loading));
  }

  /** The payload of one page, outside the cache. */
  async readPage(address: PageAddress): Promise<Uint8Array> {
    return openPage(this.#context, address, await this.#source.read(address.position, address.length));
  }

  /** Reads pages past the cache, and decodes nothing. Throws data_corrupted, of the first that is not what was written. */
  async verify(slots: readonly AnyPageSlot[]): Promise<void> {
    for (const batch of neighbours(slots)) {
      const start = batch[0]!.address.position;
      const bytes = await this.#source.read(start, endOf(batch) - start);
      for (const { address } of batch) {
        const from = address.position - start;
        checkPage(this.#context, address, bytes.subarray(from, from + address.length));
      }
    }
  }

  get #context() {
    return { file: this.name, fileNumber: this.fileNumber, compression: this.compression };
  }

  #start(batch: readonly AnyPageSlot[], isKept: boolean): void {
    const start = batch[0]!.address.position;
    const bytes = this.#source.read(start, endOf(batch) - start);
    for (const slot of batch) {
      slot.loading = this.#finish(slot, bytes, start, isKept);
      // Whoever waits for the page gets the error; a page fetched ahead that nobody wants must not end the process.
      slot.loading.catch(() => {});
    }
  }

  async #finish<Value>(
    slot: PageSlot<Value>,
    bytes: Promise<Uint8Array>,
    start: number,
    isKept: boolean,
  ): Promise<Value> {
    try {
      const { position, length } = slot.address;
      const sealed = (await bytes).subarray(position - start, position - start + length);
      const value = await this.#decode(slot, openPage(this.#context, slot.address, sealed));
      if (isKept && !this.#isClosed) this.cache.keep(slot, value);
      return value;
    } finally {
      slot.loading = null;
    }
  }

  /** What passed its checksum and still cannot be read was written wrong: named all the same. */
  async #decode<Value>(slot: PageSlot<Value>, payload: Uint8Array): Promise<Value> {
    try {
      return await slot.codec.decode(payload, slot);
    } catch (error) {
      if (error instanceof AlopexError) throw error;
      const isKnown = error instanceof ByteReaderError || error instanceof RangeError;
      if (!isKnown) throw error;
      throw corrupted(this.name, slot.address.position, error.message);
    }
  }
}

function endOf(batch: readonly AnyPageSlot[]): number {
  const { position, length } = batch.at(-1)!.address;
  return position + length;
}

function neighbours(slots: readonly AnyPageSlot[]): AnyPageSlot[][] {
  const ordered = [...slots].sort((left, right) => left.address.position - right.address.position);
  const batches: AnyPageSlot[][] = [];
  let end = Number.NEGATIVE_INFINITY;
  let start = 0;
  for (const slot of ordered) {
    const { position, length } = slot.address;
    if (position - end > gapBytesMax || position + length - start > readBytesMax) {
      batches.push([]);
      start = position;
    }
    batches.at(-1)!.push(slot);
    end = position + length;
  }
  return batches;
}

/**
 * What a synchronous attempt says when pages that it needs are not in memory. The caller loads them, and tries
 * again; pages that are in memory cost no promise.
 */
export class Need {
  readonly slots: readonly AnyPageSlot[];
  constructor(slots: readonly AnyPageSlot[]) {
    this.slots = slots;
  }
}

/** The slots of these that are not in memory, or null where all are. Marks the others as used. */
export function needOf(slots: readonly AnyPageSlot[]): Need | null {
  let missing: AnyPageSlot[] | null = null;
  for (const slot of slots) {
    if (slot.value !== null) slot.isReferenced = true;
    else if (missing === null) missing = [slot];
    else missing.push(slot);
  }
  return missing === null ? null : new Need(missing);
}

/** Attempts until nothing is missing: at once where everything is in memory, else a promise. */
export function resolveNeeds<Value>(attempt: () => Value | Need): Value | Promise<Value> {
  const result = attempt();
  return result instanceof Need ? attemptAgain(attempt, result) : result;
}

/** Holds what it fetched until it is done, so that a small cache cannot take it away in between. */
async function attemptAgain<Value>(attempt: () => Value | Need, first: Need): Promise<Value> {
  const pinned: AnyPageSlot[] = [];
  try {
    for (let need = first; ; ) {
      await loadPinned(need, pinned);
      const result = attempt();
      if (!(result instanceof Need)) return result;
      need = result;
    }
  } finally {
    unpin(pinned);
  }
}

/** Pins the slots that are needed (adding them to `pinned`), and loads them. */
export async function loadPinned(need: Need, pinned: AnyPageSlot[]): Promise<void> {
  for (const slot of need.slots) slot.pins++;
  pinned.push(...need.slots);
  const files = new Set(need.slots.map((slot) => slot.file));
  await Promise.all([...files].map((file) => file.load(need.slots.filter((slot) => slot.file === file))));
}

export function unpin(pinned: AnyPageSlot[]): void {
  if (pinned.length === 0) return;
  for (const slot of pinned) slot.pins--;
  pinned[0]!.file.cache.trim();
  pinned.length = 0;
}
