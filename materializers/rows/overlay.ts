import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { leaderChanged } from '../../base/errors.ts';
import { type IndexId, indexId, type Offset, type StorageId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';
import type { Operation } from '../../log/events/event.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import type { PendingRows } from './contract.ts';
import { indexKeyOf } from './key.ts';
import { Trees } from './memtable.ts';
import type { Layer } from './store.ts';
import type { Tree } from './tree.ts';
import { type RowVersion, type Version, visibleVersion } from './version.ts';

const primary = indexId(0);

/**
 * What a transaction does to each row in all: the events of its commit, by storage, then by key, so that the
 * catalog's own come first. The overlay must not change meanwhile.
 */
export class PendingChanges {
  readonly #trees: readonly Tree[];
  readonly #from: number;
  readonly #to: number;
  readonly #lone: Version | null;
  #isLoneTaken = false;
  #tree = 0;
  #leaf = 0;
  #place = -1;
  /** Of the change at hand: rows are datums of `layout.columns`; `before` is the committed row that is replaced. */
  operation: Operation = 'c';
  layout: TableLayout | null = null;
  row: readonly Datum[] | null = null;
  before: readonly Datum[] | null = null;

  constructor(trees: Trees, from: number, to: number) {
    const { lone } = trees;
    this.#lone = lone !== null && lone.index === primary ? lone.version : null;
    this.#trees = lone === null ? primaryTrees(trees) : noTrees;
    this.#from = from;
    this.#to = to;
  }

  /** Goes to the next change. False: there is none. */
  next(): boolean {
    const lone = this.#lone;
    if (lone !== null) {
      if (this.#isLoneTaken || lone.timestamp < this.#from || lone.timestamp > this.#to) return false;
      this.#isLoneTaken = true;
      return this.#take(lone as PendingVersion);
    }
    for (; this.#tree < this.#trees.length; this.#tree++, this.#leaf = 0) {
      const { leaves } = this.#trees[this.#tree]!;
      for (; this.#leaf < leaves.length; this.#leaf++, this.#place = -1) {
        const { versions } = leaves[this.#leaf]!;
        while (++this.#place < versions.length) {
          const last = visibleVersion(versions[this.#place]!, this.#to);
          if (last !== null && last.timestamp >= this.#from && this.#take(last as PendingVersion))
            return true;
        }
      }
    }
    return false;
  }

  /** False where a row came and went within these commands. */
  #take(newest: PendingVersion): boolean {
    let oldest = newest;
    let { isRestated } = newest;
    while (oldest.older !== null && oldest.older.timestamp >= this.#from) {
      oldest = oldest.older as PendingVersion;
      isRestated ||= oldest.isRestated;
    }
    this.layout = newest.layout;
    this.row = newest.row;
    this.before = oldest.before;
    if (this.row === null) this.operation = 'd';
    else if (this.before === null) this.operation = 'c';
    else this.operation = isRestated ? 'r' : 'u';
    return this.row !== null || this.before !== null;
  }
}

const noTrees: readonly Tree[] = [];

function primaryTrees(trees: Trees): readonly Tree[] {
  return trees.all().flatMap(({ index, tree }) => (index === primary ? tree : []));
}

type PendingVersion = Version & RowVersion;

type JournalEntry = {
  readonly storage: StorageId;
  readonly index: IndexId;
  readonly key: string;
  readonly command: number;
  readonly rowBytes: number;
};

/** What a transaction has in the log before its marker, folded. */
export type SpilledRun = {
  readonly layers: readonly Layer[];
  /** The timestamp of the last batch's versions. */
  readonly newest: number;
  /** After the last batch. */
  readonly end: Offset;
  /** Its transaction was ended from elsewhere: nothing of it is left. */
  readonly isGone: boolean;
};

/** Rows that a reader merges: the versions at or below `at`. */
export type PendingLayer = { readonly source: Layer; readonly at: number };

/** Timestamps of spilled versions lie below it, numbers of commands (negated) above. */
const spilledBelow = -(2 ** 39);

type Spill = Pick<SpilledRun, 'newest' | 'end'> & { readonly command: number };
const noSpills: readonly never[] = [];

/**
 * A transaction's pending rows and index entries, sorted as the store sorts them; the version of a pending row is
 * the number of its command. Rows that were spilled to the log are read from what the fold made of them.
 *
 * Invariants: commands never fall from one put to the next, and `rollbackTo` restores what stood before; spilled
 * rows are older than those that are not.
 */
export class Overlay implements PendingRows {
  readonly kind = 'pending-rows';
  #trees = new Trees();
  /** Puts, from the first savepoint on: what a rollback to it takes back. */
  #journal: JournalEntry[] | null = null;
  /** Of the first put that is not spilled; `rollbackTo` may leave nothing of it. */
  #firstCommand = 0;
  #spilled: SpilledRun | null = null;
  /** After each spill: up to which of its versions commands to `command` wrote. */
  #spills: readonly Spill[] = noSpills;

  get isEmpty(): boolean {
    return this.#spilled === null && this.#trees.isEmpty;
  }

  /** Bytes of rows that are not spilled, about. */
  get heldBytes(): number {
    return this.#trees.sizeBytes;
  }

  /** What commands up to `command` wrote, newest first. It stays as it is when the rows are spilled. */
  layers(command: number): readonly PendingLayer[] {
    return [{ source: this.#trees, at: command }, ...this.spilledLayers(command)];
  }

  /** The same of what is spilled. 40001 where that is gone: a transaction never misses what it wrote. */
  spilledLayers(command: number): readonly PendingLayer[] {
    if (this.#spilled === null) return noSpills;
    if (this.#spilled.isGone) throw leaderChanged();
    const at = this.#spilledAt(command);
    return this.#spilled.layers.map((source) => ({ source, at }));
  }

  #spilledAt(command: number): number {
    const spill = this.#spills.findLast((each) => each.command <= command);
    return spill === undefined ? Number.NEGATIVE_INFINITY : spill.newest;
  }

  /** Where in the log the spilled rows of commands up to `command` end; 0 where they spilled none. */
  spilledEnd(command: number): Offset {
    return this.#spills.findLast((each) => each.command <= command)?.end ?? (0 as Offset);
  }

  /** Whether a version, as the version pseudo column has it, was written by this command. */
  isOfCommand(version: number, command: number): boolean {
    if (version === -command) return true;
    return version < spilledBelow && version > this.#spilledAt(command - 1);
  }

  /** The log has what commands up to `command` wrote. Once it has all, `forgetSpilled` frees the rows here. */
  noteSpilled(run: SpilledRun, command: number): void {
    this.#spilled = run;
    this.#spills = [...this.#spills, { command, newest: run.newest, end: run.end }];
  }

  forgetSpilled(): void {
    this.#trees = new Trees();
    if (this.#journal !== null) this.#journal = [];
  }

  /** No command before it has rows that are not spilled; null where none has. */
  get firstCommand(): number | null {
    return this.#trees.isEmpty ? null : this.#firstCommand;
  }

  /** Whether commands [from, to], which came after a savepoint, have rows that are not spilled; or had, and took them back. */
  hasPuts(from: number, to: number): boolean {
    const journal = this.#journal;
    if (journal === null) return true;
    let low = 0;
    let high = journal.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (journal[middle]!.command < from) low = middle + 1;
      else high = middle;
    }
    return low < journal.length && journal[low]!.command <= to;
  }

  /** Whether this command or a later one has spilled rows. */
  hasSpilledSince(command: number): boolean {
    return this.#spills.some((spill) => spill.command >= command);
  }

  /**
   * Writes a row (null: deletes it) under its primary key, latin1 text. `before` is the row of this key that the
   * transaction saw until now, committed or pending, or null where there was none. Both are datums of
   * `layout.columns`, and kept.
   */
  put(
    layout: TableLayout,
    key: string,
    row: readonly Datum[] | null,
    before: readonly Datum[] | null,
    command: number,
  ): void {
    this.#put(
      layout.storage,
      primary,
      key,
      pendingRow(layout, row, before, command),
      rowSize(row) + rowSize(before),
    );
    for (const index of layout.indexes) {
      const gone = before === null ? null : bytesToLatin1(indexKeyOf(layout, index, before));
      const added = row === null ? null : bytesToLatin1(indexKeyOf(layout, index, row));
      if (gone === added) continue;
      if (gone !== null) {
        this.#put(layout.storage, index.id, gone, { timestamp: command, older: null, kind: 'deleted' }, 0);
      }
      if (added !== null && index.state !== 'delete-only') {
        this.#put(layout.storage, index.id, added, { timestamp: command, older: null, kind: 'entry' }, 0);
      }
    }
  }

  /** Writes a row as it is, with the entries of all indexes of `layout`: one of them is new. */
  restate(layout: TableLayout, key: string, row: readonly Datum[], command: number): void {
    this.#put(layout.storage, primary, key, pendingRow(layout, row, row, command, true), rowSize(row));
    for (const index of layout.indexes) {
      const entry = bytesToLatin1(indexKeyOf(layout, index, row));
      this.#put(layout.storage, index.id, entry, { timestamp: command, older: null, kind: 'entry' }, 0);
    }
  }

  #put(storage: StorageId, index: IndexId, key: string, version: Version, rowBytes: number): void {
    if (this.#trees.sizeBytes === 0) this.#firstCommand = version.timestamp;
    this.#trees.put(storage, index, key, version, rowBytes);
    this.#journal?.push({ storage, index, key, command: version.timestamp, rowBytes });
  }

  /** A row's newest version that commands up to `command` wrote and nobody spilled. */
  findHeld(storage: StorageId, key: string, command: number): Version | null {
    return visibleVersion(this.#trees.get(storage, primary)?.get(key) ?? null, command);
  }

  /** What is written from now on can be rolled back to here. */
  startJournal(): void {
    this.#journal ??= [];
  }

  /** Whether rows of a storage were written, and perhaps taken back. */
  hasRows(storage: StorageId): boolean {
    return this.layers(Number.POSITIVE_INFINITY).some(({ source }) =>
      source instanceof Trees
        ? source.get(storage, primary) !== null
        : source.runs(storage, primary).length > 0,
    );
  }

  /** Forgets what this command and later ones wrote; the journal was begun before. Of what is spilled the log forgets it. */
  rollbackTo(command: number): void {
    const journal = this.#journal;
    invariant(journal !== null, 'a savepoint begins the journal');
    if (this.hasSpilledSince(command)) {
      this.#spills = this.#spills.filter((spill) => spill.command < command);
      this.forgetSpilled();
      return;
    }
    for (let last = journal.at(-1); last !== undefined && last.command >= command; last = journal.at(-1)) {
      journal.pop();
      this.#trees.pop(last.storage, last.index, last.key, last.rowBytes);
    }
  }

  /** Events of what commands [from, to] wrote and nobody spilled. */
  changes(from = 0, to = Number.POSITIVE_INFINITY): PendingChanges {
    return new PendingChanges(this.#trees, from, to);
  }

  /** Its commit: all that it wrote becomes versions of the memtable. Nothing of it is spilled. */
  commitTo(memtable: Trees, timestamp: number): void {
    invariant(this.#spilled === null, 'what was spilled is committed by its marker');
    memtable.absorb(this.#trees, timestamp);
    this.forgetSpilled();
  }

  /** Keys of rows and index entries that were written, as latin1 text; of those in files the span alone. */
  *written(): Iterable<Written> {
    for (const { source } of this.layers(Number.POSITIVE_INFINITY)) {
      if (!(source instanceof Trees)) {
        for (const { storage, index, firstKey, lastKey } of source.sections()) {
          yield { storage, index, keys: [], span: [bytesToLatin1(firstKey), bytesToLatin1(lastKey)] };
        }
        continue;
      }
      for (const { storage, index, tree } of source.all()) {
        yield { storage, index, keys: Array.from(tree.entries(), ([key]) => key), span: null };
      }
    }
  }
}

/** `span`: somewhere from the first key to the last. */
export type Written = {
  readonly storage: StorageId;
  readonly index: IndexId;
  readonly keys: readonly string[];
  readonly span: readonly [first: string, last: string] | null;
};

function pendingRow(
  layout: TableLayout,
  row: readonly Datum[] | null,
  before: readonly Datum[] | null,
  timestamp: number,
  isRestated = false,
): Version {
  return { timestamp, older: null, kind: 'pending', layout, row, before, isRestated };
}

/** Bytes of a row of datums in memory, about. */
function rowSize(row: readonly Datum[] | null): number {
  if (row === null) return 0;
  let bytes = 16 + row.length * 8;
  for (const datum of row) bytes += datumSize(datum);
  return bytes;
}

function datumSize(datum: Datum): number {
  if (typeof datum === 'string') return 16 + datum.length;
  if (datum === null || typeof datum !== 'object') return 8;
  if (datum instanceof Uint8Array || datum instanceof Float32Array) return 96 + datum.byteLength;
  if (datum instanceof SqlArray) return 64 + rowSize(datum.items);
  return 64;
}
