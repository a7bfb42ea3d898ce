import type { Env, WorkerTask } from '../../base/env/env.ts';
import { offset, type Timestamp } from '../../base/ids.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { decodeHeader } from '../../log/record/header.ts';
import { openLogReader } from '../../log/segment/reader.ts';
import { foldEvent } from '../rows/event-fold.ts';
import { Layouts } from '../rows/layouts.ts';
import { Trees } from '../rows/memtable.ts';
import type { WrittenFile } from './sstable-file.ts';
import { writeTrees } from './write-trees.ts';

export type WriteRunInput = {
  readonly logDirectory: string;
  readonly directory: string;
  readonly producer: number;
  /** The log is read from one to the other, below the high watermark. */
  readonly from: number;
  readonly to: number;
  /** What was rolled back of it. */
  readonly voids: readonly { readonly from: number; readonly to: number }[];
  /** Layouts and schemas at `from`, as the transaction sees them. */
  readonly layouts: JsonObject;
  readonly fileNumber: number;
  /** The file ends with the batch that reaches so many bytes in memory. */
  readonly bytesMax: number;
};

export type WriteRunOutput = {
  /** Null where there are no rows. */
  readonly file: WrittenFile | null;
  /** Where the next file begins: `to` at the end. */
  readonly next: number;
  /** The transaction's changes of the catalog. */
  readonly objectEvents: readonly RowEvent[];
};

export const writeRunTask: WorkerTask<WriteRunInput, WriteRunOutput> = {
  module: import.meta.url,
  name: 'writeRun',
  run: writeRun,
};

/** Bytes of the log that are read at a time. */
const readBytes = 4 * 1024 * 1024;

/**
 * Reads the batches of an undecided transaction from the log, folds them, and writes what came out as one SSTable: in
 * place of a timestamp each version has the offset of its batch.
 * @public Workers call it by its name.
 */
export async function writeRun(env: Env, input: WriteRunInput): Promise<WriteRunOutput> {
  const run = new BatchFold(input);
  const reader = await openLogReader(env.disk, input.logDirectory);
  let next = input.from;
  try {
    while (next < input.to && !run.isFull) {
      for (const batch of await reader.read(offset(next), offset(input.to), readBytes)) {
        next = run.take(batch);
        if (run.isFull) break;
      }
    }
  } finally {
    await reader.close();
  }
  const file = await writeTrees(env, input, run.trees, run.layouts);
  return { file, next, objectEvents: run.objectEvents };
}

class BatchFold {
  readonly trees = new Trees();
  readonly layouts: Layouts;
  readonly objectEvents: RowEvent[] = [];
  readonly #input: WriteRunInput;

  constructor(input: WriteRunInput) {
    this.#input = input;
    this.layouts = Layouts.fromJson(input.layouts);
  }

  get isFull(): boolean {
    return this.trees.sizeBytes >= this.#input.bytesMax;
  }

  /** Returns the next batch's offset. */
  take(batch: Uint8Array): number {
    const header = decodeHeader(batch);
    const { baseOffset, lastOffset, producerId, isTransactional, isControl } = header;
    const { producer, voids } = this.#input;
    const isOwn = producerId === producer && isTransactional && !isControl;
    if (isOwn && !voids.some(({ from, to }) => baseOffset >= from && baseOffset < to)) {
      for (const event of readEvents(batch, header)) {
        foldEvent(event, baseOffset as number as Timestamp, this.layouts, this.trees);
        const { storage } = this.layouts.schema(event.schema);
        if (storage === objectsLayout.storage) this.objectEvents.push(copyOf(event));
      }
    }
    return lastOffset + 1;
  }
}

/** Without the batch that it lies in. */
function copyOf(event: RowEvent): RowEvent {
  const { key, row, before } = event;
  return {
    ...event,
    key: key.slice(),
    row: row === null ? null : row.slice(),
    before: before === null ? null : { ...before, row: before.row.slice() },
  };
}
