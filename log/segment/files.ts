import type { Disk, DiskFile } from '../../base/env/env.ts';

/** Handles that stay open between uses. */
const idleMax = 8;

type Entry = { readonly file: Promise<DiskFile>; users: number; isDropped: boolean };

/** Files opened for reading: shared by those who use them at the same time, and kept open for the next. */
export class ReadFiles {
  readonly #disk: Disk;
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>();

  constructor(disk: Disk) {
    this.#disk = disk;
  }

  async use<Result>(path: string, work: (file: DiskFile) => Promise<Result>): Promise<Result> {
    const entry = this.#entries.get(path) ?? {
      file: this.#disk.open(path, 'read'),
      users: 0,
      isDropped: false,
    };
    this.#entries.delete(path);
    this.#entries.set(path, entry);
    entry.users++;
    try {
      return await work(await entry.file);
    } catch (thrown) {
      if (this.#entries.get(path) === entry) this.#drop(path, entry);
      throw thrown;
    } finally {
      entry.users--;
      if (entry.isDropped) await closeUnused(entry);
      else this.#dropOldest();
    }
  }

  /** Waits for nobody: a file in use is closed after its use. */
  async close(): Promise<void> {
    for (const [path, entry] of [...this.#entries]) {
      this.#drop(path, entry);
      await closeUnused(entry);
    }
  }

  #dropOldest(): void {
    if (this.#entries.size <= idleMax) return;
    for (const [path, entry] of this.#entries) {
      if (entry.users > 0) continue;
      this.#drop(path, entry);
      closeUnused(entry).catch(() => undefined);
      return;
    }
  }

  #drop(path: string, entry: Entry): void {
    entry.isDropped = true;
    this.#entries.delete(path);
  }
}

async function closeUnused(entry: Entry): Promise<void> {
  if (entry.users > 0) return;
  const file = await entry.file.catch(() => null);
  await file?.close();
}
