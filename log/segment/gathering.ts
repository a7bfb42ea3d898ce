import type { Clock } from '../../base/env/env.ts';
import { nextTurn } from '../../base/env/turn.ts';

/** A producer that the last flush woke appends again within a few turns of the microtask queue. */
const microtaskTurns = 16;
/** Where nobody did for a while: enough for those whose turn it is already. */
const microtaskTurnsAlone = 2;
/** Flushes between two looks at whether a turn of the event loop brings more batches. */
const probeInterval = 16;
/** Turns in a row that brought nothing, after which they are no longer waited for. */
const idleTurnsMax = 8;

/**
 * How long a flush waits for company. On a fast disk a flush holds the thread, so batches that are already on
 * their way (other producers' continuations, other sockets' callbacks) would each get a flush of their own. Both
 * are waited for while they bring batches, which a lone producer notices only at every sixteenth flush.
 */
export class Gathering {
  readonly #clock: Clock;
  #flushes = 0;
  #idleMicrotasks = 0;
  #idleTurns = idleTurnsMax;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  async gather(endOffset: () => number): Promise<void> {
    const isProbe = this.#flushes++ % probeInterval === probeInterval - 1;
    const begun = endOffset();
    const isAlone = this.#idleMicrotasks >= idleTurnsMax && !isProbe;
    for (let turn = isAlone ? microtaskTurnsAlone : microtaskTurns; turn > 0; turn--) await undefined;
    const before = endOffset();
    this.#idleMicrotasks = before > begun ? 0 : this.#idleMicrotasks + 1;
    if (this.#idleTurns >= idleTurnsMax && !isProbe) return;
    await nextTurn(this.#clock);
    this.#idleTurns = endOffset() > before ? 0 : this.#idleTurns + 1;
  }
}
