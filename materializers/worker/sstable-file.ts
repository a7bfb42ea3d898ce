import type { Disk, DiskFile } from '../../base/env/env.ts';
import type { FileCommit } from '../manifest/manifest.ts';
import { PageCache } from '../rows/sstable/cache.ts';
import type { SectionHeader } from '../rows/sstable/format.ts';
import { openSstable, type Sstable } from '../rows/sstable/reader.ts';
import type { Stamp } from '../rows/sstable/stamp.ts';
import { verifySstable } from '../rows/sstable/verify.ts';
import { type SstableEntry, SstableWriter } from '../rows/sstable/writer.ts';
import { zstd } from './zstd.ts';

export type WrittenFile = { readonly number: number; readonly length: number };

export function sstablePath(directory: string, number: number): string {
  return `${directory}/${String(number).padStart(8, '0')}.sst`;
}

/** Bytes that are gathered before they are handed to the disk. */
const writeBytes = 1024 * 1024;

/** Writes one SSTable to the disk, entry by entry. Nothing is left of a file that was not finished. */
export class SstableFileWriter {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #file: DiskFile;
  readonly #number: number;
  readonly #writer: SstableWriter;
  #position = 0;
  #chunks: Uint8Array[] = [];
  #chunkBytes = 0;

  private constructor(disk: Disk, path: string, file: DiskFile, number: number) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.#number = number;
    this.#writer = new SstableWriter({ fileNumber: number, compression: zstd });
  }

  static async create(disk: Disk, directory: string, number: number): Promise<SstableFileWriter> {
    const path = sstablePath(directory, number);
    if (await disk.exists(path)) await disk.remove(path);
    return new SstableFileWriter(disk, path, await disk.open(path, 'create'), number);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#writer.length;
  }

  beginSection(header: SectionHeader): void {
    this.#writer.beginSection(header);
  }

  /** A promise where bytes were handed to the disk: await it before the next entry. */
  add(entry: SstableEntry): Promise<void> | null {
    const chunks = this.#writer.add(entry);
    for (const chunk of chunks) {
      this.#chunks.push(chunk);
      this.#chunkBytes += chunk.length;
    }
    return this.#chunkBytes >= writeBytes ? this.#write() : null;
  }

  async #write(): Promise<void> {
    const chunks = this.#chunks;
    const position = this.#position;
    this.#position += this.#chunkBytes;
    this.#chunks = [];
    this.#chunkBytes = 0;
    await this.#file.write(position, chunks);
  }

  /** The file is durable; its name is, once the folder is flushed. */
  async finish(): Promise<WrittenFile> {
    const { chunks, metadata } = this.#writer.finish();
    this.#chunks.push(...chunks);
    await this.#file.writeDurably(this.#position, this.#chunks);
    await this.#file.close();
    return { number: this.#number, length: metadata.length };
  }

  /** After a failure, which may be a full disk. What cannot be removed either, the next opening removes. */
  async abandon(): Promise<void> {
    await this.#file.close();
    await this.#disk.remove(this.#path).catch(() => {});
  }
}

export type OpenSstable = { readonly sstable: Sstable; close(): Promise<void> };

/**
 * `cache`: of the process that serves reads; a worker has a small one for what it reads once. `stamp`: of a file that no
 * manifest names yet.
 */
export async function openSstableFile(
  disk: Disk,
  directory: string,
  file: WrittenFile & { readonly commit?: FileCommit },
  cache: PageCache = new PageCache(8 * 1024 * 1024),
  stamp: Stamp | null = file.commit === undefined ? null : { kind: 'commit', ...file.commit },
): Promise<OpenSstable> {
  const name = sstablePath(directory, file.number);
  const source = await disk.open(name, 'read');
  try {
    const sstable = await openSstable(source, {
      name,
      length: file.length,
      cache,
      compressions: [zstd],
      stamp,
    });
    const close = async (): Promise<void> => {
      sstable.close();
      await source.close();
    };
    return { sstable, close };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Reads all of it. Throws data_corrupted, with what is not as it was written. */
export async function verifySstableFile(disk: Disk, directory: string, file: WrittenFile): Promise<void> {
  const { sstable, close } = await openSstableFile(disk, directory, file);
  try {
    await verifySstable(sstable);
  } finally {
    await close();
  }
}
