/** Rounds that are remembered: more than fit into an election timeout, at any sane heartbeat. */
export const roundsMax = 64;

/**
 * Numbers what a leader sends, so that an answer tells when it was asked: a lease counts from the time at which the
 * question left (§6.4.1), and a read index from a question that came after it (§6.4).
 */
export class Rounds {
  #last = 0;
  readonly #sentMs = new Float64Array(roundsMax);

  /** Of what is sent now. */
  get last(): number {
    return this.#last;
  }

  begin(nowMs: number): number {
    this.#last++;
    this.#sentMs[this.#last % roundsMax] = nowMs;
    return this.#last;
  }

  /** When a round began; -Infinity for what is too old to matter, or never was. */
  sentMs(round: number): number {
    const isKnown = round > 0 && round <= this.#last && round > this.#last - roundsMax;
    return isKnown ? this.#sentMs[round % roundsMax]! : Number.NEGATIVE_INFINITY;
  }
}
