/** Sources 0 … n-1 of sorted rows, the one with the first row on top: a binary heap. `order` never answers 0. */
export class MergeHeap {
  readonly #heap: number[];
  readonly #order: (left: number, right: number) => number;

  constructor(sources: number, order: (left: number, right: number) => number) {
    this.#heap = Array.from({ length: sources }, (_unused, at) => at);
    this.#order = order;
    for (let at = (sources >> 1) - 1; at >= 0; at--) this.#sink(at);
  }

  /** The source whose row is first, or undefined when all have ended. */
  get top(): number | undefined {
    return this.#heap[0];
  }

  /** The top's source has another row in front now. */
  moved(): void {
    this.#sink(0);
  }

  /** The top's source has ended. */
  ended(): void {
    const last = this.#heap.pop()!;
    if (this.#heap.length > 0) this.#heap[0] = last;
    this.#sink(0);
  }

  #sink(start: number): void {
    const heap = this.#heap;
    let at = start;
    for (;;) {
      const left = at * 2 + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const isRight = right < heap.length && this.#order(heap[right]!, heap[left]!) < 0;
      const child = isRight ? right : left;
      if (this.#order(heap[at]!, heap[child]!) <= 0) return;
      [heap[at], heap[child]] = [heap[child]!, heap[at]!];
      at = child;
    }
  }
}
