import { AlopexError } from '../../base/errors.ts';
import type { SpillStore } from '../../query/exec/contract.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import { Cancellation } from './cancellation.ts';
import type { EngineSession } from './session.ts';

/** How long a statement may hold the event loop before it lets others run. */
const sliceMsMax = 5;

/** One running statement: its cancellation, its slices of the event loop, its memory. */
export class StatementRun extends Cancellation {
  /** Another one once the statement has gone on in it. */
  transaction: Transaction;
  readonly #session: EngineSession;
  #sliceStartMs: number;
  #memoryBytes = 0;
  readonly temporaryFiles: SpillStore;
  isStatementEnded = false;
  /** Frees what the statement holds, however it ends. */
  onEnd: () => void = () => {};

  constructor(session: EngineSession, transaction: Transaction, timeoutMs: number) {
    const { clock } = session.engine.env;
    super(clock, timeoutMs);
    this.#session = session;
    this.transaction = transaction;
    this.temporaryFiles = session.engine.temporaryFiles.store(
      session.temporarySpace,
      () => session.settings.temporaryBytesMax,
    );
    this.#sliceStartMs = clock.monotonicMs();
  }

  override cancel(reason: AlopexError): void {
    this.#session.engine.transactions.locks.cancelWait(this.transaction, reason);
    super.cancel(reason);
  }

  sliceMs(): number {
    return this.#session.engine.env.clock.monotonicMs() - this.#sliceStartMs;
  }

  /** What its client does in between counts too. */
  slice(): Promise<void> | null {
    if (this.sliceMs() < sliceMsMax) return null;
    const { env, slices } = this.#session.engine;
    return slices.next().then(() => {
      this.#sliceStartMs = env.clock.monotonicMs();
    });
  }

  reserve(bytes: number): void {
    this.#memoryBytes += bytes;
  }

  release(bytes: number): void {
    this.#memoryBytes -= bytes;
  }

  override end(): void {
    super.end();
    this.onEnd();
  }
}

/** A session has one statement that runs. */
export function busy(): AlopexError {
  return new AlopexError('object_in_use', 'the session is running another statement', {
    hint: 'Await it, or use another session.',
  });
}
