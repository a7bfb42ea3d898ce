import type { Clock, Timer } from '../../base/env/env.ts';

/** What is due at a time of its own. */
export type Ticking = {
  /** Monotonic; null: nothing is due. */
  readonly deadlineMs: number | null;
  tick(nowMs: number): void;
};

/** Deadlines within it are met together: heartbeats of many ranges to one node leave in one write. */
const gridMs = 10;

/** One timer for all ranges of a node; those that are quiet cost nothing. */
export class Ticker {
  readonly #clock: Clock;
  readonly #members = new Set<Ticking>();
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(member: Ticking): void {
    this.#members.add(member);
    this.note(member);
  }

  remove(member: Ticking): void {
    this.#members.delete(member);
  }

  /** A deadline may be earlier than it was. */
  note({ deadlineMs }: Ticking): void {
    if (deadlineMs === null || deadlineMs >= this.#timerMs) return;
    this.#timer?.cancel();
    const nowMs = this.#clock.monotonicMs();
    this.#timerMs = Math.max(nowMs, Math.ceil(deadlineMs / gridMs) * gridMs);
    this.#timer = this.#clock.setTimer(this.#timerMs - nowMs, () => this.#tick());
  }

  #tick(): void {
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    for (const member of this.#members)
      if (member.deadlineMs !== null && member.deadlineMs <= nowMs) member.tick(nowMs);
    for (const member of this.#members) this.note(member);
  }

  close(): void {
    this.#members.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }
}
