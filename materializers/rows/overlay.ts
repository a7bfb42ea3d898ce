import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { type IndexId, indexId, type StorageId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';
import type { Operation } from '../../log/events/event.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import type { PendingRows } from './contract.ts';
import { indexKeyOf } from './key.ts';
import { Trees } from './memtable.ts';
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

/** What a transaction has in the log before its marker, folded: `newest` is the timestamp of the last batch's versions. */
export type SpilledRun = { readonly trees: Trees; readonly newest: number };

/** Rows that a reader merges: the versions at or below `at`. */
export type PendingLayer = { readonly trees: Trees; readonly at: number };

/** Timestamps of spilled versions lie below it, numbers of commands (negated) above. */
const spilledBelow = -(2 ** 39);

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
  #spilled: Trees | null = null;
  /** After each spill: up to which of its versions commands to `command` wrote. */
  #spills: readonly { readonly command: number; readonly newest: number }[] = noSpills;

  get isEmpty(): boolean {
    return this.#spilled === null && this.#trees.isEmpty;
  }

  /** Bytes of rows that are not spilled, about. */
  get heldBytes(): number {
    return this.#trees.sizeBytes;
  }

  /** What commands up to `command` wrote, newest first. It stays as it is when the rows are spilled. */
  layers(command: number): readonly PendingLayer[] {
    const newest = { trees: this.#trees, at: command };
    return this.#spilled === null
      ? [newest]
      : [newest, { trees: this.#spilled, at: this.#spilledAt(command) }];
  }

  #spilledAt(command: number): number {
    const spill = this.#spills.findLast((each) => each.command <= command);
    return spill === undefined ? Number.NEGATIVE_INFINITY : spill.newest;
  }

  /** Whether a version, as the version pseudo column has it, was written by this command. */
  isOfCommand(version: number, command: number): boolean {
    if (version === -command) return true;
    return version < spilledBelow && version > this.#spilledAt(command - 1);
  }

  /** The log has what commands up to `command` wrote. Once it has all, `forgetSpilled` frees the rows here. */
  noteSpilled(run: SpilledRun, command: number): void {
    this.#spilled = run.trees;
    this.#spills = [...this.#spills, { command, newest: run.newest }];
  }

  forgetSpilled(): void {
    this.#trees = new Trees();
    if (this.#journal !== null) this.#journal = [];
  }

  /** No command before it has rows that are not spilled; null where none has. */
  get firstCommand(): number | null {
    return this.#trees.isEmpty ? null : this.#firstCommand;
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

  /** A row's newest version that commands up to `command` wrote. */
  find(storage: StorageId, key: string, command: number): Version | null {
    const newest = visibleVersion(this.#trees.get(storage, primary)?.get(key) ?? null, command);
    if (newest !== null || this.#spilled === null) return newest;
    return visibleVersion(this.#spilled.get(storage, primary)?.get(key) ?? null, this.#spilledAt(command));
  }

  /** Whether this or an earlier command wrote the row. */
  isTouched(layout: TableLayout, key: string, command: number): boolean {
    return this.find(layout.storage, key, command) !== null;
  }

  /** What is written from now on can be rolled back to here. */
  startJournal(): void {
    this.#journal ??= [];
  }

  /** Whether rows of a storage were written, and perhaps taken back. */
  hasRows(storage: StorageId): boolean {
    return this.layers(Number.POSITIVE_INFINITY).some(({ trees }) => trees.get(storage, primary) !== null);
  }

  /** Forgets what this command and later ones wrote; the journal was begun before. */
  rollbackTo(command: number): void {
    const journal = this.#journal;
    invariant(journal !== null, 'a savepoint begins the journal');
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

  /** Keys of rows and index entries that were written, as latin1 text. */
  *writtenKeys(): Iterable<Written> {
    const keys = new Map<string, Written>();
    for (const { trees } of this.layers(Number.POSITIVE_INFINITY)) {
      for (const { storage, index, tree } of trees.all()) {
        const name = `${storage}/${index}`;
        const written = keys.get(name) ?? { storage, index, keys: [] };
        for (const [key] of tree.entries()) written.keys.push(key);
        keys.set(name, written);
      }
    }
    yield* keys.values();
  }
}

type Written = { readonly storage: StorageId; readonly index: IndexId; readonly keys: string[] };

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
