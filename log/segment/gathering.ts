import type { Clock } from '../../base/env/env.ts';

/** A producer that the last flush woke appends again within a few turns of the microtask queue. */
const microtaskTurns = 16;
/** Flushes between two looks at whether a turn of the event loop brings more batches. */
const probeInterval = 16;
/** Turns in a row that brought nothing, after which they are no longer waited for. */
const idleTurnsMax = 8;

/**
 * How long a flush waits for company. On a fast disk a flush holds the thread, so batches that are already on
 * their way (other producers' continuations, other sockets' callbacks) would each get a flush of their own.
 * Continuations cost some microseconds, so they are always waited for; a turn of the event loop is waited for
 * while it brings batches, which a lone producer notices only at every sixteenth flush.
 */
export class Gathering {
  readonly #clock: Clock;
  #flushes = 0;
  #idleTurns = idleTurnsMax;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async gather(endOffset: () => number): Promise<void> {
    for (let turn = 0; turn < microtaskTurns; turn++) await undefined;
    this.#flushes++;
    if (this.#idleTurns >= idleTurnsMax && this.#flushes % probeInterval !== 0) return;
    const before = endOffset();
    await new Promise<void>((resolve) => this.#clock.setTimer(0, resolve));
    this.#idleTurns = endOffset() > before ? 0 : this.#idleTurns + 1;
  }
}
