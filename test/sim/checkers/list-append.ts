import type { Anomaly, Span } from './anomaly.ts';
import { findCycle } from './cycles.ts';
import { type Dependency, type Graph, graphOf } from './dependency-graph.ts';

/** `append`: of an element that nobody else appends to any list. `read`: the whole list. */
export type ListAction =
  | { readonly kind: 'append'; readonly key: string; readonly element: number }
  | { readonly kind: 'read'; readonly key: string; readonly elements: readonly number[] };
export type ListTransaction = Span & {
  readonly id: string;
  readonly outcome: 'committed' | 'aborted' | 'unknown';
  readonly actions: readonly ListAction[];
};
export type ListHistory = {
  readonly transactions: readonly ListTransaction[];
  /** What the lists held once nothing happened any more. */
  readonly final: ReadonlyMap<string, readonly number[]>;
};
export type Isolation = 'read committed' | 'snapshot isolation' | 'serializable';
export type Level = {
  readonly isolation: Isolation;
  /** What began after a transaction was answered comes after it (strict serializability, where it is serializable). */
  readonly isStrict: boolean;
};

/**
 * Anomalies of transactions that append to lists and read them: Elle (Kingsbury and Alvaro, VLDB 2020). A list shows the
 * order of its writers, so every dependency (Adya, 1999) can be read off; a cycle among them is an anomaly, named for the
 * weakest kind of cycle that it is.
 */
export function checkListAppend(history: ListHistory, level: Level): readonly Anomaly[] {
  const orders = new ListOrders(history);
  const anomalies = [...orders.anomalies, ...history.transactions.flatMap((one) => internal(one, level))];
  // Without an order of the writers there is no graph.
  if (anomalies.length > 0) return anomalies;
  const dependencies = [...orders.dependencies(), ...(level.isStrict ? realtime(orders.transactions) : [])];
  const graph = graphOf(orders.transactions.length, dependencies);
  const cycle = firstCycle(graph, level);
  return cycle === null ? [] : [describeCycle(cycle, orders.transactions)];
}

type NamedCycle = { readonly name: string; readonly steps: readonly Dependency[] };

/** Weakest first: each looks for a cycle that is none of those before. */
function firstCycle(graph: Graph, { isolation }: Level): NamedCycle | null {
  const searches: readonly (readonly [
    name: string,
    isolation: Isolation,
    allows: Parameters<typeof findCycle>[1],
  ])[] = [
    ['G0 (write cycle)', 'read committed', { kinds: ['ww'], antiDependencies: 'none' }],
    ['G1c (circular information flow)', 'read committed', { kinds: ['ww', 'wr'], antiDependencies: 'none' }],
    ['G-single (read skew)', 'snapshot isolation', { kinds: ['ww', 'wr', 'rw'], antiDependencies: 'one' }],
    ['G-nonadjacent', 'snapshot isolation', { kinds: ['ww', 'wr', 'rw'], antiDependencies: 'apart' }],
    ['G2 (write skew)', 'serializable', { kinds: ['ww', 'wr', 'rw'], antiDependencies: 'any' }],
  ];
  for (const [name, weakest, allows] of searches) {
    if (levels.indexOf(isolation) < levels.indexOf(weakest)) continue;
    const steps = findCycle(graph, allows);
    if (steps !== null) return { name, steps };
  }
  return null;
}
const levels: readonly Isolation[] = ['read committed', 'snapshot isolation', 'serializable'];

function describeCycle({ name, steps }: NamedCycle, transactions: readonly ListTransaction[]): Anomaly {
  const lines = steps.map(({ source, target, reason }) => {
    const [before, after] = [transactions[source]!.id, transactions[target]!.id];
    return `  ${before} < ${after}: ${reason}`;
  });
  const members = [...new Set(steps.flatMap(({ source, target }) => [source, target]))];
  const texts = members.map((index) => `  ${textOf(transactions[index]!)}`);
  const isInTime = steps.some(({ kind }) => kind === 'realtime');
  return {
    kind: isInTime ? `${name}, in real time` : name,
    description: [`a cycle of ${members.length} transactions`, ...lines, ...texts].join('\n'),
  };
}

