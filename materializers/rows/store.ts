import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp } from '../../base/hlc.ts';
import { type IndexId, indexId, type StorageId, type Timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import {
  type FoundRow,
  type KeyRange,
  keyPseudoColumn,
  type ReadView,
  type RowReader,
  type Scan,
  type ScanRequest,
  versionPseudoColumn,
} from './contract.ts';
import { emptyScan, IndexScan } from './index-scan.ts';
import type { RowKey } from './key.ts';
import type { Trees } from './memtable.ts';
import { ChainScan, MergeScan, SingleScan } from './merge-scan.ts';
import { Overlay, type PendingLayer } from './overlay.ts';
import { type RunColumn, type RunScan, runColumns } from './run.ts';
import { getFromRun, runOverlaps, type SectionRun, SectionRunScan } from './section-run.ts';
import { hashKey } from './sstable/bloom.ts';
import type { FoundVersion } from './sstable/section.ts';
import type { Tree } from './tree.ts';
import { TreeScan } from './tree-scan.ts';
import { isDeleted, type Version, VersionReader, versionNumber, visibleVersion } from './version.ts';

/**
 * The files of one moment. Each run's versions are newer than those of the runs after it, for every key that
 * both have. Readers hold a set while they may need its pages.
 */
export type FileSet = {
  runs(storage: StorageId, index: IndexId): readonly SectionRun[];
  /** Versions below it may be gone. */
  horizon(storage: StorageId): number;
  hold(): void;
  release(): void;
};

/** What a read sees: memtables, newest first, above the files. */
export type StoreState = { readonly memtables: readonly Trees[]; readonly files: FileSet };

const primary = indexId(0);
const noColumns: readonly RunColumn[] = [];

/**
 * Reads over memtables and files, with a transaction's overlay on top. A read works on the state in which it
 * began; what is folded meanwhile is newer than its view.
 */
export class RowStore implements RowReader {
  #state: StoreState;

  constructor(state: StoreState) {
    this.#state = state;
  }

  get state(): StoreState {
    return this.#state;
  }
  set state(state: StoreState) {
    this.#state = state;
  }

  scan(request: ScanRequest): Scan {
    const { layout, index: id } = request;
    const state = this.#state;
    this.#checkHorizon(layout.storage, request.view.at);
    const sight = sightOf(request.view);
    if (id === primary)
      return heldScan(rangesScan(state, sight, request, runColumns(layout, request.columns)), state);
    const index = layout.indexes.find((each) => each.id === id);
    invariant(index !== undefined, `table ${layout.table} has index ${id}`);
    const keyColumn = runColumns(layout, [keyPseudoColumn]);
    const entries = rangesScan(state, sight, { ...request, zones: [] }, keyColumn);
    const lookup = (key: Uint8Array) => getFrom(state, layout, key, sight, request.columns);
    const columns = runColumns(layout, request.columns);
    return heldScan(new IndexScan(entries, index, columns, lookup, request.rowsWanted), state);
  }

  /** The entries of an index as they are at a timestamp: batches of one column, their keys. */
  entries(layout: TableLayout, index: IndexId, at: Timestamp): Scan {
    const state = this.#state;
    this.#checkHorizon(layout.storage, at);
    const view: ReadView = { at, pending: null };
    const ranges = [{ from: null, to: null }];
    const columns = [keyPseudoColumn];
    const request = { layout, index, ranges, reverse: false, view, columns, zones: [], rowsWanted: null };
    return heldScan(rangesScan(state, sightOf(view), request, runColumns(layout, columns)), state);
  }

  get(
    layout: TableLayout,
    key: Uint8Array,
    view: ReadView,
    columns: readonly number[],
  ): FoundRow | null | Promise<FoundRow | null> {
    const state = this.#state;
    this.#checkHorizon(layout.storage, view.at);
    const found = getFrom(state, layout, key, sightOf(view), columns);
    if (!(found instanceof Promise)) return found;
    state.files.hold();
    return found.finally(() => state.files.release());
  }

  has(layout: TableLayout, key: RowKey, view: ReadView): boolean | Promise<boolean> {
    const state = this.#state;
    const { at } = view;
    const { storage } = layout;
    this.#checkHorizon(storage, at);
    const version =
      overlayOf(view)?.find(storage, key.text, view.pending!.command - 1) ??
      findInMemory(state, storage, key.text, at, nothing);
    if (version !== null) return !isDeleted(version);
    const runs = state.files.runs(storage, primary);
    if (runs.length === 0) return false;
    const { bytes } = key;
    const found = getFromRuns(runs, 0, bytes, hashKey(bytes), at, noColumns);
    if (!(found instanceof Promise)) return found !== null;
    state.files.hold();
    return found.then((row) => row !== null).finally(() => state.files.release());
  }

  estimate(storage: StorageId): { readonly rows: number; readonly bytes: number } {
    const { memtables, files } = this.#state;
    let rows = 0;
    let bytes = 0;
    for (const memtable of memtables) {
      const count = memtable.get(storage, primary)?.versionCount ?? 0;
      rows += count;
      bytes += count * 100;
    }
    for (const section of files.runs(storage, primary).flat()) {
      rows += Math.max(0, section.rowCount - 2 * section.deletedCount);
      bytes += section.byteLength;
    }
    return { rows, bytes };
  }

  estimateRange(layout: TableLayout, index: IndexId, ranges: readonly KeyRange[]): number {
    const { memtables, files } = this.#state;
    let rows = 0;
    for (const { from, to } of ranges) {
      for (const memtable of memtables) {
        rows += memtable.get(layout.storage, index)?.estimate(latin1(from), latin1(to)) ?? 0;
      }
      for (const section of files.runs(layout.storage, index).flat()) rows += section.estimateRows(from, to);
    }
    return rows;
  }

  #checkHorizon(storage: StorageId, at: Timestamp): void {
    const horizon = this.#state.files.horizon(storage);
    if (at >= horizon) return;
    const [read, kept] = [at, horizon].map((each) =>
      new Date(msOfTimestamp(each as Timestamp)).toISOString(),
    );
    throw new AlopexError('snapshot_too_old', 'snapshot too old', {
      detail: `The statement reads at ${read}, and what was changed before ${kept} is no longer retained.`,
      hint: "ALTER TABLE … SET (alopex.history = '7d') keeps a table's history longer.",
    });
  }
}

