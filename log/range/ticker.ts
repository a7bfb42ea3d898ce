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
  /** Those that have a deadline: what is quiet is not even looked at. */
  readonly #waiting = new Set<Ticking>();
  #timer: Timer | null = null;
  #timerMs = Number.POSITIVE_INFINITY;
  #isClosed = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(member: Ticking): void {
    this.note(member);
  }

  remove(member: Ticking): void {
    this.#waiting.delete(member);
  }

  /** Its deadline may be another one than it was. */
  note(member: Ticking): void {
    const { deadlineMs } = member;
    if (deadlineMs === null || this.#isClosed) {
      this.#waiting.delete(member);
      return;
    }
    this.#waiting.add(member);
    if (deadlineMs >= this.#timerMs) return;
    this.#timer?.cancel();
    const nowMs = this.#clock.monotonicMs();
    this.#timerMs = Math.max(nowMs, Math.ceil(deadlineMs / gridMs) * gridMs);
    this.#timer = this.#clock.setTimer(this.#timerMs - nowMs, () => this.#tick());
  }

  #tick(): void {
    this.#timer = null;
    this.#timerMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#clock.monotonicMs();
    for (const member of [...this.#waiting])
      if (member.deadlineMs !== null && member.deadlineMs <= nowMs) member.tick(nowMs);
    for (const member of this.#waiting) this.note(member);
  }

  close(): void {
    this.#isClosed = true;
    this.#waiting.clear();
    this.#timer?.cancel();
    this.#timer = null;
  }
}
