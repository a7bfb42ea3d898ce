import type { Disk, DiskFile } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { SpillFile, SpillStore } from '../../query/exec/contract.ts';

/** What one session has in temporary files. */
export type TemporarySpace = { usedBytes: number };

/**
 * The folder of temporary files, which are their statements' alone. What a crash left in it is removed when the
 * database opens; it is made when the first file is.
 */
export class TemporaryFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #onProblem: (problem: AlopexError) => void;
  readonly #removals = new Set<Promise<void>>();
  #made: Promise<void> | null = null;
  #nextNumber = 1;

  private constructor(disk: Disk, directory: string, onProblem: (problem: AlopexError) => void) {
    this.#disk = disk;
    this.#directory = directory;
    this.#onProblem = onProblem;
  }

  static async open(
    disk: Disk,
    directory: string,
    onProblem: (problem: AlopexError) => void,
  ): Promise<TemporaryFiles> {
    if (await disk.exists(directory)) {
      for (const { name } of await disk.list(directory)) await disk.remove(`${directory}/${name}`);
    }
    return new TemporaryFiles(disk, directory, onProblem);
  }

  /** For one statement, whose files count towards `space`; `bytesMax` is asked at each write. */
  store(space: TemporarySpace, bytesMax: () => number): SpillStore {
    return { create: () => this.#create(space, bytesMax) };
  }

  /** Once all statements have ended: waits until their files are gone. */
  async close(): Promise<void> {
    await Promise.all(this.#removals);
  }

  #create(space: TemporarySpace, bytesMax: () => number): SpillFile {
    const number = this.#nextNumber++;
    const name = `${this.#directory}/${number}.tmp`;
    return new TemporaryFile(name, number, space, bytesMax, {
      open: async () => {
        this.#made ??= this.#disk.makeDirectory(this.#directory);
        await this.#made;
        return await this.#disk.open(name, 'create');
      },
      remove: (file) => this.#remove(name, file),
    });
  }

  #remove(name: string, file: DiskFile): void {
    const removal = file
      .close()
      .then(() => this.#disk.remove(name))
      .catch((error: unknown) => this.#onProblem(asAlopexError(error)))
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }
}

/** Opened at the first write. */
class TemporaryFile implements SpillFile {
  readonly name: string;
  readonly number: number;
  readonly #space: TemporarySpace;
  readonly #bytesMax: () => number;
  readonly #place: { open(): Promise<DiskFile>; remove(file: DiskFile): void };
  #file: Promise<DiskFile> | null = null;
  #usedBytes = 0;
  #isClosed = false;

  constructor(
    name: string,
    number: number,
    space: TemporarySpace,
    bytesMax: () => number,
    place: { open(): Promise<DiskFile>; remove(file: DiskFile): void },
  ) {
    this.name = name;
    this.number = number;
    this.#space = space;
    this.#bytesMax = bytesMax;
    this.#place = place;
  }

  async write(position: number, chunks: readonly Uint8Array[]): Promise<void> {
    const file = await this.#opened();
    const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
    const used = this.#space.usedBytes + length;
    const bytesMax = this.#bytesMax();
    if (used > bytesMax) {
      const problem = `temporary file size exceeds temp_file_limit (${Math.floor(bytesMax / 1024)}kB)`;
      throw new AlopexError('configuration_limit_exceeded', problem);
    }
    this.#space.usedBytes = used;
    this.#usedBytes += length;
    await file.write(position, chunks);
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    return await (await this.#opened()).read(position, length);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#space.usedBytes -= this.#usedBytes;
    this.#file?.then(
      (file) => this.#place.remove(file),
      () => undefined,
    );
  }

  #opened(): Promise<DiskFile> {
    if (this.#isClosed) throw new AlopexError('query_canceled', 'the statement has ended');
    this.#file ??= this.#place.open();
    return this.#file;
  }
}
