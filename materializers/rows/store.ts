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
import { RowKey } from './key.ts';
import { Trees } from './memtable.ts';
import { ChainScan, MergeScan, SingleScan } from './merge-scan.ts';
import { Overlay, type PendingLayer } from './overlay.ts';
import { type RunColumn, type RunScan, runColumns } from './run.ts';
import { getFromRun, runOverlaps, type SectionRun, SectionRunScan } from './section-run.ts';
import { hashKey } from './sstable/bloom.ts';
import type { FoundVersion, SstableSection } from './sstable/section.ts';
import type { Tree } from './tree.ts';
import { TreeScan } from './tree-scan.ts';
import { isDeleted, type Version, VersionReader, versionNumber, visibleVersion } from './version.ts';

/**
 * The files of one moment. Each run's versions are newer than those of the runs after it, for every key that
 * both have. Readers hold a set while they may need its pages.
 */
export type FileSet = {
  runs(storage: StorageId, index: IndexId): readonly SectionRun[];
  sections(): readonly SstableSection[];
  /** Versions below it may be gone. */
  horizon(storage: StorageId): number;
  hold(): void;
  release(): void;
};

/** A memtable, or files of a transaction that no manifest names yet. */
export type Layer = Trees | FileSet;

/** What a read sees: layers, newest first, above the files. */
export type StoreState = { readonly layers: readonly Layer[]; readonly files: FileSet };

/** What a reader sees beside its own rows where it asks for these alone. */
const nothingCommitted: StoreState = {
  layers: [],
  files: { runs: () => [], sections: () => [], horizon: () => 0, hold: () => {}, release: () => {} },
};

const primary = indexId(0);
const noColumns: readonly RunColumn[] = [];

