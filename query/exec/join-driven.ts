import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { FoundRow, ReadView } from '../../materializers/rows/contract.ts';
import type { Expression } from '../plan/expression.ts';
import type { LookupJoin, NestedLoop } from '../plan/physical.ts';
import { BatchFilter } from './batch-expressions.ts';
import { nullColumns } from './join-pairs.ts';
import { pointKeyOf } from './key-ranges.ts';
import type { Operator, Runtime } from './operator.ts';
import { compileRow } from './row-compiler.ts';
import { rowsOf } from './rows.ts';
import { TableScanOperator, viewOf } from './scan.ts';
import { batchOfRows, compact, datumVector } from './vectors.ts';

type DrivenKind = 'inner' | 'left' | 'cross' | 'semi' | 'anti';

/**
 * A join whose right side depends on the left row: `open` starts it for each. LATERAL, and lookups by an index
 * that is not the primary key.
 */
class DrivenJoinOperator implements Operator {
  readonly #left: Operator;
  readonly #kind: DrivenKind;
  readonly #condition: BatchFilter | null;
  readonly #open: (row: readonly Datum[]) => Operator;
  readonly #rightWidth: number;
  readonly #runtime: Runtime;
  #rows: readonly (readonly Datum[])[] = [];
  #at = 0;
  #right: Operator | null = null;
  #hasMatch = false;

