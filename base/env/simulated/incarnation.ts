import type { Scheduler } from './scheduler.ts';

/** The machine lost power; whatever ran on it will never be answered. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';

  constructor(machine: string) {
    super(`machine "${machine}" crashed`);
  }
}

/** One life of a machine, from its start to its crash. What was asked for in it ends with it. */
export class Incarnation {
  readonly machine: string;
  readonly scheduler: Scheduler;
  /** Rejects with SimulatedCrash. */
  readonly crashed: Promise<never>;
  #alive = true;
  readonly #onCrash: () => void;
  readonly #reportCrash: (crash: SimulatedCrash) => void;

  constructor(machine: string, scheduler: Scheduler, onCrash: () => void) {
    this.machine = machine;
    this.scheduler = scheduler;
    this.#onCrash = onCrash;
    const { promise, reject } = Promise.withResolvers<never>();
    // Nobody may be listening.
    promise.catch(() => {});
    this.crashed = promise;
    this.#reportCrash = reject;
  }

  get alive(): boolean {
    return this.#alive;
  }

  crash(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#onCrash();
    this.#reportCrash(new SimulatedCrash(this.machine));
  }

  /** Answers with the effect after a delay; never, when the machine has crashed by then or in it. */
  perform<Output>(delayMs: number, effect: () => Output): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    this.schedule(delayMs, () => {
      try {
        const output = effect();
        if (this.#alive) resolve(output);
      } catch (error) {
        if (this.#alive) reject(error);
      }
    });
    return promise;
  }

  schedule(delayMs: number, callback: () => void) {
    return this.scheduler.schedule(delayMs, () => {
      if (this.#alive) callback();
    });
  }
}
