import type { Clock } from '../../base/env/env.ts';

/**
 * Statements that have had their slice of the event loop, and wait for the next. A turn of the loop goes on with one
 * of them: with forty that are busy, a client that asks for little waits for one slice, not for forty.
 */
export class Slices {
  readonly #clock: Pick<Clock, 'setTimer'>;
  #waiting: (() => void)[] = [];
  /** Of those that wait, how many have gone on. */
  #resumed = 0;

  constructor(clock: Pick<Clock, 'setTimer'>) {
    this.#clock = clock;
  }

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#resumeLater();
    });
  }

  #resumeLater(): void {
    this.#clock.setTimer(0, () => {
      this.#waiting[this.#resumed++]!();
      if (this.#resumed < this.#waiting.length) {
        this.#resumeLater();
        this.#compact();
        return;
      }
      this.#waiting = [];
      this.#resumed = 0;
    });
  }

  #compact(): void {
    if (this.#resumed < 1000) return;
    this.#waiting = this.#waiting.slice(this.#resumed);
    this.#resumed = 0;
  }
}
