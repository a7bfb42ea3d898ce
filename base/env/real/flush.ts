import { fdatasyncSync, writeSync, writevSync } from 'node:fs';
import type { SystemFailure } from '../disk_error.ts';
import type { Turn } from '../turn.ts';
import { bulkBytesMin, bulkSyncRuns, countedAsBulk } from './bulk_syncs.ts';
import type { FlushRequest } from './flush_thread.ts';
import { moduleBeside } from './module_beside.ts';
import { Pace } from './pace.ts';
import { Threads } from './threads.ts';

/** The mean flush above which a hand-over, 0.08 ms on an idle machine and 0.4 ms on a busy one, is the lesser evil. */
const fastMsMax = 0.8;
/** What a fast disk takes besides, to be given the bytes: 0.40 ms for 1 MiB here. */
const transferMsPerByte = 0.4 / (1 << 20);
/** Flushes of several files overlap on a slow disk. */
const threadsMax = 4;

/** `refused`: nothing was flushed. `unknown`: the flush itself failed. Data, because errors lose their code between threads. */
export type Flushed =
  | { readonly kind: 'durable'; readonly elapsedMs: number }
  | { readonly kind: 'refused'; readonly failure: SystemFailure }
  | { readonly kind: 'unknown'; readonly failure: SystemFailure };

/**
 * Writes and flushes: on the caller's thread while the disk is fast, on a thread of its own when it is not, or
 * when much is being flushed. Not on libuv's pool, where a flush would wait behind whatever holds its four
 * threads. `docs/decisions/2026-11-22-commit-path.md` has the measurements.
 */
export class Flusher {
  readonly #pace = new Pace(fastMsMax);
  readonly #turn: Turn;
  readonly #threads = new Threads(moduleBeside(import.meta.url, 'flush_thread'), threadsMax);

  constructor(turn: Turn) {
    this.#turn = turn;
  }

  /** `unsyncedBytes`: what the flush has to bring to the disk besides the chunks. */
  async flush(
    fd: number,
    position: number,
    chunks: readonly Uint8Array[],
    unsyncedBytes: number,
  ): Promise<Flushed> {
    const bytes = byteLength(chunks);
    const toTransfer = bytes + unsyncedBytes;
    const bulk = toTransfer >= bulkBytesMin;
    const here = this.#pace.fast && !bulk && !bulkSyncRuns();
    if (here && this.#turn.exhausted) await this.#turn.next();
    const there = () => this.#flushThere(fd, position, chunks, bytes);
    const flushed = here ? flushNow(fd, position, chunks) : await (bulk ? countedAsBulk(there) : there());
    if (flushed.kind === 'durable') {
      this.#pace.observe(Math.max(0, flushed.elapsedMs - toTransfer * transferMsPerByte));
      if (here) this.#turn.spend(flushed.elapsedMs);
    }
    return flushed;
  }

  async #flushThere(
    fd: number,
    position: number,
    chunks: readonly Uint8Array[],
    length: number,
  ): Promise<Flushed> {
    const bytes = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    const request: FlushRequest = { fd, position, bytes };
    return (await this.#threads.run(request, [bytes.buffer])) as Flushed;
  }
}

export function flushNow(fd: number, position: number, chunks: readonly Uint8Array[]): Flushed {
  const start = performance.now();
  try {
    writeAll(fd, position, chunks);
  } catch (error) {
    return { kind: 'refused', failure: failureOf(error) };
  }
  try {
    fdatasyncSync(fd);
  } catch (error) {
    return { kind: 'unknown', failure: failureOf(error) };
  }
  return { kind: 'durable', elapsedMs: performance.now() - start };
}

function writeAll(fd: number, position: number, chunks: readonly Uint8Array[]): void {
  const length = byteLength(chunks);
  if (length === 0) return;
  let written =
    chunks.length === 1 ? writeSync(fd, chunks[0]!, 0, length, position) : writevSync(fd, chunks, position);
  if (written === length) return;
  const rest = Buffer.concat(chunks);
  while (written < length) {
    written += writeSync(fd, rest, written, length - written, position + written);
  }
}

function failureOf(error: unknown): SystemFailure {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === undefined ? { message } : { code, message };
}

export function byteLength(chunks: readonly Uint8Array[]): number {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  return length;
}
