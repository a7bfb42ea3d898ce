import { bytesToLatin1 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import { unreachable } from '../../../base/unreachable.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { IndexLayout, TableLayout } from '../../../log/events/layout.ts';
import { sequencesLayout } from '../../../log/events/system.ts';
import { indexPrefixOf, primaryKeyTextOf } from '../../../materializers/rows/key.ts';
import type { DdlEffect } from '../../../query/catalog/ddl/context.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import { changeCatalog } from '../../../query/txn/catalog-changes.ts';
import { notePending, type Transaction } from '../../../query/txn/transaction.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import { tableRows } from '../table-rows.ts';
import { addedValues } from './defaults.ts';
import { duplicateKey } from './duplicate-key.ts';
import { requireUniqueEntries } from './unique-entries.ts';

type Row = readonly Datum[];
type Effect<K extends DdlEffect['kind']> = Extract<DdlEffect, { readonly kind: K }>;

/** What a DDL statement brings with it, in the same transaction. The tables are locked against writers. */
export async function applyEffect(
  session: EngineSession,
  run: StatementRun,
  effect: DdlEffect,
): Promise<void> {
  switch (effect.kind) {
    case 'backfill-index':
      return backfillIndex(session, run, effect);
    case 'validate-not-null':
      return validateNotNull(session, run, effect);
    case 'rewrite-table':
      return rewriteTable(session, run, effect);
    case 'drop-storage':
      return;
    case 'set-sequence':
    case 'drop-sequence':
      return changeSequence(session, run, effect);
    default:
      return unreachable(effect);
  }
}

/** The rows of a layout as the transaction sees them now; between batches others run, and a cancel is seen. */
async function* currentRows(
  session: EngineSession,
  run: StatementRun,
  layout: TableLayout,
): AsyncIterable<readonly Row[]> {
  const { reader, transactions } = session.engine;
  for await (const rows of tableRows(reader, layout, transactions.newestView(run.transaction))) {
    run.checkCancelled();
    yield rows;
    const slice = run.slice();
    if (slice !== null) await slice;
  }
}

function currentTable(session: EngineSession, id: number): RelationDefinition {
  const table = session.catalog.byId(id);
  if (table?.kind === 'table') return table;
  throw new AlopexError('internal_error', `table ${id} is not in the catalog`);
}

/** Makes a new index public, with the entries of the rows that are there. */
async function backfillIndex(
  session: EngineSession,
  run: StatementRun,
  effect: Effect<'backfill-index'>,
): Promise<void> {
  const { transaction } = run;
  const table = currentTable(session, effect.table);
  const indexes = table.layout.indexes.map(
    (index): IndexLayout => (index.id === effect.index ? { ...index, state: 'public' } : index),
  );
  const layout: TableLayout = { ...table.layout, indexes };
  changeCatalog(transaction, [{ kind: 'put', object: { ...table, layout } }]);
  const index = indexes.find((one) => one.id === effect.index)!;
  if (isBuiltInFiles(session, transaction, layout)) {
    await buildInFiles(session, run, { ...table, layout }, index);
    return;
  }
  const uniqueness = new UniqueCheck(session, table, layout, index);
  for await (const rows of currentRows(session, run, { ...layout, indexes: [] })) {
    for (const row of rows) {
      if (index.unique) uniqueness.add(row);
      transaction.pending.restate(layout, primaryKeyTextOf(layout, row), row, transaction.command);
    }
    await keepPendingSmall(session, run);
  }
}

/**
 * Not for what the transaction itself wrote, nor for a snapshot that it has kept: it may show rows that are no more.
 * Few rows are written again in less time.
 */
function isBuiltInFiles({ engine }: EngineSession, transaction: Transaction, layout: TableLayout): boolean {
  const { storage } = layout;
  return (
    transaction.snapshot === null &&
    !transaction.pending.hasRows(storage) &&
    engine.reader.estimate(storage).rows > engine.limits.smallTableRows
  );
}

/** Nobody writes to the table until the transaction ends, so the files have all that there is. */
async function buildInFiles(
  session: EngineSession,
  run: StatementRun,
  table: RelationDefinition,
  index: IndexLayout,
): Promise<void> {
  const { rows, indexBuilds } = session.engine;
  const { transaction } = run;
  const { layout } = table;
  transaction.followers.push({
    command: transaction.command,
    commit: () => rows.indexFiles.endNew(index.id),
    abort: () => {
      rows.indexFiles.endNew(index.id);
      void indexBuilds.dropFiles(layout.storage, index.id);
    },
  });
  await indexBuilds.track(rows.indexFiles.buildNew(layout, index, () => run.checkCancelled()));
  if (index.unique) await requireUniqueEntries(session, run, table, index);
}

async function keepPendingSmall(session: EngineSession, { transaction }: StatementRun): Promise<void> {
  const { transactions } = session.engine;
  const spilled = transactions.spillWhereDue(transaction);
  if (spilled !== null) await spilled;
  notePending(transaction);
}

/** Finds two rows with the same key while all are read. */
class UniqueCheck {
  readonly #seen = new Set<string>();
  readonly #session: EngineSession;
  readonly #table: RelationDefinition;
  readonly #layout: TableLayout;
  readonly #index: IndexLayout | null;

  constructor(
    session: EngineSession,
    table: RelationDefinition,
    layout: TableLayout,
    index: IndexLayout | null,
  ) {
    this.#session = session;
    this.#table = table;
    this.#layout = layout;
    this.#index = index;
  }

  add(row: Row): void {
    const text = this.#keyOf(row);
    if (text === null) return;
    if (this.#seen.has(text)) throw duplicateKey(this.#session, this.#table, this.#index, row);
    this.#seen.add(text);
  }

  #keyOf(row: Row): string | null {
    if (this.#index === null) return primaryKeyTextOf(this.#layout, row);
    const prefix = indexPrefixOf(this.#layout, this.#index, row);
    return prefix === null ? null : bytesToLatin1(prefix);
  }
}

async function validateNotNull(
  session: EngineSession,
  run: StatementRun,
  effect: Effect<'validate-not-null'>,
): Promise<void> {
  const { layout, columns, name } = effect.table;
  const place = layout.columns.findIndex((column) => column.id === effect.attribute);
  for await (const rows of currentRows(session, run, layout)) {
    if (rows.every((row) => row[place] !== null)) continue;
    const column = columns[effect.attribute - 1]!.name;
    throw new AlopexError(
      'not_null_violation',
      `column "${column}" of relation "${name}" contains null values`,
      {
        table: name,
        column,
      },
    );
  }
}

async function rewriteTable(
  session: EngineSession,
  run: StatementRun,
  effect: Effect<'rewrite-table'>,
): Promise<void> {
  const { transactions } = session.engine;
  const { transaction } = run;
  const { source, target, added } = effect;
  const layout = currentTable(session, target.id).layout;
  const values = addedValues(session, target, added);
  const hidden = new Set(
    target.columns.filter((column) => column.isHidden).map((column) => column.attribute),
  );
  const places = layout.columns.map((column) =>
    source.layout.columns.findIndex((one) => one.id === column.id),
  );
  const checks = [null, ...layout.indexes.filter((index) => index.unique)].map(
    (index) => new UniqueCheck(session, target, layout, index),
  );
  for await (const rows of currentRows(session, run, source.layout)) {
    for (const row of rows) {
      const moved = layout.columns.map((column, index): Datum => {
        const place = places[index]!;
        if (place >= 0) return row[place]!;
        if (hidden.has(column.id)) return transactions.nextRowId();
        const value = values.get(column.id);
        return value === undefined ? column.missing : value();
      });
      requireNotNull(target, layout, moved);
      for (const check of checks) check.add(moved);
      transaction.pending.put(layout, primaryKeyTextOf(layout, moved), moved, null, transaction.command);
    }
    await keepPendingSmall(session, run);
  }
}

function requireNotNull(table: RelationDefinition, layout: TableLayout, row: Row): void {
  for (const [place, column] of layout.columns.entries()) {
    const definition = table.columns[column.id - 1]!;
    if (row[place] !== null || !definition.notNull) continue;
    throw new AlopexError(
      'not_null_violation',
      `column "${definition.name}" of relation "${table.name}" contains null values`,
      { table: table.name, column: definition.name },
    );
  }
}

/** Numbers restart at once for the transaction, and for good when it commits; a dropped sequence's row goes. */
function changeSequence(
  session: EngineSession,
  run: StatementRun,
  effect: Effect<'set-sequence'> | Effect<'drop-sequence'>,
): void {
  const { sequences } = session.engine;
  const { transaction } = run;
  const { command } = transaction;
  const id = effect.sequence;
  if (effect.kind === 'set-sequence') {
    const ends = sequences.restart(id, BigInt(effect.value), effect.isCalled);
    transaction.followers.push({ command, ...ends });
    return;
  }
  const stored = sequences.stored(id);
  if (stored !== null) {
    const before = [id, stored.last, stored.isCalled];
    transaction.pending.put(
      sequencesLayout,
      primaryKeyTextOf(sequencesLayout, before),
      null,
      before,
      command,
    );
  }
  transaction.followers.push({ command, commit: () => sequences.forget(id), abort: () => {} });
}