function latin1(key: Uint8Array | null): string | null {
  return key === null ? null : bytesToLatin1(key);
}

/** What one read sees, for as long as it goes on. */
type Sight = { readonly at: Timestamp; readonly pending: readonly PendingLayer[] };

const nothing: readonly PendingLayer[] = [];

function sightOf(view: ReadView): Sight {
  const pending = overlayOf(view)?.layers(view.pending!.command - 1) ?? nothing;
  return { at: view.at, pending };
}

function overlayOf({ pending }: ReadView): Overlay | null {
  if (pending === null) return null;
  invariant(pending.rows instanceof Overlay, 'pending rows are an overlay');
  return pending.rows;
}

/** Holds the files until the scan is closed or at its end. */
function heldScan(scan: Scan, { files }: StoreState): Scan {
  files.hold();
  let isHeld = true;
  const release = (): void => {
    if (!isHeld) return;
    isHeld = false;
    files.release();
  };
  return {
    next: () => {
      const batch = scan.next();
      if (batch === null) release();
      return batch;
    },
    close: () => {
      scan.close();
      release();
    },
  };
}

function rangesScan(
  state: StoreState,
  sight: Sight,
  request: ScanRequest,
  columns: readonly RunColumn[],
): Scan {
  const { ranges, reverse } = request;
  if (ranges.length === 1) return rangeScan(state, sight, request, columns, ranges[0]!);
  return new ChainScan((place) => {
    const range = ranges[reverse ? ranges.length - 1 - place : place];
    return range === undefined ? null : rangeScan(state, sight, request, columns, range);
  });
}

