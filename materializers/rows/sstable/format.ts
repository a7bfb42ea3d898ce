import type { ColumnId, IndexId, StorageId } from '../../../base/ids.ts';
import type { PhysicalType } from '../../../base/values/datum.ts';

/**
 * An SSTable: sections, one for each (storage, index), of row groups whose columns lie apart (PAX). The byte
 * layout stands in docs/formats/sstable.md; these are its numbers.
 *
 * Invariants:
 * - Sections ascend by (storage, index); entries by key bytes, then by timestamp descending, never equal.
 * - Every byte of the file is under the CRC-32C of a page or of the trailer, and each page's CRC also covers
 *   the number of the file and the page's position: a page that was read from elsewhere does not verify.
 * - A file is written once, front to back, and never changed.
 */
export const formatVersion = 1;
/** The last eight bytes of a file. */
export const magic = 'ALOPEXST';
/** Fixed end of a file: file number, footer length, CRC-32C, format version, magic. */
export const trailerLength = 28;

export const groupRowsMax = 4096;
/** A group ends when its inline values and keys reach this. */
export const groupInlineBytesMax = 1 << 20;
/** A group ends when its key bytes reach this: the keys of a group are one page, which a search needs whole. */
export const groupKeyBytesMax = 1 << 18;
/** A group ends when its vectors and overflow values reach this, which bounds what one batch holds in memory. */
export const groupOverflowBytesMax = 16 << 20;
/** Of a column page before compression, but for a single vector that is larger. */
export const pageBytesMax = 1 << 16;
/** Larger values lie in overflow pages of their own. */
export const inlineValueBytesMax = 8192;
export const valueBytesMax = 64 << 20;
/** Row groups of one index block. */
export const groupsPerBlock = 16;

/** Where a page lies in its file, its envelope included. */
export type PageAddress = { readonly position: number; readonly length: number };

export type SectionColumn = { readonly id: ColumnId; readonly type: PhysicalType };

/** What a section holds; `columns` is empty in an index, whose entries are keys alone. */
export type SectionHeader = {
  readonly storage: StorageId;
  readonly index: IndexId;
  readonly columns: readonly SectionColumn[];
};

type EntryStatistics = {
  /** Entries: versions and deletions. */
  readonly rowCount: number;
  readonly deletedCount: number;
  readonly oldestTimestamp: number;
  readonly newestTimestamp: number;
};

export type SectionMetadata = SectionHeader &
  EntryStatistics & {
    readonly firstKey: Uint8Array;
    readonly lastKey: Uint8Array;
    /** Bytes in the file, pages and index. */
    readonly byteLength: number;
  };

/** What the manifest records of a file. */
export type SstableMetadata = {
  /** Bytes of the whole file; opening needs it. */
  readonly length: number;
  readonly sections: readonly SectionMetadata[];
};
