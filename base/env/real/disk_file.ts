import { close, fdatasync, fstat, ftruncate, read, readSync, writev } from 'node:fs';
import { promisify } from 'node:util';
import type { DiskFile } from '../env.ts';
import { FileGuard } from '../file_guard.ts';
import type { Turn } from '../turn.ts';
import { bulkBytesMin, countedAsBulk } from './bulk_syncs.ts';
import { byteLength, type Flusher } from './flush.ts';
import { Pace } from './pace.ts';

const descriptor = {
  close: promisify(close),
  fdatasync: promisify(fdatasync),
  fstat: promisify(fstat),
  ftruncate: promisify(ftruncate),
  read: promisify(read),
  writev: promisify(writev),
};
const zeros = new Uint8Array(1 << 18);
/** A synchronous read from the page cache takes 5 µs for 4 KiB and 34 for 64; libuv's pool 29 and 69. */
const bytesReadHereMax = 1 << 18;
const readFastMsMax = 0.1;

/** What the files of one disk share. */
export class DiskCalls {
  readonly turn: Turn;
  readonly flusher: Flusher;
  readonly readPace = new Pace(readFastMsMax);

  constructor(turn: Turn, flusher: Flusher) {
    this.turn = turn;
    this.flusher = flusher;
  }
}

export class RealFile implements DiskFile {
  readonly path: string;
  readonly #fd: number;
  readonly #calls: DiskCalls;
  readonly #guard: FileGuard;
  /** Written and not yet synced: tells a small flush from a large one. */
  #unsyncedBytes = 0;

  constructor(path: string, fd: number, calls: DiskCalls) {
    this.path = path;
    this.#fd = fd;
    this.#calls = calls;
    this.#guard = new FileGuard(path);
  }

  size(): Promise<number> {
    return this.#guard.use('stat file', async () => (await descriptor.fstat(this.#fd)).size);
  }

  read(position: number, length: number): Promise<Uint8Array> {
    return this.#guard.use('read file', async () => {
      const { turn, readPace } = this.#calls;
      const here = readPace.fast && length <= bytesReadHereMax;
      if (here && turn.exhausted) await turn.next();
      const bytes = uninitialized(length);
      const start = performance.now();
      let filled = 0;
      for (let got = 1; got > 0 && filled < length; filled += got) {
        got = here
          ? readSync(this.#fd, bytes, filled, length - filled, position + filled)
          : (await descriptor.read(this.#fd, bytes, filled, length - filled, position + filled)).bytesRead;
      }
      const elapsedMs = performance.now() - start;
      if (length <= bytesReadHereMax) readPace.observe(elapsedMs);
      if (here) turn.spend(elapsedMs);
      return filled === length ? bytes : bytes.slice(0, filled);
    });
  }

  write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#guard.change('write file', () => this.#writeAll(position, chunks));
  }

  sync(): Promise<void> {
    return this.#guard.change('fsync file', async () => {
      const covered = this.#unsyncedBytes;
      const flush = () => descriptor.fdatasync(this.#fd);
      try {
        await (covered >= bulkBytesMin ? countedAsBulk(flush) : flush());
      } catch (error) {
        throw this.#guard.fail(error);
      }
      this.#unsyncedBytes -= covered;
    });
  }

  writeDurably(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    return this.#guard.change('write file', async () => {
      const covered = this.#unsyncedBytes;
      const flushed = await this.#calls.flusher.flush(this.#fd, position, chunks, covered);
      if (flushed.kind === 'refused') throw flushed.failure;
      if (flushed.kind === 'unknown') throw this.#guard.fail(flushed.failure);
      this.#unsyncedBytes = Math.max(0, this.#unsyncedBytes - covered);
    });
  }

  preallocate(size: number): Promise<void> {
    return this.#guard.change('extend file', async () => {
      let position = (await descriptor.fstat(this.#fd)).size;
      while (position < size) {
        const length = Math.min(zeros.length, size - position);
        await this.#writeAll(position, [zeros.subarray(0, length)]);
        position += length;
      }
    });
  }

  truncate(size: number): Promise<void> {
    return this.#guard.change('truncate file', () => descriptor.ftruncate(this.#fd, size));
  }

  close(): Promise<void> {
    return this.#guard.close(() => descriptor.close(this.#fd));
  }

  async #writeAll(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const length = byteLength(chunks);
    let written = 0;
    let rest = chunks;
    while (written < length) {
      const { bytesWritten } = await descriptor.writev(this.#fd, rest, position + written);
      written += bytesWritten;
      this.#unsyncedBytes += bytesWritten;
      if (written < length) rest = [Buffer.concat(chunks).subarray(written)];
    }
  }
}

/** A plain Uint8Array at offset 0 of its own buffer (pages are read as typed arrays), not cleared first. */
function uninitialized(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer, 0, length);
}
