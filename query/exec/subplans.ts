import { AlopexError } from '../../base/errors.ts';
import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import { type Datum, Interval, SqlArray, SqlRow } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import type { PhysicalPlan, PlannedSubplan } from '../plan/physical.ts';
import { hashKey } from '../types/compare.ts';
import type { TypeOid } from '../types/type.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import { type Membership, type Operator, PageWait, type Runtime, type SubplanRunner } from './operator.ts';
import { rowsOf } from './rows.ts';
import { datumBytes, isNullAt, liveCount } from './vectors.ts';

/** Answers of one subplan that are kept, by the values of the slots that it reads. */
const cachedAnswersMax = 10_000;

type Row = readonly Datum[];
type Answer = { readonly rows: readonly Row[]; membership: Membership | null };

/** One subplan's running operator, and the answers that it gave. */
type State = {
  readonly answers: Map<string, Answer>;
  running: { readonly key: string; readonly operator: Operator; readonly rows: Row[] } | null;
  /** Of an IN; its operator is null once all have been read. */
  values: { readonly members: Members; operator: Operator | null } | null;
};

/** The values of a subplan's only column, in a table that takes a fourth of what a set of them does. */
class Members implements Membership {
  hasNull = false;
  readonly #table: KeyTable;
  #ids = new Int32Array(0);

  constructor(type: TypeOid) {
    this.#table = new KeyTable([type]);
  }

  get isEmpty(): boolean {
    return this.#table.size === 0 && !this.hasNull;
  }

  get bytes(): number {
    return this.#table.bytes;
  }

  add(batch: ColumnBatch): void {
    const column = batch.columns[0]!;
    const live = valueRows(column, batch.selection, batch.rowCount);
    if (live.length < liveCount(batch)) this.hasNull = true;
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    this.#table.assign([column], live, live.length, true, this.#ids);
  }

  has(value: Datum): boolean {
    return this.#table.has(value);
  }
}

/** The live rows that are not null. */
function valueRows(column: ColumnVector, selection: Uint32Array | null, rowCount: number): Uint32Array {
  const live = selection ?? Uint32Array.from({ length: rowCount }, (_unused, row) => row);
  return live.filter((row) => !isNullAt(column, row));
}

/**
 * Runs the subplans of one execution. An answer is kept by the values that it depends on, so that an uncorrelated
 * subplan runs once, and a correlated one once for each distinct set of values.
 */
export class CachedSubplans implements SubplanRunner {
  readonly #runtime: () => Runtime;
  readonly #states = new Map<PhysicalPlan, State>();
  #share: MemoryShare | null = null;
  #keptBytes = 0;

  constructor(runtime: () => Runtime) {
    this.#runtime = runtime;
  }

  scalar(subplan: PlannedSubplan): Datum {
    const { rows } = this.#answer(subplan, 2);
    if (rows.length > 1) {
      throw new AlopexError(
        'cardinality_violation',
        'more than one row returned by a subquery used as an expression',
      );
    }
    return rows[0]?.[0] ?? null;
  }

  exists(subplan: PlannedSubplan): boolean {
    return this.#answer(subplan, 1).rows.length > 0;
  }

  rows(subplan: PlannedSubplan): readonly Row[] {
    return this.#answer(subplan, Number.POSITIVE_INFINITY).rows;
  }

  membership(subplan: PlannedSubplan, type: TypeOid): Membership {
    if (subplan.reads.length === 0) return this.#membershipOfAll(subplan, type);
    const answer = this.#answer(subplan, Number.POSITIVE_INFINITY);
    answer.membership ??= membershipOf(answer.rows, hashKey(type));
    return answer.membership;
  }

  /** Of a subplan that is the same for every row: the set alone is kept, and accounted for as it grows. */
  #membershipOfAll({ physical }: PlannedSubplan, type: TypeOid): Membership {
    const state = this.#stateOf(physical);
    state.values ??= { members: new Members(type), operator: this.#runtime().start(physical) };
    const { members, operator } = state.values;
    if (operator === null) return members;
    for (let batch = operator.next(); batch !== null; batch = operator.next()) {
      if (batch instanceof Promise) throw new PageWait(batch);
      const before = members.bytes;
      members.add(batch);
      this.#hold(members.bytes - before);
    }
    operator.close();
    state.values.operator = null;
    return members;
  }

  close(): void {
    for (const { running, values } of this.#states.values()) {
      running?.operator.close();
      values?.operator?.close();
    }
    this.#states.clear();
    this.#share?.close();
    this.#share = null;
    this.#keptBytes = 0;
  }

  /** The first rows of the subplan, `rowsMax` or a batch more. */
  #answer(subplan: PlannedSubplan, rowsMax: number): Answer {
    const state = this.#stateOf(subplan.physical);
    const { slots } = this.#runtime().environment;
    const key = subplan.reads.map((slot) => identityOf(slots[slot]!)).join();
    const known = state.answers.get(key);
    if (known !== undefined) return known;
    if (state.running !== null && state.running.key !== key) {
      state.running.operator.close();
      state.running = null;
    }
    state.running ??= { key, operator: this.#runtime().start(subplan.physical), rows: [] };
    const { operator, rows } = state.running;
    while (rows.length < rowsMax) {
      const batch = operator.next();
      if (batch instanceof Promise) throw new PageWait(batch);
      if (batch === null) break;
      rows.push(...rowsOf(batch));
    }
    operator.close();
    state.running = null;
    const answer: Answer = { rows, membership: null };
    if (!subplan.isVolatile || subplan.reads.length === 0) this.#keep(state, key, answer);
    return answer;
  }

  #keep(state: State, key: string, answer: Answer): void {
    if (state.answers.size >= cachedAnswersMax) state.answers.clear();
    let bytes = key.length;
    for (const row of answer.rows) for (const value of row) bytes += datumBytes(value);
    this.#hold(bytes);
    state.answers.set(key, answer);
  }

  #hold(bytes: number): void {
    this.#share ??= this.#runtime().memory.share(null);
    this.#keptBytes += bytes;
    this.#share.require(this.#keptBytes);
  }

  #stateOf(plan: PhysicalPlan): State {
    let state = this.#states.get(plan);
    if (state === undefined) {
      state = { answers: new Map(), running: null, values: null };
      this.#states.set(plan, state);
    }
    return state;
  }
}

function membershipOf(rows: readonly Row[], key: (value: Datum) => unknown): Membership {
  const keys = new Set<unknown>();
  let hasNull = false;
  for (const row of rows) {
    const value = row[0]!;
    if (value === null) hasNull = true;
    else keys.add(key(value));
  }
  return { isEmpty: rows.length === 0, hasNull, has: (value) => keys.has(key(value)) };
}

/** A text that differs where datums differ. */
function identityOf(value: Datum): string {
  if (value === null) return '-';
  if (typeof value === 'string') return `s${value.length}:${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'bigint' || typeof value === 'boolean') return String(value);
  if (value instanceof Numeric) return `n${value}`;
  if (value instanceof Interval) return `i${value.months}/${value.days}/${value.microseconds}`;
  if (value instanceof SqlArray)
    return `a${JSON.stringify(value.dimensions)}(${value.items.map(identityOf).join()})`;
  if (value instanceof SqlRow) return `r(${value.fields.map(identityOf).join()})`;
  return `b${value.join(' ')}`;
}
