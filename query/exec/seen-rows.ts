import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { TypeOid } from '../types/type.ts';
import type { SpillStore } from './contract.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import type { Runtime } from './operator.ts';
import { Partitions, partitionBytes } from './spill/partitions.ts';
import { RowHash } from './spill/row-hash.ts';
import type { Steps } from './steps.ts';
import { liveCount } from './vectors.ts';

/** A part whose rows are too many for a table is gone through so often at most, for some of them each time. */
const passesMax = 255;
/** How much more than its rows' mean a table may take: it grows by doubling. */
const unevenness = 2;
/** A table is this large beside the buffers of the partitions, where a share is small. */
const tableBytesMin = 16_384;

type Spilled = {
  readonly seen: Partitions;
  round: Partitions;
  readonly store: SpillStore;
  /** What a row takes in a table. */
  readonly rowBytes: number;
};

/**
 * Which rows have come before: of UNION in WITH RECURSIVE. Once they do not fit into memory they go to partitions, and so
 * do the rows of a round, whose new ones are found at its end, a partition at a time.
 */
export class SeenRows {
  readonly #types: readonly TypeOid[];
  readonly #share: MemoryShare;
  readonly #runtime: Runtime;
  #table: KeyTable;
  readonly #hash: RowHash;
  #spilled: Spilled | null = null;

  constructor(types: readonly TypeOid[], runtime: Runtime) {
    this.#types = types;
    this.#runtime = runtime;
    this.#share = runtime.memory.share(null);
    this.#table = new KeyTable(types);
    this.#hash = new RowHash(types);
  }

  /** The new rows among these, as far as they are known at once; the rest comes from `endRound`. */
  *take(batch: ColumnBatch): Steps {
    if (this.#spilled !== null) {
      yield* waited(this.#spilled.round.append(batch, batch.columns));
      return;
    }
    const fresh = firstSeen(batch, this.#table, batch.columns, this.#table.size);
    const { spill } = this.#runtime.memory;
    const needed = this.#table.bytes + (spill === null ? 0 : 2 * partitionBytes(this.#runtime.memory));
    if (spill === null || this.#types.length === 0) this.#share.require(needed);
    else if (!this.#share.tryHold(needed)) yield* this.#spill(spill);
    if (fresh !== null) yield fresh;
  }

  /** The round's new rows that are not out yet. */
  *endRound(): Steps {
    const spilled = this.#spilled;
    if (spilled === null || spilled.round.rowCount === 0) return;
    yield spilled.round.finish();
    yield spilled.seen.finish();
    for (const [at, part] of spilled.round.parts.entries()) {
      if (part.rowCount > 0) yield* this.#freshOf(spilled, at);
    }
    spilled.round.close();
    spilled.round = this.#partitions(spilled.store);
  }

  close(): void {
    this.#spilled?.seen.close();
    this.#spilled?.round.close();
    this.#share.close();
  }

  *#freshOf({ seen, round, rowBytes }: Spilled, at: number): Steps {
    const seenPart = seen.parts[at]!;
    const roundPart = round.parts[at]!;
    const bytes = (seenPart.rowCount + roundPart.rowCount) * rowBytes * unevenness;
    const { memory } = this.#runtime;
    const tableBytes = Math.max(tableBytesMin, memory.shareBytes - 2 * partitionBytes(memory));
    const passes = Math.min(passesMax, Math.ceil(bytes / tableBytes));
    for (let pass = 0; pass < passes; pass++) {
      const table = new KeyTable(this.#types);
      for (const batch of batchesOf(seen.reader(seenPart))) {
        if (batch instanceof Promise) yield batch;
        else this.#remember(table, this.#ofPass(batch, pass, passes));
      }
      for (const batch of batchesOf(round.reader(roundPart))) {
        if (batch instanceof Promise) {
          yield batch;
          continue;
        }
        const fresh = this.#remember(table, this.#ofPass(batch, pass, passes));
        if (fresh === null) continue;
        yield* waited(seen.append(fresh, fresh.columns));
        yield fresh;
      }
      yield seen.finish();
    }
    this.#share.hold(2 * partitionBytes(this.#runtime.memory));
  }

  /** The rows that one of several passes over a part is about. */
  #ofPass(batch: ColumnBatch, pass: number, passes: number): ColumnBatch {
    if (passes === 1) return batch;
    const passOf = this.#hash.partitions(batch.columns, batch, 1, passes);
    const all = Uint32Array.from({ length: batch.rowCount }, (_unused, row) => row);
    return { ...batch, selection: all.filter((row) => passOf[row] === pass) };
  }

  #remember(table: KeyTable, batch: ColumnBatch): ColumnBatch | null {
    const fresh = firstSeen(batch, table, batch.columns, table.size);
    this.#share.hold(table.bytes + 2 * partitionBytes(this.#runtime.memory));
    return fresh;
  }

  *#spill(store: SpillStore): Steps {
    const seen = this.#partitions(store);
    const table = this.#table;
    this.#spilled = { seen, round: this.#partitions(store), store, rowBytes: table.bytes / table.size };
    this.#table = new KeyTable([]);
    for (let from = 0; from < table.size; from += batchRowsMax) {
      const rowCount = Math.min(batchRowsMax, table.size - from);
      const columns = table.keys(from, from + rowCount);
      yield* waited(seen.append({ rowCount, columns, selection: null }, columns));
    }
    this.#share.hold(2 * partitionBytes(this.#runtime.memory));
  }

  #partitions(store: SpillStore): Partitions {
    const shape = { width: this.#types.length, keyTypes: this.#types };
    return new Partitions(store, shape, 0, this.#share, this.#runtime);
  }
}

function* waited(wait: Promise<void> | null): Generator<Promise<void>> {
  if (wait !== null) yield wait;
}

function* batchesOf(input: { next(): ColumnBatch | null | Promise<void> }): Steps {
  for (let batch = input.next(); batch !== null; batch = input.next()) yield batch;
}

/** The rows of a batch whose keys are new to the table, which has `known` of them; null where there is none. */
export function firstSeen(
  batch: ColumnBatch,
  table: KeyTable,
  keys: ColumnBatch['columns'],
  known: number,
): ColumnBatch | null {
  const ids = new Int32Array(Math.max(batch.rowCount, batchRowsMax));
  const count = liveCount(batch);
  table.assign(keys, batch.selection, count, true, ids);
  const live = new Uint32Array(count);
  let next = known;
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const row = batch.selection === null ? at : batch.selection[at]!;
    if (ids[row] !== next) continue;
    next++;
    live[kept++] = row;
  }
  return kept === 0 ? null : { ...batch, selection: live.subarray(0, kept) };
}
