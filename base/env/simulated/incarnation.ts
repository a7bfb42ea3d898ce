import type { Scheduler } from './scheduler.ts';

/** The machine lost power; whatever ran on it will never be answered. */
export class SimulatedCrash extends Error {
  override readonly name = 'SimulatedCrash';

  constructor(machine: string) {
    super(`machine "${machine}" crashed`);
  }
}

/** What waits for the end of a pause. */
type Held = { readonly callback: () => void; readonly source: Source };
/** The machine that it comes from, its own one for what its disk has done; null: a timer. */
type Source = string | null;

/** One life of a machine, from its start to its crash. What was asked for in it ends with it. */
export class Incarnation {
  readonly machine: string;
  readonly scheduler: Scheduler;
  /** Rejects with SimulatedCrash. */
  readonly crashed: Promise<never>;
  #alive = true;
  /** What waits for the end of a pause, in order; null: the machine runs. */
  #held: Held[] | null = null;
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

  get paused(): boolean {
    return this.#held !== null;
  }

  crash(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#held = null;
    this.#onCrash();
    this.#reportCrash(new SimulatedCrash(this.machine));
  }

  /** SIGSTOP: no code of this life runs; its disk and its sockets go on. */
  pause(): void {
    if (this.#alive) this.#held ??= [];
  }

  /**
   * What was due meanwhile happens now, late: in the order in which it was due, or, as where an event loop was stopped while
   * it waited for I/O, what has arrived before what has run out. Then only what comes from one machine is in its order.
   */
  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    const { random } = this.scheduler;
    if (held.length > 0 && random.chance(0.5)) {
      const places = new Map<Source, number>([[null, 1]]);
      for (const { source } of held) if (!places.has(source)) places.set(source, random.between(0, 1));
      held.sort((left, right) => places.get(left.source)! - places.get(right.source)!);
    }
    for (const { callback } of held) this.schedule(0, callback);
  }

  /** Answers with the effect after a delay; never, when the machine has crashed by then or in it. */
  perform<Output>(delayMs: number, effect: () => Output): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    this.scheduler.schedule(delayMs, () => {
      if (!this.#alive) return;
      try {
        const output = effect();
        this.whenRunning(() => resolve(output));
      } catch (error) {
        this.whenRunning(() => reject(error));
      }
    });
    return promise;
  }

  schedule(delayMs: number, callback: () => void) {
    let isCancelled = false;
    const timer = this.scheduler.schedule(delayMs, () =>
      this.#whenRunning(() => {
        if (!isCancelled) callback();
      }, null),
    );
    return {
      cancel: () => {
        isCancelled = true;
        timer.cancel();
      },
    };
  }

  /** Now; after the pause, where there is one; never in a life that has ended. */
  whenRunning(callback: () => void, source = this.machine): void {
    this.#whenRunning(callback, source);
  }

  #whenRunning(callback: () => void, source: Source): void {
    if (!this.#alive) return;
    if (this.#held === null) callback();
    else this.#held.push({ callback, source });
  }
}
