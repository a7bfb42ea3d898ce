import type { Clock } from './env.ts';

const turnMsMax = 5;

/** Once timers and sockets that are due have had their turn of the event loop. */
export function nextTurn(clock: Pick<Clock, 'setTimer'>): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(0, resolve);
  });
}

/**
 * One turn of the event loop, from its first synchronous call on. A caller that awaits such calls in a loop would
 * never leave its turn: an answered promise continues before timers and sockets. What it does between two calls
 * counts too.
 */
export class Turn {
  readonly #clock: Clock;
  /** Null until a turn has its first call. */
  #startMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get exhausted(): boolean {
    return this.#startMs !== null && this.#clock.monotonicMs() - this.#startMs >= turnMsMax;
  }

  /** A call ends that took so long. */
  spend(elapsedMs: number): void {
    if (this.#startMs !== null) return;
    this.#startMs = this.#clock.monotonicMs() - elapsedMs;
    this.#clock.setTimer(0, () => {
      this.#startMs = null;
    });
  }

  next(): Promise<void> {
    return nextTurn(this.#clock);
  }
}
