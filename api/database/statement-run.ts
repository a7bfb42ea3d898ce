import type { Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { SpillStore } from '../../query/exec/contract.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import type { EngineSession } from './session.ts';

/** How long a statement may hold the event loop before it lets others run. */
const sliceMsMax = 5;
/** Timers take no longer delays. */
const timerMsMax = 2 ** 31 - 1;

/** One running statement: its cancellation, its slices of the event loop, its memory. */
export class StatementRun {
  /** Another one once the statement has gone on in it. */
  transaction: Transaction;
  readonly #session: EngineSession;
  readonly #timer: Timer | null;
  /** Looked at too, for a timer waits for its turn of the loop. */
  readonly #deadlineMs: number;
  #reason: AlopexError | null = null;
  #sliceStartMs: number;
  #memoryBytes = 0;
  readonly temporaryFiles: SpillStore;
  /** Ends a sleep: with an error where the statement is cancelled. */
  #wake: (error: AlopexError | null) => void = () => {};
  isStatementEnded = false;
  /** Frees what the statement holds, however it ends. */
  onEnd: () => void = () => {};

  constructor(session: EngineSession, transaction: Transaction, timeoutMs: number) {
    this.#session = session;
    this.transaction = transaction;
    this.temporaryFiles = session.engine.temporaryFiles.store(
      session.temporarySpace,
      () => session.settings.temporaryBytesMax,
    );
    const { clock } = session.engine.env;
    this.#sliceStartMs = clock.monotonicMs();
    this.#deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : this.#sliceStartMs + timeoutMs;
    this.#timer = timeoutMs === 0 ? null : clock.setTimer(timeoutMs, () => this.cancel(timedOut()));
  }

  cancel(reason: AlopexError): void {
    this.#reason ??= reason;
    this.#session.engine.transactions.locks.cancelWait(this.transaction, reason);
    this.#wake(reason);
  }

  /** Until then, or until the statement is cancelled, which rejects. */
  sleep(ms: number): Promise<void> {
    if (this.#reason !== null) return Promise.reject(this.#reason);
    return new Promise((resolve, reject) => {
      const { clock } = this.#session.engine.env;
      const untilMs = clock.monotonicMs() + ms;
      const wait = (): void => {
        const leftMs = untilMs - clock.monotonicMs();
        if (leftMs <= 0) {
          resolve();
          return;
        }
        const timer = clock.setTimer(Math.min(leftMs, timerMsMax), wait);
        this.#wake = (error) => {
          timer.cancel();
          if (error === null) resolve();
          else reject(error);
        };
      };
      wait();
    });
  }

  /** What `work` gives, or the error of the cancellation, whichever is first. */
  cancellable<Result>(work: Promise<Result>): Promise<Result> {
    if (this.#reason !== null) return Promise.reject(this.#reason);
    return new Promise((resolve, reject) => {
      this.#wake = (error) => {
        if (error !== null) reject(error);
      };
      work.then(resolve, reject);
    });
  }

  checkCancelled(): void {
    if (this.#reason === null && this.#session.engine.env.clock.monotonicMs() > this.#deadlineMs)
      this.cancel(timedOut());
    if (this.#reason !== null) throw this.#reason;
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

  end(): void {
    this.#wake(null);
    this.#timer?.cancel();
    this.onEnd();
  }
}

function timedOut(): AlopexError {
  return new AlopexError('query_canceled', 'canceling statement due to statement timeout');
}

/** A session has one statement that runs. */
export function busy(): AlopexError {
  return new AlopexError('object_in_use', 'the session is running another statement', {
    hint: 'Await it, or use another session.',
  });
}
