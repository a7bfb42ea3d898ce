import type { Clock, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';

/** Timers take no longer delays. */
const timerMsMax = 2 ** 31 - 1;

/** What may end the work of a session early: its client, or its time limit. */
export class Cancellation {
  readonly #clock: Clock;
  readonly #timer: Timer | null;
  /** Looked at too, for a timer waits for its turn of the loop. */
  readonly #deadlineMs: number;
  #reason: AlopexError | null = null;
  /** Ends a wait: with an error where it is cancelled. */
  #wake: (error: AlopexError | null) => void = () => {};

  /** `timeoutMs` 0: there is no limit. */
  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#deadlineMs = timeoutMs === 0 ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs;
    this.#timer = timeoutMs === 0 ? null : clock.setTimer(timeoutMs, () => this.cancel(timedOut()));
  }

  cancel(reason: AlopexError): void {
    this.#reason ??= reason;
    this.#wake(reason);
  }

  /** Until then, or until it is cancelled, which rejects. */
  sleep(ms: number): Promise<void> {
    if (this.#reason !== null) return Promise.reject(this.#reason);
    return new Promise((resolve, reject) => {
      const untilMs = this.#clock.monotonicMs() + ms;
      const wait = (): void => {
        const leftMs = untilMs - this.#clock.monotonicMs();
        if (leftMs <= 0) {
          resolve();
          return;
        }
        const timer = this.#clock.setTimer(Math.min(leftMs, timerMsMax), wait);
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
    if (this.#reason === null && this.#clock.monotonicMs() > this.#deadlineMs) this.cancel(timedOut());
    if (this.#reason !== null) throw this.#reason;
  }

  end(): void {
    this.#wake(null);
    this.#timer?.cancel();
  }
}

function timedOut(): AlopexError {
  return new AlopexError('query_canceled', 'canceling statement due to statement timeout');
}
