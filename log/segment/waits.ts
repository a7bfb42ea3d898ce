import { AlopexError } from '../../base/errors.ts';
import { type Offset, offset } from '../../base/ids.ts';

/** Callers that wait for an offset which no flush under way covers yet. */
export class Waits {
  readonly #max: number;
  #waiting: { readonly until: Offset; readonly settled: PromiseWithResolvers<void> }[] = [];

  constructor(max: number) {
    this.#max = max;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  /** Resolves at `reach(offset)` with `until` or more. */
  add(until: Offset): Promise<void> {
    if (this.#waiting.length >= this.#max) {
      throw new AlopexError('insufficient_resources', `more than ${this.#max} callers wait for the log`);
    }
    const settled = Promise.withResolvers<void>();
    this.#waiting.push({ until, settled });
    return settled.promise;
  }

  reach(reached: Offset): void {
    if (this.#waiting.length === 0) return;
    const ready = this.#waiting.filter(({ until }) => until <= reached);
    if (ready.length === 0) return;
    this.#waiting = this.#waiting.filter(({ until }) => until > reached);
    for (const { settled } of ready) settled.resolve();
  }

  /** `above`: only those that wait for more. */
  fail(error: Error, above: Offset = offset(0)): void {
    const failed = this.#waiting.filter(({ until }) => until > above);
    this.#waiting = this.#waiting.filter(({ until }) => until <= above);
    for (const { settled } of failed) settled.reject(error);
  }
}