function textOf({ id, outcome, called, answered, actions }: ListTransaction): string {
  const texts = actions.map((action) =>
    action.kind === 'append' ? `${action.key} += ${action.element}` : `${action.key} = [${action.elements}]`,
  );
  return `${id} (${outcome}, ${called} to ${answered ?? '…'}): ${texts.join(', ')}`;
}

// ---- within one transaction

/** A transaction sees what it wrote, and, but for read committed, what it read before. */
function internal({ id, actions, outcome }: ListTransaction, { isolation }: Level): readonly Anomaly[] {
  if (outcome === 'aborted') return [];
  const anomalies: Anomaly[] = [];
  const known = new Map<string, { read: readonly number[] | null; appended: number[] }>();
  for (const action of actions) {
    const { key } = action;
    const state = known.get(key) ?? { read: null, appended: [] };
    known.set(key, state);
    if (action.kind === 'append') {
      state.appended.push(action.element);
      continue;
    }
    const { elements } = action;
    const tail = elements.slice(elements.length - state.appended.length);
    const isOwnSeen = sameElements(tail, state.appended);
    const expected = state.read === null ? null : [...state.read, ...state.appended];
    const isRepeated =
      isolation === 'read committed' || expected === null || sameElements(elements, expected);
    if (!isOwnSeen || !isRepeated) {
      const wanted = expected ?? ['…', ...state.appended];
      anomalies.push({
        kind: 'internal',
        description: `${id} reads ${key} as [${elements}], and by itself expects [${wanted}]`,
      });
    }
    known.set(key, { read: elements, appended: [] });
  }
  return anomalies;
}

function sameElements(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((element, index) => element === right[index]);
}

// ---- the order of each list's writers

function appendedBy(actions: readonly ListAction[]): ReadonlySet<number> {
  return new Set(actions.flatMap((action) => (action.kind === 'append' ? action.element : [])));
}

type Writer = { readonly transaction: number; readonly isLast: boolean };

class ListOrders {
  /** Those that are known to have happened, or are seen to have. */
  readonly transactions: readonly ListTransaction[];
  readonly anomalies: Anomaly[] = [];
  readonly #orders = new Map<string, readonly number[]>();
  readonly #writers = new Map<number, Writer>();
  readonly #aborted = new Map<number, string>();

  constructor({ transactions, final }: ListHistory) {
    for (const [key, elements] of final) this.#orders.set(key, elements);
    const seen = new Set([...final.values()].flat());
    for (const { actions } of transactions) {
      const own = appendedBy(actions);
      for (const action of actions) {
        if (action.kind !== 'read') continue;
        for (const element of action.elements) if (!own.has(element)) seen.add(element);
      }
    }
    this.transactions = transactions.filter(
      ({ outcome, actions }) =>
        outcome === 'committed' ||
        (outcome === 'unknown' &&
          actions.some((action) => action.kind === 'append' && seen.has(action.element))),
    );
    this.#findWriters(transactions);
    this.#checkFinal();
    for (const transaction of this.transactions) this.#checkReads(transaction);
  }

