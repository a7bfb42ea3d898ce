import type { IndexId, StorageId, Timestamp } from '../../../base/ids.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { type BlockRecord, encodeFooter, encodeTrailer, type SectionRecord } from './footer.ts';
import { groupsPerBlock, type PageAddress, type SectionHeader, type SstableMetadata } from './format.ts';
import { GroupBuilder } from './group-builder.ts';
import { encodeIndexBlock, type GroupRecord } from './index-block.ts';
import { type Compression, sealPage } from './page.ts';

export type SstableEntry = {
  readonly storage: StorageId;
  readonly index: IndexId;
  readonly key: Uint8Array;
  /** Of a row of an undecided transaction, the offset of its batch (see `Stamp`). */
  readonly timestamp: Timestamp;
  readonly deleted: boolean;
  /** In the order of the section's columns; null for a deletion and for an index entry. */
  readonly values: readonly Datum[] | null;
};

export type SstableWriterOptions = {
  /** The file's number in its manifest; the checksums of its pages cover it. */
  readonly fileNumber: number;
  /** Null: pages are stored as they are. */
  readonly compression: Compression | null;
};

const nothing: readonly Uint8Array[] = [];

/**
 * Makes an SSTable of entries that come in the order of the file: (storage, index) ascending, key ascending,
 * timestamp descending. No I/O: the chunks that `add` and `finish` return are the file, one after another, and
 * what has been returned is not held. Keys and values are copied by the end of their row group, so the caller
 * may use a key's buffer again, and must not change a value before. 0.7-1.0 M rows/s of five columns
 * (the workload of docs/formats/sstable.md).
 */
export class SstableWriter {
  readonly #output: PageOutput;
  readonly #compressionName: string;
  readonly #sections: SectionRecord[] = [];
  #section: SectionBuilder | null = null;
  #isFinished = false;

  constructor(options: SstableWriterOptions) {
    this.#output = new PageOutput(options);
    this.#compressionName = options.compression?.name ?? '';
  }

  /** Bytes that have been returned or are about to be. */
  get length(): number {
    return this.#output.position;
  }

  /** Sections ascend; one without entries leaves no trace. */
  beginSection(header: SectionHeader): void {
    const last = this.#section?.header;
    invariant(
      last === undefined ||
        header.storage > last.storage ||
        (header.storage === last.storage && header.index > last.index),
      'sections ascend by storage and index',
    );
    this.#endSection();
    this.#section = new SectionBuilder(header, this.#output);
  }

  add(entry: SstableEntry): readonly Uint8Array[] {
    const section = this.#section;
    invariant(section !== null && !this.#isFinished, 'an entry comes after its section began');
    invariant(
      entry.storage === section.header.storage && entry.index === section.header.index,
      'an entry belongs to the section that was begun',
    );
    section.add(entry.key, entry.timestamp, entry.deleted, entry.values);
    return this.#output.isEmpty ? nothing : this.#output.take();
  }

  /** Ends the file. Nothing can be added after it. */
  finish(): { readonly chunks: readonly Uint8Array[]; readonly metadata: SstableMetadata } {
    invariant(!this.#isFinished, 'a file is finished once');
    this.#isFinished = true;
    this.#endSection();
    const sections = this.#sections;
    const footer = this.#output.write(encodeFooter({ compression: this.#compressionName, sections }), false);
    this.#output.writeTrailer(footer.length);
    return { chunks: this.#output.take(), metadata: { length: this.#output.position, sections } };
  }

  #endSection(): void {
    const record = this.#section?.finish() ?? null;
    if (record !== null) this.#sections.push(record);
  }
}

/** Pages on their way out, and where the next one will lie. */
class PageOutput {
  readonly #options: SstableWriterOptions;
  #chunks: Uint8Array[] = [];
  position = 0;

  constructor(options: SstableWriterOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#chunks.length === 0;
  }

  write(payload: Uint8Array, isCompressed = true): PageAddress {
    const { fileNumber, compression } = this.#options;
    const sealed = sealPage(fileNumber, this.position, payload, isCompressed ? compression : null);
    const address = { position: this.position, length: sealed.length };
    this.#push(sealed);
    return address;
  }

  writeTrailer(footerLength: number): void {
    this.#push(encodeTrailer({ fileNumber: this.#options.fileNumber, footerLength }));
  }

  #push(bytes: Uint8Array): void {
    this.#chunks.push(bytes);
    this.position += bytes.length;
  }

  take(): readonly Uint8Array[] {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks;
  }
}

/** The groups of one section, gathered into index blocks. */
class SectionBuilder {
  readonly header: SectionHeader;
  readonly #output: PageOutput;
  readonly #start: number;
  readonly #builder: GroupBuilder;
  #groups: GroupRecord[] = [];
  #blockStart: number;
  readonly #blocks: BlockRecord[] = [];
  #groupCount = 0;
  #rowCount = 0;
  #deletedCount = 0;
  #oldestTimestamp = Number.MAX_SAFE_INTEGER;
  #newestTimestamp = 0;

  constructor(header: SectionHeader, output: PageOutput) {
    this.header = header;
    this.#output = output;
    this.#start = output.position;
    this.#blockStart = output.position;
    this.#builder = new GroupBuilder(header.columns);
  }

  add(key: Uint8Array, timestamp: number, deleted: boolean, values: readonly Datum[] | null): void {
    this.#builder.add(key, timestamp, deleted, values);
    if (this.#builder.isFull) this.#endGroup();
  }

  #endGroup(): void {
    const group = this.#builder.build((payload) => this.#output.write(payload));
    this.#groups.push(group);
    this.#groupCount++;
    this.#rowCount += group.rowCount;
    this.#deletedCount += group.deletedCount;
    this.#oldestTimestamp = Math.min(this.#oldestTimestamp, group.oldestTimestamp);
    this.#newestTimestamp = Math.max(this.#newestTimestamp, group.newestTimestamp);
    if (this.#groups.length === groupsPerBlock) this.#endBlock();
  }

  #endBlock(): void {
    const groups = this.#groups;
    const index = this.#output.write(encodeIndexBlock(groups));
    this.#blocks.push({
      firstKey: groups[0]!.firstKey,
      lastKey: groups.at(-1)!.lastKey,
      rowCount: groups.reduce((sum, group) => sum + group.rowCount, 0),
      byteLength: this.#output.position - this.#blockStart,
      index,
    });
    this.#blockStart = this.#output.position;
    this.#groups = [];
  }

  /** Null where nothing was added. */
  finish(): SectionRecord | null {
    if (this.#builder.rowCount > 0) this.#endGroup();
    if (this.#groups.length > 0) this.#endBlock();
    if (this.#blocks.length === 0) return null;
    return {
      ...this.header,
      rowCount: this.#rowCount,
      deletedCount: this.#deletedCount,
      oldestTimestamp: this.#oldestTimestamp,
      newestTimestamp: this.#newestTimestamp,
      firstKey: this.#blocks[0]!.firstKey,
      lastKey: this.#blocks.at(-1)!.lastKey,
      byteLength: this.#output.position - this.#start,
      groupCount: this.#groupCount,
      blocks: this.#blocks,
    };
  }
}
