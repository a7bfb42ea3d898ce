import type { Timer } from '../env.ts';
import { SeededRandom } from './random.ts';

const eventsMaxDefault = 5_000_000;
/** After so many events signals, and the timers of a test runner, have their turn of the real event loop. */
const eventsAtOnce = 4096;

/** FNV-1a (Fowler, Noll, Vo). */
const [fnvOffset, fnvPrime] = [0x811c9dc5, 0x01000193];

type Event = { readonly atMs: number; readonly sequence: number; callback: (() => void) | null };

/** The run cannot go on: nothing is left to happen, or too much has happened. */
export class SimulationStuck extends Error {
  override readonly name = 'SimulationStuck';
}

/**
 * Virtual time: what happens next is the earliest event, and among equals the one scheduled first. Between two
 * events every promise that can continue does, so that an event sees the whole effect of the one before.
 *
 * Invariants: time never goes back; everything random is drawn from the seed, in the order of events.
 */
export class Scheduler {
  readonly random: SeededRandom;
  readonly #queue: Event[] = [];
  #nowMs = 0;
  #sequence = 0;
  #traceHash = fnvOffset;
  #onTrace: ((line: string) => void) | null = null;

  constructor(seed: number) {
    this.random = new SeededRandom(seed);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Of everything that happened so far. Equal for equal seeds, else something real got in. */
  get traceHash(): number {
    return this.#traceHash;
  }

  /** To look at a run: each line of the trace as it happens. */
  onTrace(listener: (line: string) => void): void {
    this.#onTrace = listener;
  }

  trace(happening: string): void {
    this.#traceHash = hashOfText(happening, hashOfNumber(this.#nowMs, this.#traceHash));
    this.#onTrace?.(`${this.#nowMs.toFixed(4)} ${happening}`);
  }

  schedule(delayMs: number, callback: () => void): Timer {
    const event: Event = { atMs: this.#nowMs + Math.max(0, delayMs), sequence: this.#sequence++, callback };
    push(this.#queue, event);
    return {
      cancel: () => {
        event.callback = null;
      },
    };
  }

  /** Lets events happen until the promise settles. */
  async run<Output>(until: Promise<Output>, eventsMax = eventsMaxDefault): Promise<Output> {
    let settled = false;
    const settle = () => {
      settled = true;
    };
    until.then(settle, settle);
    for (let events = 0; ; events++) {
      await (events % eventsAtOnce === eventsAtOnce - 1 ? turnOfTheLoop() : everyPromise());
      if (settled) return until;
      if (events >= eventsMax) {
        throw new SimulationStuck(
          `the task has not ended after ${eventsMax} events, ${this.#nowMs} ms of virtual time`,
        );
      }
      this.#next();
    }
  }

  #next(): void {
    for (;;) {
      const event = pop(this.#queue);
      if (event === undefined) {
        throw new SimulationStuck(
          'nothing is left to happen and the task has not ended: it waits for itself (a deadlock), for a ' +
            'crashed machine, or for a real promise (a file, a timer or an import outside of Env)',
        );
      }
      if (event.callback === null) continue;
      this.#nowMs = event.atMs;
      event.callback();
      return;
    }
  }
}

/**
 * Node runs what `nextTick` was given only when no promise can continue any more, and does so before it looks at its
 * event loop: 0.4 µs, where an immediate takes 2.
 */
function everyPromise(): Promise<void> {
  return new Promise((resolve) => {
    queueMicrotask(() => process.nextTick(resolve));
  });
}

function turnOfTheLoop(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Over the units of a text as they are. */
function hashOfText(text: string, initial: number): number {
  let hash = initial;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), fnvPrime);
  }
  return hash >>> 0;
}

const double = new Float64Array(1);
const halves = new Uint32Array(double.buffer);

function hashOfNumber(value: number, initial: number): number {
  double[0] = value;
  return Math.imul(Math.imul(initial ^ halves[0]!, fnvPrime) ^ halves[1]!, fnvPrime);
}

function before(left: Event, right: Event): boolean {
  return left.atMs < right.atMs || (left.atMs === right.atMs && left.sequence < right.sequence);
}

/** A binary heap. */
function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child += 1;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