  #findWriters(transactions: readonly ListTransaction[]): void {
    for (const { id, outcome, actions } of transactions) {
      if (outcome !== 'aborted') continue;
      for (const action of actions) if (action.kind === 'append') this.#aborted.set(action.element, id);
    }
    for (const [index, { actions }] of this.transactions.entries()) {
      const last = new Map<string, number>();
      for (const action of actions) if (action.kind === 'append') last.set(action.key, action.element);
      for (const action of actions) {
        if (action.kind !== 'append') continue;
        const isLast = last.get(action.key) === action.element;
        this.#writers.set(action.element, { transaction: index, isLast });
      }
    }
  }

  #checkFinal(): void {
    for (const [key, elements] of this.#orders) {
      if (new Set(elements).size < elements.length) this.#add('duplicate', `${key} ends as [${elements}]`);
      this.#checkElements(`${key} ends as [${elements}]`, elements);
    }
    for (const { id, actions } of this.transactions) {
      for (const action of actions) {
        if (action.kind !== 'append' || this.#orders.get(action.key)?.includes(action.element)) continue;
        this.#add('lost append', `${id} appended ${action.element} to ${action.key}, which ends without it`);
      }
    }
  }

  #checkReads({ id, actions }: ListTransaction): void {
    const own = appendedBy(actions);
    for (const action of actions) {
      if (action.kind !== 'read') continue;
      const { key, elements } = action;
      const order = this.#orders.get(key) ?? [];
      const read = `${id} reads ${key} as [${elements}]`;
      this.#checkElements(read, elements);
      const others = elements.filter((element) => !own.has(element));
      const last = others.at(-1);
      const writer = last === undefined ? undefined : this.#writers.get(last);
      if (writer !== undefined && !writer.isLast) {
        this.#add(
          'G1b (intermediate read)',
          `${read}; ${this.#nameOf(writer)} appended more to it afterwards`,
        );
      }
      if (!sameElements(elements, order.slice(0, elements.length))) {
        this.#add('incompatible order', `${read}, and it ends as [${order}]`);
      }
    }
  }

  #checkElements(where: string, elements: readonly number[]): void {
    for (const element of elements) {
      const aborted = this.#aborted.get(element);
      if (aborted !== undefined)
        this.#add('G1a (aborted read)', `${where}; ${aborted}, which wrote ${element}, was aborted`);
      else if (!this.#writers.has(element))
        this.#add('unwritten element', `${where}; nobody wrote ${element}`);
    }
  }

  #nameOf({ transaction }: Writer): string {
    return this.transactions[transaction]!.id;
  }

  #add(kind: string, description: string): void {
    this.anomalies.push({ kind, description });
  }

  /** ww: overwrote; wr: read what was written; rw: read what was overwritten. */
  *dependencies(): Generator<Dependency> {
    for (const [key, elements] of this.#orders) {
      for (const [index, element] of elements.entries()) {
        if (index === 0) continue;
        const before = elements[index - 1]!;
        const [source, target] = [this.#writerOf(before), this.#writerOf(element)];
        yield { kind: 'ww', source, target, reason: `${key}: ${before} came before ${element}` };
      }
    }
    for (const [index, { actions }] of this.transactions.entries()) {
      const appended = new Set<string>();
      for (const action of actions) {
        if (action.kind === 'append') appended.add(action.key);
        else if (!appended.has(action.key)) yield* this.#ofRead(index, action.key, action.elements);
      }
    }
  }

  *#ofRead(reader: number, key: string, elements: readonly number[]): Generator<Dependency> {
    const last = elements.at(-1);
    if (last !== undefined) {
      const reason = `${key}: the second read ${last}, which the first appended`;
      yield { kind: 'wr', source: this.#writerOf(last), target: reader, reason };
    }
    const following = this.#orders.get(key)?.[elements.length];
    if (following === undefined) return;
    const reason = `${key}: the first read [${elements}], without ${following}, which the second appended`;
    yield { kind: 'rw', source: reader, target: this.#writerOf(following), reason };
  }

  #writerOf(element: number): number {
    return this.#writers.get(element)!.transaction;
  }
}

/** Of each transaction, to those that began after it was answered, but not after another such one was answered too. */
function* realtime(transactions: readonly ListTransaction[]): Generator<Dependency> {
  const byCall = [...transactions.keys()].sort(
    (left, right) => transactions[left]!.called - transactions[right]!.called,
  );
  for (const source of byCall) {
    const { answered } = transactions[source]!;
    if (answered === null) continue;
    let firstAnswered = Number.POSITIVE_INFINITY;
    for (const target of byCall) {
      const { called, answered: ended } = transactions[target]!;
      if (called <= answered) continue;
      if (called > firstAnswered) break;
      firstAnswered = Math.min(firstAnswered, ended ?? firstAnswered);
      yield { kind: 'realtime', source, target, reason: 'the second began after the first was answered' };
    }
  }
}
