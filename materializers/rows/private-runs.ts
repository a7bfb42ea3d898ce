import type { Env } from '../../base/env/env.ts';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import { type Offset, offset } from '../../base/ids.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
import { compactTask } from '../worker/compact.ts';
import { openSstableFile, sstablePath, type WrittenFile } from '../worker/sstable-file.ts';
import { type WriteRunOutput, writeRunTask } from '../worker/write-run.ts';
import type { LiveFile } from './files.ts';
import type { Layouts } from './layouts.ts';
import { type PrivateFile, PrivateFiles } from './private-files.ts';
import type { PageCache } from './sstable/cache.ts';
import { type BatchSpan, type Sealing, type Undecided, UndecidedRun } from './undecided.ts';

/** What private runs need of the fold that they belong to. */
export type PrivateRunsHost = {
  readonly env: Env;
  readonly directory: string;
  readonly logDirectory: string;
  readonly cache: PageCache;
  /** Of rows of all undecided transactions in memory; as many again while they are written. */
  readonly bytesMax: number;
  readonly layouts: () => Layouts;
  takeFileNumber(): number;
  /** Closes and removes a file that nobody reads. */
  retire(file: LiveFile): void;
  onProblem(problem: AlopexError): void;
};

/** What is less is not worth a file, whatever others have in memory. */
const fileBytesMin = 1024 * 1024;

/**
 * Rows of undecided transactions that are too many for memory: a worker reads them from the log again and writes them
 * into files that no manifest names, which their transaction alone reads.
 *
 * Invariants: what is written is below the high watermark; of one transaction, one file is written at a time, and none
 * while its marker is applied.
 */
export class PrivateRuns {
  readonly #host: PrivateRunsHost;
  readonly #writing = new Map<UndecidedRun, Promise<void>>();

  constructor(host: PrivateRunsHost) {
    this.#host = host;
  }

  get isWriting(): boolean {
    return this.#writing.size > 0;
  }

