import { invariant } from '../../base/unreachable.ts';
import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { Expression } from '../plan/expression.ts';
import type { Modification } from '../plan/logical.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { hasSubquery } from '../plan/rewrite.ts';
import type { ModifyResult, RowEvaluator, RowSource, StatementWriter } from './contract.ts';
import { type Operator, PageWait, type Runtime } from './operator.ts';
import { compileRow, type RowFunction } from './row-compiler.ts';
import { rowsOf } from './rows.ts';
import { batchesOfRows } from './vectors.ts';

type Row = readonly Datum[];
type ModifyPlan = Extract<PhysicalPlan, { readonly kind: 'modify' }>;
type LockPlan = Extract<PhysicalPlan, { readonly kind: 'lock-rows' }>;

function writerOf(runtime: Runtime): StatementWriter {
  const { writer } = runtime.context;
  invariant(writer !== null, 'a statement that writes has a writer');
  return writer;
}

/** Compiles for the writer, which calls synchronously: while it does, subplans do not yield. */
function evaluatorOf(runtime: Runtime): RowEvaluator {
  return {
    compile(expression) {
      const closure = compileRow(expression);
      return (row) => runtime.withoutPauses(() => closure(row, runtime.environment));
    },
  };
}

/** INSERT, UPDATE, DELETE: hands the input's rows to the writer. */
export class ModifyOperator implements Operator {
  readonly #plan: ModifyPlan;
  readonly #input: Operator;
  readonly #runtime: Runtime;
  #result: ModifyResult | null = null;
  #output: Iterator<ColumnBatch> | null = null;

  constructor(plan: ModifyPlan, input: Operator, runtime: Runtime) {
    this.#plan = plan;
    this.#input = input;
    this.#runtime = runtime;
  }

  get affectedRows(): number {
    return this.#result?.affectedRows ?? 0;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#result === null) return this.#run();
    this.#output ??= batchesOfRows(this.#result.returned, this.#plan.types.length);
    return this.#output.next().value ?? null;
  }

  close(): void {
    this.#input.close();
  }

  async #run(): Promise<void> {
    const { context } = this.#runtime;
    const { modification } = this.#plan;
    const source = new InputRows(this.#input, subqueriesOf(modification), this.#runtime);
    const writer = writerOf(this.#runtime);
    this.#result = await writer.modify(modification, source, evaluatorOf(this.#runtime), context);
  }
}

/** Expressions of a modification that have subqueries and are evaluated over its input row. */
function subqueriesOf(modification: Modification): readonly Expression[] {
  const expressions: Expression[] = [...(modification.returning ?? [])];
  if (modification.kind === 'update') expressions.push(...modification.assignments.map(({ value }) => value));
  if (modification.kind !== 'insert' && modification.recheck !== null) expressions.push(modification.recheck);
  return expressions.filter(hasSubquery);
}

/**
 * The input's rows as the writer takes them. Subqueries that the writer will ask for are answered here first,
 * where waiting for storage is possible: their answers are kept by the values that they depend on.
 */
class InputRows implements RowSource {
  readonly #input: Operator;
  readonly #warmed: readonly RowFunction[];
  readonly #runtime: Runtime;

  constructor(input: Operator, subqueries: readonly Expression[], runtime: Runtime) {
    this.#input = input;
    this.#warmed = subqueries.map(compileRow);
    this.#runtime = runtime;
  }

  next(): readonly Row[] | null | Promise<readonly Row[] | null> {
    const batch = this.#input.next();
    if (batch instanceof Promise) return this.#resume(batch);
    if (batch === null) return null;
    const rows = rowsOf(batch);
    return this.#warmed.length === 0 ? rows : this.#warm(rows);
  }

  close(): void {
    this.#input.close();
  }

  async #resume(wait: Promise<void>): Promise<readonly Row[] | null> {
    await wait;
    return this.next();
  }

  async #warm(rows: readonly Row[]): Promise<readonly Row[]> {
    for (const row of rows) {
      for (const closure of this.#warmed) {
        await untilAnswered(() => closure(row, this.#runtime.environment));
      }
    }
    return rows;
  }
}

async function untilAnswered<Answer>(evaluate: () => Answer): Promise<Answer> {
  for (;;) {
    try {
      return evaluate();
    } catch (thrown) {
      if (!(thrown instanceof PageWait)) throw thrown;
      await thrown.promise;
    }
  }
}

/** FOR UPDATE and its kin: locks each row's base rows, and drops or replaces rows that have changed meanwhile. */
export class LockOperator implements Operator {
  readonly #plan: LockPlan;
  readonly #input: Operator;
  readonly #runtime: Runtime;
  #ready: ColumnBatch[] = [];

  constructor(plan: LockPlan, input: Operator, runtime: Runtime) {
    this.#plan = plan;
    this.#input = input;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    const ready = this.#ready.shift();
    if (ready !== undefined) return ready;
    const batch = this.#input.next();
    if (batch === null || batch instanceof Promise) return batch;
    return this.#lock(rowsOf(batch));
  }

  close(): void {
    this.#input.close();
  }

  async #lock(rows: readonly Row[]): Promise<void> {
    const plan = this.#plan;
    const writer = writerOf(this.#runtime);
    const test = plan.recheck === null ? null : evaluatorOf(this.#runtime).compile(plan.recheck);
    const recheck = (row: Row): boolean => test === null || test(row) === true;
    const locked: Row[] = [];
    for (const row of rows) {
      let current: Row | null = row;
      for (const target of plan.targets) {
        current = await writer.lock(target, current, plan.strength, plan.wait, recheck);
        if (current === null) break;
      }
      if (current !== null) locked.push(current);
    }
    this.#ready = [...batchesOfRows(locked, plan.types.length)];
  }
}
