import type { Offset } from '../../base/ids.ts';
import type { Outbox } from './outbox.ts';

/** Questions that wait; more are answered as if this node did not lead. */
export const readsWaitingMax = 65_536;

/**
 * §6.4: a read sees all that was committed before it was asked for, if the leader still led after that: a quorum answers
 * a round that began later. Questions that come during a round share the next.
 */
export class ReadIndex {
  readonly #outbox: Outbox;
  #waiting: number[] = [];
  #asked: readonly number[] = [];
  #askedRound = 0;
  #askedOffset: Offset | null = null;

  constructor(outbox: Outbox) {
    this.#outbox = outbox;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#asked.length === 0;
  }
  /** Whether a round is to begin. */
  get isDue(): boolean {
    return this.#waiting.length > 0 && this.#asked.length === 0;
  }

  ask(id: number): void {
    if (this.#waiting.length >= readsWaitingMax) this.#outbox.readable(id, null);
    else this.#waiting.push(id);
  }

  /** The round begins after all that wait; `highWatermark` has everything that any leader had committed by now. */
  begin(round: number, highWatermark: Offset): void {
    this.#asked = this.#waiting;
    this.#waiting = [];
    this.#askedRound = round;
    this.#askedOffset = highWatermark;
  }

  /** A quorum has answered `round`. */
  onRound(round: number): void {
    if (this.#asked.length === 0 || round < this.#askedRound) return;
    for (const id of this.#asked) this.#outbox.readable(id, this.#askedOffset);
    this.#asked = [];
  }

  /** Not the leader any more. */
  close(): void {
    for (const id of [...this.#asked, ...this.#waiting]) this.#outbox.readable(id, null);
    this.#asked = [];
    this.#waiting = [];
  }
}
