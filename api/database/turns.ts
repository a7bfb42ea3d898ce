import type { Clock } from '../../base/env/env.ts';

/** Calls between two looks at the clock. */
const callsPerLook = 32;
/** How long callers may hold the event loop before it lets others run. */
const turnMsMax = 5;

/**
 * A caller that awaits answers in a loop never leaves its turn of the event loop where they are there at once: an
 * answered promise continues before timers and sockets. So an answer waits for the next turn now and then.
 */
export class Turns {
  readonly #clock: Clock;
  #calls = 0;
  /** Since when this turn is known to last. */
  #startMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After an answer that nothing was waited for. Null: the turn may go on. */
  pause(): Promise<void> | null {
    if (++this.#calls % callsPerLook !== 0) return null;
    const nowMs = this.#clock.monotonicMs();
    if (this.#startMs === null) {
      this.#startMs = nowMs;
      this.#clock.setTimer(0, () => {
        this.#startMs = null;
      });
      return null;
    }
    if (nowMs - this.#startMs < turnMsMax) return null;
    return new Promise((resolve) => {
      this.#clock.setTimer(0, resolve);
    });
  }
}
