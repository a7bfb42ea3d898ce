import type { Clock } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { IndexId } from '../../base/ids.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { Barriers } from './barriers.ts';
import { hasManyLocks, type LockMode, type LockOwner, LockTable, tableLockKey } from './locks.ts';
import type { Transaction } from './transaction.ts';

/** What transactions wait for: locks, and the ends of others. A wait ends with its transaction's lock_timeout. */
export class TransactionLocks {
  readonly #clock: Clock;
  readonly #table = new LockTable();
  readonly #barriers = new Barriers();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Null: held now. See LockTable. */
  lock(transaction: Transaction, key: string, mode: LockMode, nowait = false): Promise<void> | null {
    return this.#waited(transaction, this.#table.acquire(transaction.owner, key, mode, nowait));
  }

  /** As `lock`, of a row (index 0) or an index entry. `key`: latin1 text. */
  lockEntry(
    transaction: Transaction,
    layout: TableLayout,
    index: IndexId,
    key: string,
    mode: LockMode,
    nowait = false,
  ): Promise<void> | null {
    const { owner } = transaction;
    if (hasManyLocks(owner) && this.#table.ownsTable(owner, tableLockKey(layout.table))) return null;
    const space = this.#table.space(layout.storage, index);
    return this.#waited(transaction, this.#table.acquire(owner, key, mode, nowait, space));
  }

  /** Waits, in nobody's way, until the others have ended that hold a lock now which `mode` cannot stand beside. */
  async holdersEnd(transaction: Transaction, key: string, mode: LockMode): Promise<void> {
    const holders = this.#table.holders(transaction.owner, key, mode);
    if (holders.length > 0) await this.#waited(transaction, this.#barriers.wait(transaction.owner, holders));
  }

  #waited(transaction: Transaction, waited: Promise<void> | null): Promise<void> | null {
    return waited === null || transaction.lockTimeoutMs === 0
      ? waited
      : this.#waitAtMost(transaction, waited);
  }

  async #waitAtMost(transaction: Transaction, waited: Promise<void>): Promise<void> {
    const timer = this.#clock.setTimer(transaction.lockTimeoutMs, () =>
      this.cancelWait(
        transaction,
        new AlopexError('lock_not_available', 'canceling statement due to lock timeout'),
      ),
    );
    try {
      await waited;
    } finally {
      timer.cancel();
    }
  }

  cancelWait({ owner }: Transaction, error: AlopexError): void {
    this.#table.cancelWait(owner, error);
    this.#barriers.cancel(owner, error);
  }

  /** Releases all that was acquired after the first `keep`. */
  release(owner: LockOwner, keep: number): void {
    this.#table.release(owner, keep);
  }

  /** The owner's transaction has ended. */
  end(owner: LockOwner): void {
    this.#table.end(owner);
    this.#barriers.onEnd(owner);
  }
}