function rangeScan(
  state: StoreState,
  { at, pending }: Sight,
  request: ScanRequest,
  columns: readonly RunColumn[],
  { from, to }: KeyRange,
): Scan {
  const { layout, index, reverse, zones, rowsWanted } = request;
  const fromText = latin1(from);
  const toText = latin1(to);
  if (fromText !== null && toText !== null && fromText >= toText) return emptyScan;
  const trees: { readonly tree: Tree; readonly at: number }[] = [];
  const addTree = (tree: Tree | null, newest: number): void => {
    if (tree?.overlaps(fromText, toText) === true) trees.push({ tree, at: newest });
  };
  for (const layer of pending) addTree(layer.trees.get(layout.storage, index), layer.at);
  for (const memtable of state.memtables) addTree(memtable.get(layout.storage, index), at);
  const runs = state.files.runs(layout.storage, index).filter((run) => runOverlaps(run, from, to));
  const withKeys = trees.length + runs.length > 1;
  const scans: RunScan[] = trees.map(
    ({ tree, at }) => new TreeScan({ tree, from: fromText, to: toText, reverse, at, columns, withKeys }),
  );
  for (const run of runs) {
    const options = { run, from, to, reverse, at, columns, zones, withKeys, rowsWanted };
    scans.push(new SectionRunScan(options));
  }
  if (scans.length === 0) return emptyScan;
  if (scans.length === 1) return new SingleScan(scans[0]!, columns, reverse);
  return new MergeScan(scans, columns, reverse, rowsWanted);
}

function getFrom(
  state: StoreState,
  layout: TableLayout,
  key: Uint8Array,
  sight: Sight,
  ids: readonly number[],
): FoundRow | null | Promise<FoundRow | null> {
  const { at, pending } = sight;
  const isInMemory =
    pending.length > 0 || state.memtables.some((each) => each.get(layout.storage, primary) !== null);
  const version = isInMemory ? findInMemory(state, layout.storage, bytesToLatin1(key), at, pending) : null;
  if (version !== null) return isDeleted(version) ? null : readVersion(layout, key, version, ids);
  const runs = state.files.runs(layout.storage, primary);
  if (runs.length === 0) return null;
  const columns = runColumns(layout, ids);
  return getFromRuns(runs, 0, key, hashKey(key), at, columns);
}

function findInMemory(
  { memtables }: StoreState,
  storage: StorageId,
  key: string,
  at: Timestamp,
  pending: readonly PendingLayer[],
): Version | null {
  for (const layer of pending) {
    const version = visibleVersion(layer.trees.get(storage, primary)?.get(key) ?? null, layer.at);
    if (version !== null) return version;
  }
  for (const memtable of memtables) {
    const version = visibleVersion(memtable.get(storage, primary)?.get(key) ?? null, at);
    if (version !== null) return version;
  }
  return null;
}

const ownOf = new WeakMap<readonly number[], readonly number[]>();

/** The columns that are no pseudo columns; the same array each time, for what is known of a run goes by it. */
function ownColumns(ids: readonly number[]): readonly number[] {
  let own = ownOf.get(ids);
  if (own === undefined) {
    own = ids.filter((id) => id >= 0);
    ownOf.set(ids, own);
  }
  return own;
}

function readVersion(
  layout: TableLayout,
  key: Uint8Array,
  version: Version,
  ids: readonly number[],
): FoundRow {
  const own = ownColumns(ids);
  const values = new VersionReader(runColumns(layout, own)).read(version);
  const number = versionNumber(version);
  if (own.length === ids.length) return { values, version: number };
  let place = 0;
  const all = ids.map((id): Datum => {
    if (id === keyPseudoColumn) return key;
    return id === versionPseudoColumn ? number : values[place++]!;
  });
  return { values: all, version: number };
}

function getFromRuns(
  runs: readonly SectionRun[],
  start: number,
  key: Uint8Array,
  hash: number,
  at: Timestamp,
  columns: readonly RunColumn[],
): FoundRow | null | Promise<FoundRow | null> {
  for (let place = start; place < runs.length; place++) {
    const found = getFromRun(runs[place]!, key, hash, at, columns);
    if (found instanceof Promise) {
      return found.then((version) =>
        version === null ? getFromRuns(runs, place + 1, key, hash, at, columns) : foundRow(version),
      );
    }
    if (found !== null) return foundRow(found);
  }
  return null;
}

function foundRow(version: FoundVersion): FoundRow | null {
  return version.deleted ? null : { values: version.values, version: version.timestamp };
}
