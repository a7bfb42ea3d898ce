/** Rows by `table/key`, each as one text; objects of the catalog by `kind name`. */
export type State = ReadonlyMap<string, string>;

/** One row put (or, with null, removed), or everything below a prefix removed. */
type Write =
  | { readonly kind: 'put'; readonly order: number; readonly key: string; readonly value: string | null }
  | { readonly kind: 'clear'; readonly order: number; readonly prefix: string };

/** What is known of a transaction: `undecided` once its commit was asked for and not answered. */
export type Outcome = 'running' | 'undecided' | 'acknowledged' | 'refused';

/** The rows while nothing ran. */
type Snapshot = { readonly offset: number; readonly state: State };

export class Attempt {
  readonly id: number;
  /** Rows of the journal that it writes: whether it is there wholly can be seen in them. */
  readonly parts: number;
  readonly writes: Write[] = [];
  /** Numbers drawn from the sequence, promised with its acknowledgement. */
  readonly drawn: number[] = [];
  outcome: Outcome = 'running';
  readonly #nextOrder: () => number;

  constructor(id: number, parts: number, nextOrder: () => number) {
    this.id = id;
    this.parts = parts;
    this.#nextOrder = nextOrder;
  }

  put(key: string, value: string): void {
    this.writes.push({ kind: 'put', order: this.#nextOrder(), key, value });
  }

  remove(key: string): void {
    this.writes.push({ kind: 'put', order: this.#nextOrder(), key, value: null });
  }

  clear(prefix: string): void {
    this.writes.push({ kind: 'clear', order: this.#nextOrder(), prefix });
  }
}

/**
 * Remembers every statement that was answered and every acknowledgement.
 *
 * Two transactions that write the same row are ordered by its lock: the later one's statement is answered after
 * the earlier one has ended. So the order of the answers, of those transactions alone that are there, gives the rows.
 */
export class Model {
  readonly #snapshots: Snapshot[] = [];
  /** The largest number of the sequence that was acknowledged. */
  sequenceMax = 0;
  acknowledgedCount = 0;
  #base: State;
  #attempts: Attempt[] = [];
  #nextId = 1;
  #order = 0;

  constructor(base: State) {
    this.#base = base;
  }

  begin(parts: number): Attempt {
    const attempt = new Attempt(this.#nextId++, parts, () => this.#order++);
    this.#attempts.push(attempt);
    return attempt;
  }

  acknowledge(attempt: Attempt): void {
    attempt.outcome = 'acknowledged';
    this.acknowledgedCount += 1;
    for (const number of attempt.drawn) this.acknowledgeNumber(number);
  }

  acknowledgeNumber(number: number): void {
    this.sequenceMax = Math.max(this.sequenceMax, number);
  }

  remember(offset: number, state: State): void {
    this.#snapshots.push({ offset, state: new Map(state) });
  }

  /** Earlier moments, as they are to be read from now on. */
  get past(): readonly Snapshot[] {
    return this.#snapshots;
  }

  /** Ids that must be there, and those that may. */
  idsBy(outcome: Outcome): readonly number[] {
    return this.#attempts.filter((attempt) => attempt.outcome === outcome).map(({ id }) => id);
  }

  /** What the tables hold when exactly these transactions, and what was settled before, are there. */
  stateWith(present: ReadonlySet<number>): State {
    const state = new Map(this.#base);
    const attempts = this.#attempts.filter(({ id }) => present.has(id));
    for (const attempt of attempts) {
      for (let part = 0; part < attempt.parts; part++)
        state.set(`journal/${attempt.id}.${part}`, `${attempt.parts}`);
    }
    const writes = attempts.flatMap((attempt) => attempt.writes);
    for (const write of writes.sort((left, right) => left.order - right.order)) {
      if (write.kind === 'put') {
        if (write.value === null) state.delete(write.key);
        else state.set(write.key, write.value);
        continue;
      }
      for (const key of [...state.keys()]) if (key.startsWith(write.prefix)) state.delete(key);
    }
    return state;
  }

  /** From now on exactly these transactions happened. */
  settle(present: ReadonlySet<number>): void {
    this.#base = this.stateWith(present);
    this.#attempts = [];
  }
}
