/** Of the newest call in the mean. */
const weight = 1 / 32;
/** A call counts for no more than so many times what is fast: one hiccup does not make a disk slow. */
const countedMax = 3;
/** A call that users can feel makes it slow at once. */
const stallMs = 20;
const callsWantedMin = 32;
const callsWantedMax = 1024;
/** Fast for so many calls, and the next slowness is no relapse. */
const callsForgiving = 8192;

/**
 * Decides whether a disk is fast enough to be called synchronously, from how long its calls took.
 *
 * A synchronous flush of 110 µs costs nothing beyond itself; handing it to another thread and hearing back
 * nearly doubles it. On a slow disk the hand-over is nothing and a synchronous flush stops everybody. So:
 * synchronous until the mean is slow or a call stalls; and again when the mean is half of that and no call has
 * stalled for a while, a while that doubles with each relapse, so that a disk that stalls now and then stops
 * the event loop once and not at each turn.
 */
export class Pace {
  readonly #fastMsMax: number;
  #meanMs = 0;
  #fast = true;
  /** Since the change of pace or the last stall. */
  #calls = 0;
  #callsWanted = callsWantedMin;

  /** `fastMsMax`: the mean above which calls leave the caller's thread. */
  constructor(fastMsMax: number) {
    this.#fastMsMax = fastMsMax;
  }

  get fast(): boolean {
    return this.#fast;
  }

  observe(elapsedMs: number): void {
    const countedMs = Math.min(elapsedMs, countedMax * this.#fastMsMax);
    this.#meanMs += (countedMs - this.#meanMs) * weight;
    this.#calls += 1;
    const stalled = elapsedMs >= stallMs;
    if (this.#fast) {
      if (stalled || this.#meanMs > this.#fastMsMax) this.#slowDown();
      return;
    }
    if (stalled) this.#calls = 0;
    if (this.#calls >= this.#callsWanted && this.#meanMs <= this.#fastMsMax / 2) {
      this.#fast = true;
      this.#calls = 0;
    }
  }

  #slowDown(): void {
    const relapsed = this.#calls < callsForgiving;
    this.#callsWanted = relapsed ? Math.min(callsWantedMax, this.#callsWanted * 2) : callsWantedMin;
    this.#fast = false;
    this.#calls = 0;
  }
}
