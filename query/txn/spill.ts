import type { Clock, Env } from '../../base/env/env.ts';
import { nextTurn } from '../../base/env/turn.ts';
import { AlopexError, leaderChanged } from '../../base/errors.ts';
import type { Offset, Timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import { encodeLargeCommit, encodeMarker, encodeRollback } from './commit.ts';
import type { Transaction } from './transaction.ts';

export type CommitLimits = {
  /** Pending rows of more bytes in memory are committed as many batches. */
  readonly largeCommitBytes: number;
  /** A batch of such a commit ends once it has so many. */
  readonly batchBytesMax: number;
  /** Pending rows of more bytes in memory go to the log before their commit. */
  readonly spillBytes: number;
};

/** 4 MiB in memory are about 1 MiB of the log. A batch is encoded and applied in one turn: 20 to 40 ms. */
export const defaultCommitLimits: CommitLimits = {
  largeCommitBytes: 4 * 1024 * 1024,
  batchBytesMax: 256 * 1024,
  spillBytes: 16 * 1024 * 1024,
};

/** Bytes of commits that no quorum has: what a primary without one may answer, and then lose, in the mode async. */
const uncommittedBytesMax = 256 * 1024 * 1024;

/** Where other nodes have the log too. */
export type Leads = {
  readonly isLeading: () => boolean;
  /** It began since this node leads. What another one has in the log nobody would end: it is not of this lead. */
  readonly isOfLead: (transaction: Transaction) => boolean;
};

/** Catalogs that a transaction's events are encoded under. */
export type Catalogs = {
  readonly catalog: CatalogSnapshot;
  /** The catalog without the transaction. */
  readonly committed: CatalogSnapshot;
};

/**
 * Writes large transactions to the log before they are decided: transactional batches of their own producer, which
 * the fold keeps apart until the marker. Nobody else sees them, and without a commit marker nobody ever does.
 */
export class Spill {
  readonly #log: SegmentedLog;
  readonly #rows: Rows;
  readonly #clock: Clock;
  readonly #limits: CommitLimits;
  readonly #leads: Leads;
  readonly #rarely: Env['rarely'];
  /** Transactions that end with an ABORT which is not durable yet: where it ends, or null while it has no place. */
  readonly #aborts = new Map<number, Offset | null>();

  constructor(
    log: SegmentedLog,
    rows: Rows,
    clock: Clock,
    limits: CommitLimits,
    leads: Leads = { isLeading: () => true, isOfLead: () => true },
    rarely: Env['rarely'] = () => false,
  ) {
    this.#leads = leads;
    this.#rarely = rarely;
    this.#log = log;
    this.#rows = rows;
    this.#clock = clock;
    this.#limits = limits;
  }

  isDue({ pending, pausedPortals }: Transaction): boolean {
    if (pausedPortals > 0) return false;
    return pending.heldBytes > this.#limits.spillBytes || this.#rarely('rows go to the log early');
  }

  /**
   * Appends the rows of the commands until now, and frees them once the log has them. What the running command wrote
   * goes into batches of its own, for it does not see them itself, and so does what came after a savepoint.
   */
  async spill(transaction: Transaction, catalogs: Catalogs): Promise<void> {
    const { pending } = transaction;
    const first = pending.firstCommand;
    if (first === null) return;
    let from = first;
    for (const to of lastCommands(transaction, first)) {
      if (from === first || pending.hasPuts(from, to)) await this.#append(transaction, catalogs, from, to);
      from = to + 1;
    }
    pending.forgetSpilled();
    const room = this.#rows.makeRoom(transaction.id);
    if (room !== null) await room;
  }

  async #append(transaction: Transaction, catalogs: Catalogs, from: number, to: number): Promise<void> {
    await this.#appendRows(transaction, catalogs, from, to);
    const run = this.#rows.undecidedRun(transaction.id);
    if (run === null) {
      // Another leader, or this node when it led again, has ended what the log had of it.
      transaction.isLost = true;
      throw leaderChanged();
    }
    transaction.pending.noteSpilled(run, to);
  }

  /** Before the marker: appends what is not spilled yet. It can be placed in the turn in which this ends. */
  async appendRest(transaction: Transaction, catalogs: Catalogs): Promise<void> {
    await this.#appendRows(transaction, catalogs);
    for (;;) {
      const step = this.#rows.settleRun(transaction.id);
      if (step === null) break;
      await step;
    }
    this.#requireActive(transaction);
  }

  /** Takes back what was spilled since a savepoint. The log has it, and that it is void. */
  async rollBackTo(transaction: Transaction, command: number): Promise<void> {
    const from = transaction.pending.spilledEnd(command - 1);
    this.place(encodeRollback(this.#log, transaction.id, this.#clock.wallMs(), from));
    transaction.pending.rollbackTo(command);
    await this.#committed(transaction);
  }

  /** Appends what commands [from, to] wrote, as fast as the disk takes it. */
  async #appendRows(transaction: Transaction, catalogs: Catalogs, from?: number, to?: number): Promise<void> {
    try {
      for (const batch of encodeLargeCommit({
        log: this.#log,
        transaction,
        ...catalogs,
        clock: this.#clock,
        batchBytesMax: this.#limits.batchBytesMax,
        from,
        to,
      })) {
        if (!this.#leads.isOfLead(transaction)) throw leaderChanged();
        this.place(batch);
        await this.#committed(transaction);
      }
    } catch (error) {
      transaction.isLost = true;
      throw error;
    }
  }

  /**
   * A batch that the disk refused is gone from the fold too: the transaction cannot go on. A fast disk has it within
   * this turn of the event loop, and others have waited for the length of a batch.
   */
  async #committed(transaction: Transaction): Promise<void> {
    try {
      await this.#log.committed(this.#log.endOffset);
    } catch (error) {
      transaction.isLost = true;
      throw error;
    }
    await nextTurn(this.#clock);
    this.#requireActive(transaction);
  }

  #requireActive({ state }: Transaction): void {
    if (state !== 'active') throw new AlopexError('query_canceled', 'the transaction has ended');
  }

  /** 53000 where too much is on its way to a quorum: the primary's memory has it until it is there. */
  requireRoom(): void {
    if (this.#log.uncommittedBytes <= uncommittedBytesMax) return;
    throw new AlopexError('insufficient_resources', 'too many bytes wait for replicas', {
      detail: `The limit is ${uncommittedBytesMax} bytes.`,
      hint: 'alopex-cli replication status shows which replicas do not keep up.',
    });
  }

  place(batch: Uint8Array): void {
    if (!this.#leads.isLeading()) throw leaderChanged();
    this.#rows.check(batch);
    this.#rows.applyCommit(batch, this.#log.append(batch));
  }

  commit(transaction: Transaction, wallMs: number, at: Timestamp): void {
    invariant(!transaction.isLost, 'a transaction that lost rows is not committed');
    this.place(encodeMarker(this.#log, transaction.id, wallMs, at));
  }

  /** Ends what a transaction has in the log. Where the disk has no room for the marker now, it is written later. */
  abort(producer: number): void {
    this.#aborts.set(producer, null);
    this.#placeAbort(producer);
  }

  #placeAbort(producer: number): void {
    try {
      this.place(encodeMarker(this.#log, producer, this.#clock.wallMs(), null));
      this.#aborts.set(producer, this.#log.endOffset);
    } catch (error) {
      if (!(error instanceof AlopexError)) throw error;
    }
  }

  /** The disk refused what lies from `offset` on: markers too, and those of `lost` transactions, which then never end. */
  onRefused(offset: Offset, lost: readonly Transaction[]): void {
    for (const [producer, end] of this.#aborts)
      if (end !== null && end > offset) this.#aborts.set(producer, null);
    for (const { id, recordsLogged } of lost) if (recordsLogged > 0) this.#aborts.set(id, null);
  }

  /** Another node leads: it ends what this one left undecided. */
  forget(): void {
    this.#aborts.clear();
  }

  /** There was room for something: now markers that had none are written. */
  onCommitted(highWatermark: Offset): void {
    if (this.#aborts.size === 0) return;
    for (const [producer, end] of this.#aborts) {
      if (end === null) queueMicrotask(() => this.#retryAbort(producer));
      else if (end <= highWatermark) this.#aborts.delete(producer);
    }
  }

  #retryAbort(producer: number): void {
    if (this.#aborts.get(producer) === null) this.#placeAbort(producer);
  }
}

/** The last command of each part that is appended by itself: those before a savepoint, before this command, and this. */
function lastCommands({ savepoints, command }: Transaction, first: number): readonly number[] {
  const last = new Set(savepoints.map((savepoint) => savepoint.command - 1));
  last.add(command - 1);
  last.add(command);
  return [...last].filter((each) => each >= first).sort((left, right) => left - right);
}