/**
 * Reads over layers and files, with a transaction's own rows on top. A read works on the state in which it
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
      return heldScan(rangesScan(state, sight, request, runColumns(layout, request.columns)), state, sight);
    const index = layout.indexes.find((each) => each.id === id);
    invariant(index !== undefined, `table ${layout.table} has index ${id}`);
    const keyColumn = runColumns(layout, [keyPseudoColumn]);
    const entries = rangesScan(state, sight, { ...request, zones: [] }, keyColumn);
    const lookup = (key: Uint8Array) => getFrom(state, layout, key, sight, request.columns);
    const columns = runColumns(layout, request.columns);
    return heldScan(new IndexScan(entries, index, columns, lookup, request.rowsWanted), state, sight);
  }

  /** The entries of an index as they are at a timestamp: batches of one column, their keys. */
  entries(layout: TableLayout, index: IndexId, at: Timestamp): Scan {
    const state = this.#state;
    this.#checkHorizon(layout.storage, at);
    const view: ReadView = { at, pending: null };
    const ranges = [{ from: null, to: null }];
    const columns = [keyPseudoColumn];
    const request = { layout, index, ranges, reverse: false, view, columns, zones: [], rowsWanted: null };
    const sight = sightOf(view);
    return heldScan(rangesScan(state, sight, request, runColumns(layout, columns)), state, sight);
  }

  get(
    layout: TableLayout,
    key: Uint8Array,
    view: ReadView,
    columns: readonly number[],
  ): FoundRow | null | Promise<FoundRow | null> {
    const state = this.#state;
    this.#checkHorizon(layout.storage, view.at);
    const sight = sightOf(view);
    const found = getFrom(state, layout, key, sight, columns);
    return found instanceof Promise ? whileHeld(found, state, sight) : found;
  }

  has(layout: TableLayout, key: RowKey, view: ReadView): boolean | Promise<boolean> {
    const state = this.#state;
    const overlay = overlayOf(view);
    const { storage } = layout;
    this.#checkHorizon(storage, view.at);
    const command = (view.pending?.command ?? 0) - 1;
    const held = overlay?.findHeld(storage, key.text, command) ?? null;
    if (held !== null) return !isDeleted(held);
    const sight = { at: view.at, pending: overlay?.spilledLayers(command) ?? nothing };
    const found = find(state, sight, 0, storage, key, noColumns);
    return found instanceof Promise ? whileHeld(found, state, sight).then(isThere) : isThere(found);
  }

  isTouched(layout: TableLayout, key: RowKey, view: ReadView): boolean | Promise<boolean> {
    const sight = sightOf(view);
    const found = find(nothingCommitted, sight, 0, layout.storage, key, noColumns);
    if (!(found instanceof Promise)) return found !== null;
    return whileHeld(found, nothingCommitted, sight).then((version) => version !== null);
  }

  estimate(storage: StorageId): { readonly rows: number; readonly bytes: number } {
    const { layers, files } = this.#state;
    let rows = 0;
    let bytes = 0;
    for (const layer of [...layers, files]) {
      if (layer instanceof Trees) {
        const count = layer.get(storage, primary)?.versionCount ?? 0;
        rows += count;
        bytes += count * 100;
        continue;
      }
      for (const section of layer.runs(storage, primary).flat()) {
        rows += Math.max(0, section.rowCount - 2 * section.deletedCount);
        bytes += section.byteLength;
      }
    }
    return { rows, bytes };
  }

  estimateRange(layout: TableLayout, index: IndexId, ranges: readonly KeyRange[]): number {
    const { layers, files } = this.#state;
    let rows = 0;
    for (const { from, to } of ranges) {
      for (const layer of [...layers, files]) {
        if (layer instanceof Trees) {
          rows += layer.get(layout.storage, index)?.estimate(latin1(from), latin1(to)) ?? 0;
          continue;
        }
        for (const section of layer.runs(layout.storage, index).flat())
          rows += section.estimateRows(from, to);
      }
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

/** Layers and files, newest first, each with what is seen of it. */
function* sourcesIn({ layers, files }: StoreState, { at, pending }: Sight): Generator<PendingLayer> {
  yield* pending;
  for (const source of layers) yield { source, at };
  yield { source: files, at };
}

/** Holds the files that a read may need. Returns what lets go of them. */
function hold(state: StoreState, sight: Sight): () => void {
  const sets: FileSet[] = [];
  for (const { source } of sourcesIn(state, sight)) if (!(source instanceof Trees)) sets.push(source);
  for (const set of sets) set.hold();
  return () => {
    for (const set of sets.splice(0)) set.release();
  };
}

async function whileHeld<Result>(read: Promise<Result>, state: StoreState, sight: Sight): Promise<Result> {
  const release = hold(state, sight);
  try {
    return await read;
  } finally {
    release();
  }
}

/** Holds the files until the scan is closed or at its end. */
function heldScan(scan: Scan, state: StoreState, sight: Sight): Scan {
  const release = hold(state, sight);
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

type TreeSource = { readonly tree: Tree; readonly at: number };
type RunSource = { readonly run: SectionRun; readonly at: number };

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
  const sources: (TreeSource | RunSource)[] = [];
  for (const { source, at: newest } of sourcesIn(state, { at, pending })) {
    if (source instanceof Trees) {
      const tree = source.get(layout.storage, index);
      if (tree?.overlaps(fromText, toText) === true) sources.push({ tree, at: newest });
      continue;
    }
    for (const run of source.runs(layout.storage, index))
      if (runOverlaps(run, from, to)) sources.push({ run, at: newest });
  }
  const withKeys = sources.length > 1;
  const scans = sources.map((source): RunScan => {
    const options = { at: source.at as Timestamp, reverse, columns, withKeys };
    if ('tree' in source) return new TreeScan({ ...options, tree: source.tree, from: fromText, to: toText });
    return new SectionRunScan({ ...options, run: source.run, from, to, zones, rowsWanted });
  });
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
  const { storage } = layout;
  const isInMemory =
    sight.pending.length > 0 ||
    state.layers.some((each) => each instanceof Trees && each.get(storage, primary) !== null);
  const rowKey = new RowKey(isInMemory ? bytesToLatin1(key) : '', key);
  const found = find(state, sight, 0, storage, rowKey, runColumns(layout, ids));
  return found instanceof Promise
    ? found.then((version) => foundRow(layout, key, version, ids))
    : foundRow(layout, key, found, ids);
}

/** In memory, or in a file. */
type Found = Version | FoundVersion | null;

/** The newest version that a read sees, among its sources from the one at `start` on: pending, committed, in files. */
function find(
  state: StoreState,
  sight: Sight,
  start: number,
  storage: StorageId,
  key: RowKey,
  columns: readonly RunColumn[],
): Found | Promise<Found> {
  const { pending } = sight;
  const { layers, files } = state;
  const end = pending.length + layers.length;
  for (let place = start; place <= end; place++) {
    const own = pending[place];
    const source = own?.source ?? layers[place - pending.length] ?? files;
    const at = own?.at ?? sight.at;
    if (source instanceof Trees) {
      const version = visibleVersion(source.get(storage, primary)?.get(key.text) ?? null, at);
      if (version !== null) return version;
      continue;
    }
    const runs = source.runs(storage, primary);
    if (runs.length === 0) continue;
    const found = findInRuns(runs, 0, key.bytes, hashKey(key.bytes), at as Timestamp, columns);
    if (found instanceof Promise) {
      return found.then((version) => version ?? find(state, sight, place + 1, storage, key, columns));
    }
    if (found !== null) return found;
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

function findInRuns(
  runs: readonly SectionRun[],
  start: number,
  key: Uint8Array,
  hash: number,
  at: Timestamp,
  columns: readonly RunColumn[],
): FoundVersion | null | Promise<FoundVersion | null> {
  for (let place = start; place < runs.length; place++) {
    const found = getFromRun(runs[place]!, key, hash, at, columns);
    if (found instanceof Promise) {
      return found.then((version) => version ?? findInRuns(runs, place + 1, key, hash, at, columns));
    }
    if (found !== null) return found;
  }
  return null;
}

function isThere(found: Found): boolean {
  if (found === null) return false;
  return 'kind' in found ? !isDeleted(found) : !found.deleted;
}

function foundRow(
  layout: TableLayout,
  key: Uint8Array,
  found: Found,
  ids: readonly number[],
): FoundRow | null {
  if (found === null || !isThere(found)) return null;
  if ('kind' in found) return readVersion(layout, key, found, ids);
  return { values: found.values, version: found.timestamp };
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
