import type { Timer } from '../../base/env/env.ts';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import { type IndexId, indexId, type StorageId } from '../../base/ids.ts';
import { keptIndex, unfinishedIndexes, withoutIndex } from '../../query/catalog/index-state.ts';
import { changeCatalog } from '../../query/txn/catalog-changes.ts';
import type { Engine } from './engine.ts';

/** The next start does it, or the node that is the primary now. */
const othersDo: ReadonlySet<string> = new Set([
  'admin_shutdown',
  'read_only_sql_transaction',
  'serialization_failure',
]);

/** After which the catalog, or the disk, is looked at again. */
const retryMs = 1000;

/**
 * Indexes of tables with rows that are being built, and what is to be taken away of those that will not be finished:
 * nothing of them stays, in the catalog or on the disk.
 */
export class IndexBuilds {
  readonly #engine: Engine;
  readonly #onProblem: (problem: AlopexError) => void;
  readonly #running = new Set<Promise<unknown>>();
  readonly #retries = new Map<number, Timer>();
  #isClosed = false;

  constructor(engine: Engine, onProblem: (problem: AlopexError) => void) {
    this.#engine = engine;
    this.#onProblem = onProblem;
  }

  /** The engine is not closed before the build has ended. */
  async track(build: Promise<void>): Promise<void> {
    this.#running.add(build);
    try {
      await build;
    } finally {
      this.#running.delete(build);
    }
  }

  /** At the start: a build does not go on in another life of the database. */
  async dropUnfinished(): Promise<void> {
    const { catalog } = this.#engine.transactions;
    for (const { definition, table } of unfinishedIndexes(catalog)) {
      await this.drop(table.layout.storage, definition.id);
    }
  }

  /**
   * Takes an index away that is not public in this storage, and its files there. Never waits for another transaction's change
   * of the catalog, nor for room on the disk: then it goes later, and until then nobody reads it.
   */
  async drop(storage: StorageId, index: number): Promise<void> {
    this.#retries.delete(index);
    try {
      await this.#drop(storage, index);
    } catch (error) {
      const problem = asAlopexError(error);
      if (problem.condition === 'lock_not_available' || problem.condition === 'disk_full') {
        this.#dropLater(storage, index);
      } else if (!othersDo.has(problem.condition)) this.#onProblem(problem);
    }
  }

  async #drop(storage: StorageId, index: number): Promise<void> {
    const { transactions, rows } = this.#engine;
    const transaction = transactions.begin('read committed', false);
    let isWhole = false;
    try {
      await transactions.lockCatalog(transaction, true);
      const kept = keptIndex(transactions.catalogOf(transaction), index);
      if (kept?.layout.state === 'public') isWhole = kept.table.layout.storage === storage;
      else if (kept !== undefined) changeCatalog(transaction, withoutIndex(kept));
      await transactions.commit(transaction);
    } catch (error) {
      transactions.rollback(transaction);
      throw error;
    }
    if (!isWhole) await rows.indexFiles.drop(storage, indexId(index));
  }

  /** As `drop`, of an index that no committed catalog knows: its transaction was rolled back. */
  dropFiles(storage: StorageId, index: IndexId): Promise<void> {
    const { rows } = this.#engine;
    const dropping = rows.indexFiles.drop(storage, index).catch((error: unknown) => {
      const problem = asAlopexError(error);
      if (problem.condition !== 'admin_shutdown') this.#onProblem(problem);
    });
    return this.track(dropping);
  }

  #dropLater(storage: StorageId, index: number): void {
    if (this.#isClosed) return;
    const retry = (): void => void this.track(this.drop(storage, index));
    this.#retries.set(index, this.#engine.env.clock.setTimer(retryMs, retry));
  }

  /** Once all sessions are closed, so that their builds end. What is not taken away now is at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const timer of this.#retries.values()) timer.cancel();
    await Promise.allSettled(this.#running);
  }
}