  constructor(
    left: Operator,
    kind: DrivenKind,
    condition: Expression | null,
    rightWidth: number,
    open: (row: readonly Datum[]) => Operator,
    runtime: Runtime,
  ) {
    this.#left = left;
    this.#kind = kind;
    this.#condition = condition === null ? null : new BatchFilter(condition, runtime.environment);
    this.#open = open;
    this.#rightWidth = rightWidth;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const row = this.#rows[this.#at];
      if (row === undefined) {
        const batch = this.#left.next();
        if (batch === null || batch instanceof Promise) return batch;
        this.#rows = rowsOf(batch);
        this.#at = 0;
        continue;
      }
      const pause = this.#right === null ? this.#runtime.pause() : null;
      if (pause !== null) return pause;
      this.#right ??= this.#open(row);
      const batch = this.#right.next();
      if (batch instanceof Promise) return batch;
      const made = batch === null ? this.#endOfRow(row) : this.#matches(row, batch);
      if (made !== null) return made;
    }
  }

  close(): void {
    this.#left.close();
    this.#right?.close();
    this.#rows = [];
  }

  #matches(row: readonly Datum[], batch: ColumnBatch): ColumnBatch | null {
    const right = compact(batch);
    const left = row.map((value) => datumVector(new Array<Datum>(right.rowCount).fill(value)));
    const joined: ColumnBatch = { ...right, columns: [...left, ...right.columns] };
    const kept = this.#condition === null ? joined : this.#condition.apply(joined);
    if (kept === null) return null;
    this.#hasMatch = true;
    if (this.#kind !== 'semi' && this.#kind !== 'anti') return kept;
    return this.#endOfRow(row);
  }

  #endOfRow(row: readonly Datum[]): ColumnBatch | null {
    const hasMatch = this.#hasMatch;
    this.#right?.close();
    this.#right = null;
    this.#hasMatch = false;
    this.#at++;
    if (this.#kind === 'left' && !hasMatch) {
      const left = batchOfRows([row], row.length);
      return { ...left, columns: [...left.columns, ...nullColumns(this.#rightWidth, 1)] };
    }
    const isKept = (this.#kind === 'semi' && hasMatch) || (this.#kind === 'anti' && !hasMatch);
    return isKept ? batchOfRows([row], row.length) : null;
  }
}

export function lateralOperator(
  plan: NestedLoop,
  kind: DrivenKind,
  left: Operator,
  runtime: Runtime,
): Operator {
  const bindings = (plan.bindings ?? []).map(({ slot, expression }) => ({
    slot,
    value: compileRow(expression),
  }));
  const open = (row: readonly Datum[]): Operator => {
    for (const { slot, value } of bindings) runtime.environment.slots[slot] = value(row, runtime.environment);
    return runtime.start(plan.right);
  };
  return new DrivenJoinOperator(left, kind, plan.condition, plan.right.types.length, open, runtime);
}

export function lookupJoinOperator(plan: LookupJoin, left: Operator, runtime: Runtime): Operator {
  if (plan.right.path.isPoint && plan.right.path.index === 0)
    return new PointJoinOperator(plan, left, runtime);
  const open = (row: readonly Datum[]): Operator => new TableScanOperator(plan.right, runtime, row);
  return new DrivenJoinOperator(left, plan.join, plan.residual, plan.right.types.length, open, runtime);
}

/** Rows of the right side by their whole primary key: a left batch's keys are asked for together. */
class PointJoinOperator implements Operator {
  readonly #plan: LookupJoin;
  readonly #left: Operator;
  readonly #runtime: Runtime;
  readonly #filter: ((row: readonly Datum[]) => boolean) | null;
  readonly #residual: ((row: readonly Datum[]) => boolean) | null;
  readonly #view: ReadView;
  #rows: readonly (readonly Datum[])[] | null = null;
  #found: readonly (FoundRow | null)[][] | null = null;

  constructor(plan: LookupJoin, left: Operator, runtime: Runtime) {
    this.#plan = plan;
    this.#left = left;
    this.#runtime = runtime;
    this.#view = viewOf(plan.right, runtime);
    this.#filter = testOf(plan.right.filter, runtime);
    this.#residual = testOf(plan.residual, runtime);
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      if (this.#rows === null) {
        const batch = this.#left.next();
        if (batch === null || batch instanceof Promise) return batch;
        this.#rows = rowsOf(batch);
      }
      const found = this.#found ?? this.#lookUp(this.#rows);
      if (found instanceof Promise) return found;
      const rows = this.#rows.flatMap((row, at) => this.#join(row, found[at]!));
      this.#rows = null;
      this.#found = null;
      if (rows.length > 0)
        return batchOfRows(
          rows,
          this.#plan.right.types.length * (this.#keepsRight ? 1 : 0) + this.#plan.left.types.length,
        );
    }
  }

  close(): void {
    this.#left.close();
    this.#rows = null;
  }

  get #keepsRight(): boolean {
    return this.#plan.join === 'inner' || this.#plan.join === 'left';
  }

  #lookUp(rows: readonly (readonly Datum[])[]): readonly (FoundRow | null)[][] | Promise<void> {
    const { reader } = this.#runtime.context;
    const { right } = this.#plan;
    const layout = right.table.layout;
    let isWaiting = false;
    const answers = rows.map((row) =>
      (pointKeyOf(right, this.#runtime.environment, row) ?? []).map((key) => {
        const answer = reader.get(layout, key, this.#view, right.attributes);
        if (answer instanceof Promise) isWaiting = true;
        return answer;
      }),
    );
    if (!isWaiting) return answers as (FoundRow | null)[][];
    return this.#await(answers);
  }

  async #await(answers: readonly (FoundRow | null | Promise<FoundRow | null>)[][]): Promise<void> {
    this.#found = await Promise.all(answers.map((row) => Promise.all(row)));
  }

  #join(row: readonly Datum[], found: readonly (FoundRow | null)[]): readonly (readonly Datum[])[] {
    const joined: (readonly Datum[])[] = [];
    for (const candidate of found) {
      if (candidate === null || this.#filter?.(candidate.values) === false) continue;
      const pair = [...row, ...candidate.values];
      if (this.#residual?.(pair) !== false) joined.push(pair);
    }
    switch (this.#plan.join) {
      case 'inner':
        return joined;
      case 'left':
        return joined.length > 0 ? joined : [[...row, ...this.#plan.right.types.map(() => null)]];
      case 'semi':
        return joined.length > 0 ? [row] : [];
      case 'anti':
        return joined.length > 0 ? [] : [row];
    }
  }
}

function testOf(condition: Expression | null, runtime: Runtime): ((row: readonly Datum[]) => boolean) | null {
  if (condition === null) return null;
  const test = compileRow(condition);
  return (row) => test(row, runtime.environment) === true;
}