  begin(layouts: Layouts): UndecidedRun {
    return new UndecidedRun(layouts, new PrivateFiles((file) => this.#host.retire(file)));
  }

  /**
   * Between batches of a transaction: has its rows written where all that are in memory, `bytes`, are too many. Waits for
   * the file before, so that no transaction outruns the worker. Null: there is room. 53100 where the disk has none.
   */
  makeRoom(undecided: Undecided, bytes: number): Promise<void> | null {
    const { bytesMax } = this.#host;
    const { run } = undecided;
    if (run === null || bytes <= bytesMax) return null;
    if (run.trees.sizeBytes < Math.min(fileBytesMin, bytesMax / 4)) return null;
    return this.#makeRoom(undecided, run);
  }

  async #makeRoom(undecided: Undecided, run: UndecidedRun): Promise<void> {
    await this.#written(run);
    this.#seal(undecided, run);
  }

  /** Whether its marker can be applied: nothing is under way, and what it wrote is folded as the layouts of now have it. */
  isSettled(undecided: Undecided): boolean {
    const { run } = undecided;
    if (run !== null && (run.sealing !== null || this.#writing.has(run))) return false;
    return undecided.isReady(this.#host.layouts());
  }

  /** A step towards it. */
  async settle(undecided: Undecided): Promise<void> {
    const { run } = undecided;
    if (run === null || (run.sealing === null && !this.#writing.has(run))) {
      await this.#foldAnew(undecided);
      return;
    }
    if (!this.#writing.has(run)) this.#seal(undecided, run);
    await this.#written(run);
  }

  /** What is being written of it is; throws what went wrong with it. */
  async #written(run: UndecidedRun): Promise<void> {
    await this.#writing.get(run);
    const { problem } = run;
    run.problem = null;
    if (problem !== null) throw problem;
  }

  /** Begins to write what is in memory, or goes on with what the disk had no room for. */
  #seal(undecided: Undecided, run: UndecidedRun): void {
    const sealing = run.sealing ?? run.beginSealing();
    if (sealing === null) return;
    const layouts = run.layoutsAt(this.#host.layouts(), sealing.from).toJson();
    run.problem = null;
    const writing = this.#writeSealed(undecided, run, sealing, layouts)
      .catch((error: unknown) => {
        run.problem = error;
      })
      .finally(() => this.#writing.delete(run));
    this.#writing.set(run, writing);
  }

  async #writeSealed(
    undecided: Undecided,
    run: UndecidedRun,
    sealing: Sealing,
    layouts: JsonObject,
  ): Promise<void> {
    const { file } = await this.#write(undecided, sealing, layouts, Number.MAX_SAFE_INTEGER);
    if (run.sealing !== sealing) {
      if (file !== null) this.#host.retire(file);
      return;
    }
    run.endSealing(sealing, file);
    undecided.forget(sealing.to);
    await this.#mergeWhereDue(run);
  }

  /** So that neither reads nor the operating system have too many files to deal with. */
  async #mergeWhereDue(run: UndecidedRun): Promise<void> {
    for (;;) {
      const files = run.files.mergeable;
      if (files === null) return;
      const merged = await this.#merge(run, files);
      if (!run.mergeFiles(files, merged)) this.#host.retire(merged);
    }
  }

  async #merge(run: UndecidedRun, files: readonly PrivateFile[]): Promise<LiveFile> {
    const { env, directory, layouts, takeFileNumber } = this.#host;
    const inputs = files.map(({ file }) => file.record);
    const firstFile = takeFileNumber();
    const set = run.files.set;
    set?.hold();
    try {
      const output = await env.workers.run(compactTask, {
        directory,
        plan: { inputs, level: 0, isBottom: false },
        firstFile,
        filesMax: 1,
        now: null,
        layouts: run.layoutsAt(layouts(), null).toJson(),
        dropped: [],
        droppedIndexes: [],
      });
      return await this.#open(output.files[0]!);
    } catch (error) {
      await this.#remove(firstFile);
      throw error;
    } finally {
      set?.release();
    }
  }

  /** Its rows are read from the log again, into files. */
  async #foldAnew(undecided: Undecided): Promise<void> {
    const layouts = this.#host.layouts();
    undecided.run ??= this.begin(layouts);
    const { run } = undecided;
    run.reset(layouts);
    undecided.forget(undecided.end);
    try {
      await this.#writeAll(undecided, run, layouts);
    } catch (error) {
      undecided.release();
      throw error;
    }
  }

  async #writeAll(undecided: Undecided, run: UndecidedRun, layouts: Layouts): Promise<void> {
    let { first: from } = undecided;
    while (from < undecided.end) {
      const own = run.layoutsAt(layouts, null).toJson();
      const span = { from, to: undecided.end };
      const { file, next, objectEvents } = await this.#write(undecided, span, own, this.#host.bytesMax);
      run.noteObjectEvents(objectEvents);
      if (file !== null) run.addFile({ from, to: next }, file);
      await this.#mergeWhereDue(run);
      from = next;
    }
  }

  async #write(
    { producer, voids }: Undecided,
    { from, to }: BatchSpan,
    layouts: JsonObject,
    bytesMax: number,
  ): Promise<
    { readonly file: LiveFile | null; readonly next: Offset } & Pick<WriteRunOutput, 'objectEvents'>
  > {
    const { env, directory, logDirectory } = this.#host;
    const fileNumber = this.#host.takeFileNumber();
    const input = { logDirectory, directory, producer, from, to, voids, layouts, fileNumber, bytesMax };
    try {
      const { file, next, objectEvents } = await env.workers.run(writeRunTask, input);
      return { file: file === null ? null : await this.#open(file), next: offset(next), objectEvents };
    } catch (error) {
      await this.#remove(fileNumber);
      throw error;
    }
  }

  async #open(file: WrittenFile): Promise<LiveFile> {
    const { env, directory, cache } = this.#host;
    const stamp = { kind: 'private', voidFrom: null } as const;
    const { sstable, close } = await openSstableFile(env.disk, directory, file, cache, stamp);
    return { record: { ...file, level: 0, order: 0 }, sstable, users: 0, close };
  }

  /** A file that was not finished. Where it cannot be removed now it is garbage for the next opening. */
  async #remove(number: number): Promise<void> {
    const { env, directory } = this.#host;
    const path = sstablePath(directory, number);
    try {
      if (await env.disk.exists(path)) await env.disk.remove(path);
    } catch (error) {
      this.#host.onProblem(asAlopexError(error));
    }
  }

  /** What is being written ends; nothing new begins. */
  async close(): Promise<void> {
    await Promise.all(this.#writing.values());
  }
}
