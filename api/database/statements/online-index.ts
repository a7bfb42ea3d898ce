import { AlopexError } from '../../../base/errors.ts';
import type { StorageId } from '../../../base/ids.ts';
import type { IndexState } from '../../../log/events/layout.ts';
import type { DdlEffect, DdlResult } from '../../../query/catalog/ddl/context.ts';
import type { CatalogSnapshot } from '../../../query/catalog/definition.ts';
import {
  differInIndexesOnly,
  type KeptIndex,
  keptIndex,
  withIndexState,
} from '../../../query/catalog/index-state.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { changeCatalog } from '../../../query/txn/catalog-changes.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import { requireUniqueEntries } from './unique-entries.ts';

export type IndexBackfill = Extract<DdlEffect, { readonly kind: 'backfill-index' }>;

/**
 * The index that a statement can build while others write: it is all that the statement changes, and the statement is
 * a transaction of its own, for the build commits several. Null: the index is built within the transaction.
 */
export function onlineBackfill(
  session: EngineSession,
  statement: ParsedStatement,
  before: CatalogSnapshot,
  { effects, changes }: DdlResult,
): IndexBackfill | null {
  const [effect, ...others] = effects;
  if (effect?.kind !== 'backfill-index' || others.length > 0) return null;
  if (session.status !== 'idle' || !statement.isAlone) return null;
  const { transaction } = session;
  if (transaction === null || transaction.command > 1 || !transaction.pending.isEmpty) return null;
  const table = before.byId(effect.table);
  const changed = changes.find(({ object }) => object.id === effect.table)?.object;
  if (table?.kind !== 'table' || changed?.kind !== 'table') return null;
  return differInIndexesOnly(table, changed) ? effect : null;
}

/**
 * Leads a new index from delete-only to public, each state a commit of its own. Between two of them it waits for the
 * transactions that write to the table and may have begun under the state before, so that no more than two states are
 * in use at once; nobody waits for it.
 *
 * From write-only on, every change of a row keeps the index too, and unique keys are checked against what it has. Then
 * the entries of the rows that are there are put into files, beside the writers. A unique index is checked as a whole
 * once nobody is left who has looked for duplicates before those files were there.
 *
 * However the build ends, there is a public index or none.
 */
export async function buildOnline(
  session: EngineSession,
  run: StatementRun,
  { index, table }: IndexBackfill,
): Promise<void> {
  const kept = keptIndex(session.catalog, index)!;
  const build = new OnlineBuild(session, run, kept, table);
  await session.engine.indexBuilds.track(build.run());
}

class OnlineBuild {
  readonly #session: EngineSession;
  readonly #run: StatementRun;
  readonly #index: number;
  readonly #name: string;
  readonly #table: number;
  readonly #storage: StorageId;

  constructor(session: EngineSession, run: StatementRun, { definition, table }: KeptIndex, tableId: number) {
    this.#session = session;
    this.#run = run;
    this.#index = definition.id;
    this.#name = definition.name;
    this.#table = tableId;
    this.#storage = table.layout.storage;
  }

  async run(): Promise<void> {
    const { engine } = this.#session;
    try {
      await this.#session.continueInNext(this.#run);
      await this.#build();
    } catch (error) {
      engine.transactions.rollback(this.#run.transaction);
      await engine.indexBuilds.drop(this.#storage, this.#index);
      throw error;
    }
  }

  async #build(): Promise<void> {
    const { rows } = this.#session.engine;
    await this.#writersEnd();
    if (!(await this.#advance('write-only'))) return;
    await this.#writersEnd();
    if (!(await this.#advance('backfill'))) return;
    const built = this.#kept();
    if (built === null) return;
    await rows.indexFiles.build(built.table.layout, built.layout, () => this.#check());
    if (built.layout.unique) {
      await this.#writersEnd();
      const whole = this.#kept();
      if (whole === null) return;
      await requireUniqueEntries(this.#session, this.#run, whole.table, whole.layout);
    }
    await this.#advance('public');
  }

  /** Transactions that write to the table now have ended. Others may begin meanwhile. */
  async #writersEnd(): Promise<void> {
    const { transactions } = this.#session.engine;
    this.#run.checkCancelled();
    await transactions.locks.holdersEnd(this.#run.transaction, tableLockKey(this.#table), 'table share');
    this.#run.checkCancelled();
  }

  /** False: the table's rows have moved to a new storage, where the index is complete. */
  async #advance(state: IndexState): Promise<boolean> {
    const { transactions } = this.#session.engine;
    const { transaction } = this.#run;
    this.#run.checkCancelled();
    await transactions.lockCatalog(transaction);
    this.#run.checkCancelled();
    const kept = this.#kept();
    if (kept === null) return false;
    changeCatalog(transaction, [withIndexState(kept, state)]);
    await this.#session.continueInNext(this.#run);
    return true;
  }

  /** The index as it is now; null where a rewrite of the table, or TRUNCATE, has made it public. */
  #kept(): KeptIndex | null {
    const kept = keptIndex(this.#session.catalog, this.#index);
    if (kept === undefined) {
      throw new AlopexError('undefined_object', `index "${this.#name}" was dropped while it was being built`);
    }
    return kept.table.layout.storage === this.#storage ? kept : null;
  }

  #check(): void {
    this.#run.checkCancelled();
    this.#kept();
  }
}
