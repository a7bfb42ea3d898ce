type Task = { readonly atMs: number; readonly order: number; readonly run: () => void };

/** What is to happen, by its time and then in the order in which it was planned: a binary heap. */
export class Agenda {
  nowMs = 0;
  #count = 0;
  readonly #heap: Task[] = [];

  /** `run` happens `delayMs` from now. */
  plan(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    const task = { atMs: this.nowMs + Math.max(0, delayMs), order: this.#count++, run };
    let at = heap.length;
    heap.push(task);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (isBefore(heap[parent]!, task)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = task;
  }

  /** Runs what is due until then. */
  runUntil(endMs: number): void {
    while (this.#heap.length > 0 && this.#heap[0]!.atMs <= endMs) {
      const task = this.#pop();
      this.nowMs = task.atMs;
      task.run();
    }
    this.nowMs = endMs;
  }

  #pop(): Task {
    const heap = this.#heap;
    const first = heap[0]!;
    const last = heap.pop()!;
    if (heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (isBefore(last, heap[child]!)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Task, b: Task): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
