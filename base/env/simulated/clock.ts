import type { Clock, Timer } from '../env.ts';
import type { Incarnation } from './incarnation.ts';
import type { Scheduler } from './scheduler.ts';

/** 2026-01-01T00:00:00Z: where every simulated wall clock starts. */
const wallStartMs = 1_767_225_600_000;

/** A step that the sum of all before it does not swallow. */
const leastMs = 0.001;

/** A machine's quartz and its idea of the date. Both may be wrong; the monotonic one never goes back. */
export class SimulatedClock {
  readonly #scheduler: Scheduler;
  #rate = 1;
  #wallOffsetMs = wallStartMs;
  #since = { virtualMs: 0, monotonicMs: 0 };

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  get monotonicMs(): number {
    return this.#since.monotonicMs + (this.#scheduler.nowMs - this.#since.virtualMs) * this.#rate;
  }

  /** The wall clock is set, forward or (negative) back. */
  jump(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** From now on this machine counts `rate` milliseconds in one of the simulation's. */
  drift(rate: number): void {
    this.#since = { virtualMs: this.#scheduler.nowMs, monotonicMs: this.monotonicMs };
    this.#rate = rate;
  }

  mount(incarnation: Incarnation): Clock {
    return {
      wallMs: () => Math.floor(this.#wallOffsetMs + this.monotonicMs),
      monotonicMs: () => this.monotonicMs,
      setTimer: (delayMs, callback): Timer => this.#after(incarnation, delayMs, callback),
    };
  }

  /** Never early by this machine's own clock: neither where its rate changes nor by a rounding error. */
  #after(incarnation: Incarnation, delayMs: number, callback: () => void): Timer {
    const endMs = this.monotonicMs + delayMs;
    let timer: Timer;
    const wait = (restMs: number): void => {
      timer = incarnation.schedule(restMs / this.#rate, () => {
        const leftMs = endMs - this.monotonicMs;
        if (leftMs <= 0) callback();
        else wait(Math.max(leftMs, leastMs));
      });
    };
    wait(delayMs);
    return { cancel: () => timer.cancel() };
  }
}
