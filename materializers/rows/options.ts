import type { Env } from '../../base/env/env.ts';
import type { AlopexError } from '../../base/errors.ts';
import type { Offset, Timestamp } from '../../base/ids.ts';
import type { Log } from '../../log/log.ts';
import type { Manifest } from '../manifest/manifest.ts';

export type RowsOptions = {
  readonly env: Env;
  /** The folder of the fold's own files. */
  readonly directory: string;
  /** Open and recovered. */
  readonly log: Log;
  /** Bytes of decoded pages that are kept in memory. */
  readonly cacheBytes: number;
  /** A memtable larger than this is flushed. */
  readonly memtableBytesMax?: number;
  /** Of a flush or compaction that ran by itself; what it would have done is tried again later. */
  readonly onProblem?: (error: AlopexError) => void;
  /** The oldest timestamp that somebody reads at, or null: versions that it sees are kept. */
  readonly oldestView?: () => Timestamp | null;
  /** Bytes of the entries of a new index that are sorted in memory at once. */
  readonly indexSortBytesMax?: number;
  /** The log may be another node's to write: then memtables are cut without a word in it, and it may end before the files do. */
  readonly isReplicated?: boolean;
  /** Of the log's end, what is still in memory, from a boundary of batches on; null: it is read. */
  readonly recent?: (from: Offset, bytesMax: number) => readonly Uint8Array[] | null;
  /** Bytes of rows of undecided transactions in memory, altogether; what is more goes into files. */
  readonly runBytesMax?: number;
};

/** A memtable of this size is about 130,000 small rows, and is flushed in half a second. */
export const memtableBytesMax = 32 * 1024 * 1024;
/** As many rows of undecided transactions, and as many again while they are written into a file. */
export const runBytesMax = 16 * 1024 * 1024;

/** Counts of files of large transactions that no manifest names. */
export type UnnamedFiles = {
  readonly isWriting: boolean;
  readonly undecided: number;
  readonly committed: number;
};

/** A snapshot whose files stay as they are until `release`. */
export type HeldSnapshot = { readonly manifest: Manifest; readonly release: () => void };
