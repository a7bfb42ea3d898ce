import type { Clock, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';

/** Runs while a client has its answer and thinks. */
export class IdleTimer {
  readonly #clock: Clock;
  readonly #onTimedOut: (error: AlopexError) => void;
  #timer: Timer | null = null;

  constructor(clock: Clock, onTimedOut: (error: AlopexError) => void) {
    this.#clock = clock;
    this.#onTimedOut = onTimedOut;
  }

  /** `limitMs`: 0 is no limit. */
  start(limitMs: number, isInTransaction: boolean): void {
    if (limitMs === 0) return;
    this.stop();
    this.#timer = this.#clock.setTimer(limitMs, () => this.#onTimedOut(timedOut(isInTransaction)));
  }

  stop(): void {
    if (this.#timer === null) return;
    this.#timer.cancel();
    this.#timer = null;
  }
}

function timedOut(isInTransaction: boolean): AlopexError {
  return isInTransaction
    ? new AlopexError(
        'idle_in_transaction_session_timeout',
        'terminating connection due to idle-in-transaction timeout',
      )
    : new AlopexError('idle_session_timeout', 'terminating connection due to idle-session timeout');
}
