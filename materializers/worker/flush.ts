import type { Env, WorkerTask } from '../../base/env/env.ts';
import { offset, type Timestamp } from '../../base/ids.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
import { openLogReader } from '../../log/segment/reader.ts';
import { replay } from '../fold/replay.ts';
import { Layouts } from '../rows/layouts.ts';
import { type DecidedTransaction, LogFold } from '../rows/log-fold.ts';
import { Trees } from '../rows/memtable.ts';
import type { WrittenFile } from './sstable-file.ts';
import { writeTrees } from './write-trees.ts';

export type FlushInput = {
  readonly logDirectory: string;
  readonly directory: string;
  /** What the files cover. */
  readonly applied: number;
  /** Transactions of several batches that commit in the span, and from where on their batches belong to it. */
  readonly decided: readonly DecidedTransaction[];
  /** The flush point: the file covers the log below it. */
  readonly to: number;
  /** Layouts and schemas at `applied`. */
  readonly layouts: JsonObject;
  readonly fileNumber: number;
};

/** Null where the span has no row changes. */
export type FlushOutput = { readonly file: WrittenFile | null };

export const flushTask: WorkerTask<FlushInput, FlushOutput> = {
  module: import.meta.url,
  name: 'flushRows',
  run: flushRows,
};

/**
 * Reads a span of the log from its files, folds it, and writes what came out as one SSTable.
 * @public Workers call it by its name.
 */
export async function flushRows(env: Env, input: FlushInput): Promise<FlushOutput> {
  const { applied, decided } = input;
  const fold = new LogFold({
    layouts: Layouts.fromJson(input.layouts),
    memtable: new Trees(),
    applied: { offset: offset(applied), timestamp: 0 as Timestamp },
    wanted: decided,
  });
  const start = offset(Math.min(applied, ...decided.map(({ from }) => from)));
  const reader = await openLogReader(env.disk, input.logDirectory);
  try {
    const to = offset(input.to);
    await replay(fold, start, to, (from, bytesMax) => reader.read(from, to, bytesMax));
  } finally {
    await reader.close();
  }
  return { file: await writeTrees(env, input, fold.memtable, fold.layouts) };
}
