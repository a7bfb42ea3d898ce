import { equalBytes, prefixEnd } from '../../base/bytes/compare.ts';
import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import type { AlopexError } from '../../base/errors.ts';
import { indexId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { IndexLayout, TableLayout } from '../../log/events/layout.ts';
import { keyPseudoColumn, type RowReader } from '../../materializers/rows/contract.ts';
import { indexPrefixOf, RowKey } from '../../materializers/rows/key.ts';
import type { RelationDefinition } from '../catalog/definition.ts';
import type { FunctionContext } from '../types/function.ts';
import type { RowLockMode } from './locks.ts';
import type { Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';
import { notNullViolation, uniqueViolation } from './violations.ts';

type Row = readonly Datum[];

const primary = indexId(0);

export function keyOfBytes(bytes: Uint8Array): RowKey {
  return new RowKey(bytesToLatin1(bytes), bytes);
}

/** The newest version of a row that a writer may base its change on. */
export type Current = { readonly values: Row; readonly version: number };

/** A writer's locks, its reads of what is newest, and the constraints that these two uphold. */
export class RowAccess {
  readonly #transactions: Transactions;
  readonly #transaction: Transaction;
  readonly #reader: RowReader;
  /** How values look in errors. */
  readonly #functions: FunctionContext;

  constructor(
    transactions: Transactions,
    transaction: Transaction,
    reader: RowReader,
    functions: FunctionContext,
  ) {
    this.#transactions = transactions;
    this.#transaction = transaction;
    this.#reader = reader;
    this.#functions = functions;
  }

  /** Null: held now. */
  lockRow(layout: TableLayout, key: RowKey, mode: RowLockMode, nowait = false): Promise<void> | null {
    return this.#transactions.locks.lockEntry(this.#transaction, layout, primary, key.text, mode, nowait);
  }

  #lockEntry(layout: TableLayout, index: IndexLayout, prefix: Uint8Array): Promise<void> | null {
    const text = bytesToLatin1(prefix);
    return this.#transactions.locks.lockEntry(this.#transaction, layout, index.id, text, 'update');
  }

  /** Whether a key has a row: committed by anybody, or pending here. */
  has(layout: TableLayout, key: RowKey): boolean | Promise<boolean> {
    return this.#reader.has(layout, key, this.#transactions.newestView(this.#transaction));
  }

  /** Whether the transaction itself has written the row. */
  isTouched(layout: TableLayout, key: RowKey): boolean | Promise<boolean> {
    if (this.#transaction.pending.isEmpty) return false;
    const view = this.#transactions.newestView(this.#transaction);
    return this.#reader.isTouched(layout, key, view);
  }

  /** The newest row of a key: committed by anybody, or pending here. */
  newest(layout: TableLayout, key: RowKey): Current | null | Promise<Current | null> {
    return this.#reader.get(
      layout,
      key.bytes,
      this.#transactions.newestView(this.#transaction),
      columnIds(layout),
    );
  }

  /** Claims an entry of a unique index; the primary key of the row that has it, committed or pending, or null. */
  async claim(layout: TableLayout, index: IndexLayout, prefix: Uint8Array): Promise<Uint8Array | null> {
    const locked = this.#lockEntry(layout, index, prefix);
    if (locked !== null) await locked;
    const scan = this.#reader.scan({
      layout,
      index: index.id,
      ranges: [{ from: prefix, to: prefixEnd(prefix) }],
      reverse: false,
      view: this.#transactions.newestView(this.#transaction),
      columns: [keyPseudoColumn],
      zones: [],
      rowsWanted: 1,
    });
    try {
      for (;;) {
        const batch = scan.next();
        if (batch instanceof Promise) {
          await batch;
          continue;
        }
        if (batch === null) return null;
        const row = batch.selection === null ? 0 : batch.selection[0];
        if (batch.rowCount === 0 || row === undefined) continue;
        const column = batch.columns[0]!;
        return column.kind === 'datum' ? (column.values[row] as Uint8Array) : null;
      }
    } finally {
      scan.close();
    }
  }

  /**
   * Claims the unique entries of a new row, and refuses those that another row has. `previous` is the row that it
   * replaces: the entries that this one frees are locked too, so that who wants them waits for the outcome.
   */
  async claimAll(table: RelationDefinition, key: RowKey, row: Row, previous: Row | null): Promise<void> {
    const { layout } = table;
    for (const index of uniqueIndexes(layout)) {
      const prefix = indexPrefixOf(layout, index, row);
      const freed = previous === null ? null : indexPrefixOf(layout, index, previous);
      if (prefix !== null && freed !== null && equalBytes(freed, prefix)) continue;
      if (freed !== null) await this.#free(layout, index, freed);
      if (prefix === null) continue;
      const owner = await this.claim(layout, index, prefix);
      if (owner !== null && !equalBytes(owner, key.bytes)) throw this.uniqueViolation(table, index, row);
    }
  }

  /** Locks the unique entries of a row that goes. */
  async freeAll({ layout }: RelationDefinition, row: Row): Promise<void> {
    for (const index of uniqueIndexes(layout)) {
      const prefix = indexPrefixOf(layout, index, row);
      if (prefix !== null) await this.#free(layout, index, prefix);
    }
  }

  async #free(layout: TableLayout, index: IndexLayout, prefix: Uint8Array): Promise<void> {
    const locked = this.#lockEntry(layout, index, prefix);
    if (locked !== null) await locked;
  }

  uniqueViolation(table: RelationDefinition, index: IndexLayout | null, row: Row): AlopexError {
    const name =
      index === null ? table.primaryKey?.name : this.#transactions.indexName(this.#transaction, index.id);
    return uniqueViolation(table, index, name ?? table.name, row, this.#functions);
  }

  checkNotNull(table: RelationDefinition, row: Row): void {
    for (let place = 0; place < row.length; place++) {
      if (row[place] !== null) continue;
      const column = table.columns[table.layout.columns[place]!.id - 1]!;
      if (column.notNull) throw notNullViolation(table, column, row, this.#functions);
    }
  }
}

const noIndexes: readonly IndexLayout[] = [];

/** Those that writers check: an index in its first state gets no entries yet. */
export function uniqueIndexes({ indexes }: TableLayout): readonly IndexLayout[] {
  return indexes.length === 0
    ? noIndexes
    : indexes.filter((index) => index.unique && index.state !== 'delete-only');
}

const idsOfLayouts = new WeakMap<TableLayout, readonly number[]>();

function columnIds(layout: TableLayout): readonly number[] {
  let ids = idsOfLayouts.get(layout);
  if (ids === undefined) {
    ids = layout.columns.map((column) => column.id);
    idsOfLayouts.set(layout, ids);
  }
  return ids;
}
