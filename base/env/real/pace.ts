/** Of the newest call in the mean: one of 3.2 ms makes a flush slow at once, whatever the mean was. */
const weight = 1 / 8;
const streakMin = 64;
const streakMax = 8192;

/**
 * Decides whether a disk is fast enough to be called synchronously, from how long its calls took.
 *
 * A synchronous flush of 120 µs costs nothing beyond itself; handing it to another thread and hearing back
 * doubles it. On a slow disk the hand-over is nothing and a synchronous flush stops everybody. So: synchronous
 * until the mean says slow, and again after a streak of fast calls, twice as long after each relapse, so that a
 * disk that is slow now and then stops the event loop once and not at each turn.
 *
 * Invariants: `streak` counts only while slow; streakMin <= streakWanted <= streakMax.
 */
export class Pace {
  readonly #fastMsMax: number;
  #meanMs = 0;
  #slow = false;
  #streak = 0;
  #streakWanted = streakMin;
  #fastCalls = 0;

  /** The mean above which the calls leave the caller's thread. */
  constructor(fastMsMax: number) {
    this.#fastMsMax = fastMsMax;
  }

  get fast(): boolean {
    return !this.#slow;
  }

  observe(elapsedMs: number): void {
    if (this.#slow) this.#observeSlow(elapsedMs);
    else this.#observeFast(elapsedMs);
  }

  #observeFast(elapsedMs: number): void {
    this.#meanMs += (elapsedMs - this.#meanMs) * weight;
    this.#fastCalls += 1;
    if (this.#meanMs <= this.#fastMsMax) return;
    const relapsed = this.#fastCalls < streakMax;
    this.#streakWanted = relapsed ? Math.min(streakMax, this.#streakWanted * 2) : streakMin;
    this.#slow = true;
    this.#streak = 0;
  }

  #observeSlow(elapsedMs: number): void {
    this.#streak = elapsedMs <= this.#fastMsMax ? this.#streak + 1 : 0;
    if (this.#streak < this.#streakWanted) return;
    this.#slow = false;
    this.#meanMs = 0;
    this.#fastCalls = 0;
  }
}

const turnMsMax = 5;

/**
 * What synchronous calls took of one turn of the event loop. A caller that awaits them in a loop would never
 * leave its turn: an answered promise continues before timers and sockets.
 */
export class Turn {
  #spentMs = 0;
  #watched = false;

  get exhausted(): boolean {
    return this.#spentMs >= turnMsMax;
  }

  spend(elapsedMs: number): void {
    this.#spentMs += elapsedMs;
    if (this.#watched) return;
    this.#watched = true;
    setImmediate(() => {
      this.#spentMs = 0;
      this.#watched = false;
    });
  }

  next(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}
