import type { Anomaly, Span } from './anomaly.ts';

export type RegisterValue = number | null;
/** `set`: compare and set. What nobody answered has no outcome: a read that failed is no operation at all. */
export type RegisterAction =
  | { readonly kind: 'read'; readonly value: RegisterValue }
  | { readonly kind: 'write'; readonly value: number }
  | {
      readonly kind: 'set';
      readonly from: RegisterValue;
      readonly to: number;
      readonly done: boolean | null;
    };
export type RegisterOperation = Span & {
  readonly key: string;
  readonly client: string;
  readonly action: RegisterAction;
};

/** A history that needs more states than this is too wide to judge: an error of the test. */
const statesMax = 2_000_000;

/**
 * Linearizability of registers that are null at first: Wing and Gong's search ("Testing and Verifying Concurrent
 * Objects", 1993), with Lowe's memory of the states that were tried ("Testing for linearizability", 2017), key by key
 * (Herlihy and Wing's locality), on the linked list of calls and answers that Porcupine uses.
 */
export function checkRegisters(operations: readonly RegisterOperation[]): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const [key, ofKey] of Map.groupBy(operations, (operation) => operation.key)) {
    const relevant = withoutUnseen(ofKey);
    const search = new Search(relevant);
    if (search.run()) continue;
    anomalies.push({ kind: 'not linearizable', description: describe(key, search) });
  }
  return anomalies;
}

/** A write that nobody answered and nobody saw may as well not have happened, unless a comparison failed because of it. */
function withoutUnseen(operations: readonly RegisterOperation[]): readonly RegisterOperation[] {
  const seen = new Set<RegisterValue>();
  for (const { action } of operations) {
    if (action.kind === 'read') seen.add(action.value);
    if (action.kind !== 'set') continue;
    if (action.done === false) return operations;
    seen.add(action.from);
  }
  return operations.filter(
    ({ action, answered }) => answered !== null || action.kind !== 'write' || seen.has(action.value),
  );
}

/** The state after, or undefined where the operation cannot have happened in this state. */
function next(state: RegisterValue, action: RegisterAction): RegisterValue | undefined {
  switch (action.kind) {
    case 'read':
      return action.value === state ? state : undefined;
    case 'write':
      return action.value;
    case 'set': {
      const isEqual = state === action.from;
      if (action.done !== null && action.done !== isEqual) return undefined;
      return isEqual ? action.to : state;
    }
  }
}

/** A call or an answer in the list of those that are not yet in the order. A call knows its answer. */
type Entry = {
  readonly operation: number;
  readonly answer: Entry | null;
  previous: Entry | null;
  next: Entry | null;
};

class Search {
  readonly operations: readonly RegisterOperation[];
  /** The most operations that were ever brought into an order, and those that could not follow. */
  longest: readonly number[] = [];
  readonly #seen = new Set<string>();

  constructor(operations: readonly RegisterOperation[]) {
    this.operations = operations;
  }

  run(): boolean {
    const head = listOf(this.operations);
    const order: { readonly call: Entry; readonly state: RegisterValue }[] = [];
    const done = new Uint32Array((this.operations.length + 31) >>> 5);
    let state: RegisterValue = null;
    let entry = head.next;
    while (head.next !== null) {
      if (entry?.answer != null) {
        const after = next(state, this.operations[entry.operation]!.action);
        if (after !== undefined && this.#isNew(done, entry.operation, after)) {
          order.push({ call: entry, state });
          state = after;
          flip(done, entry.operation);
          lift(entry);
          if (order.length > this.longest.length) this.longest = order.map(({ call }) => call.operation);
          entry = head.next;
        } else entry = entry.next;
        continue;
      }
      // An answer whose operation is not in the order yet: what was chosen last was wrong.
      const last = order.pop();
      if (last === undefined) return false;
      state = last.state;
      flip(done, last.call.operation);
      unlift(last.call);
      entry = last.call.next;
    }
    return true;
  }

  #isNew(done: Uint32Array, operation: number, state: RegisterValue): boolean {
    flip(done, operation);
    const key = `${done.join()} ${state}`;
    flip(done, operation);
    if (this.#seen.has(key)) return false;
    if (this.#seen.size >= statesMax)
      throw new Error(`a register's history needs more than ${statesMax} states`);
    this.#seen.add(key);
    return true;
  }
}

function flip(bits: Uint32Array, index: number): void {
  bits[index >>> 5]! ^= 1 << (index & 31);
}

function listOf(operations: readonly RegisterOperation[]): Entry {
  const places: { at: number; entry: Entry }[] = [];
  for (const [operation, { called, answered }] of operations.entries()) {
    const answer: Entry = { operation, answer: null, previous: null, next: null };
    places.push({ at: called, entry: { operation, answer, previous: null, next: null } });
    places.push({ at: answered ?? Number.POSITIVE_INFINITY, entry: answer });
  }
  places.sort((left, right) => (left.at === right.at ? 0 : left.at - right.at));
  const head: Entry = { operation: -1, answer: null, previous: null, next: null };
  let last = head;
  for (const { entry } of places) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

function lift(call: Entry): void {
  unlink(call);
  unlink(call.answer!);
}

function unlift(call: Entry): void {
  relink(call.answer!);
  relink(call);
}

function unlink(entry: Entry): void {
  entry.previous!.next = entry.next;
  if (entry.next !== null) entry.next.previous = entry.previous;
}

function relink(entry: Entry): void {
  entry.previous!.next = entry;
  if (entry.next !== null) entry.next.previous = entry;
}

const shownOperationsMax = 6;

function describe(key: string, { operations, longest }: Search): string {
  const ordered = new Set(longest);
  const stuck = operations.filter(({ answered }, index) => answered !== null && !ordered.has(index));
  const tail = longest.slice(-shownOperationsMax).map((index) => textOf(operations[index]!));
  const left = stuck
    .sort((one, other) => one.answered! - other.answered!)
    .slice(0, shownOperationsMax)
    .map(textOf);
  return `register ${key}: after ${longest.length} of ${operations.length} operations, … ${tail.join('; ')}, no order allows ${left.join('; ')}`;
}

function textOf({ client, action, called, answered }: RegisterOperation): string {
  return `${client} ${actionText(action)} [${called}, ${answered ?? '…'}]`;
}

function actionText(action: RegisterAction): string {
  switch (action.kind) {
    case 'read':
      return `read ${action.value}`;
    case 'write':
      return `wrote ${action.value}`;
    case 'set':
      return `set ${action.from} to ${action.to}: ${action.done}`;
  }
}
