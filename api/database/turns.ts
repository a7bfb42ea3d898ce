import type { Clock } from '../../base/env/env.ts';
import { Turn } from '../../base/env/turn.ts';

/** Calls between two looks at the clock. */
const callsPerLook = 32;

/** Of callers in this process that await answers in a loop: where these are there at once, one waits now and then. */
export class Turns {
  readonly #turn: Turn;
  #calls = 0;

  constructor(clock: Clock) {
    this.#turn = new Turn(clock);
  }

  /** After an answer that nothing was waited for. Null: the turn may go on. */
  pause(): Promise<void> | null {
    if (++this.#calls % callsPerLook !== 0) return null;
    if (this.#turn.exhausted) return this.#turn.next();
    this.#turn.spend(0);
    return null;
  }
}
