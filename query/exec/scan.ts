import { indexId } from '../../base/ids.ts';
import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import { type Datum, SqlRow } from '../../base/values/datum.ts';
import type { FoundRow, ReadView, Scan } from '../../materializers/rows/contract.ts';
import type { PhysicalPlan, TableScan } from '../plan/physical.ts';
import { hasSubquery } from '../plan/rewrite.ts';
import type { FunctionContext } from '../types/function.ts';
import { BatchFilter } from './batch-expressions.ts';
import { keyRangesOf, pointKeyOf, zonesOf } from './key-ranges.ts';
import { lazily } from './lazy-operator.ts';
import type { Environment, Operator, Runtime } from './operator.ts';
import { Pacer } from './pacer.ts';
import { RowOperator } from './pipeline.ts';
import { compileRow } from './row-compiler.ts';
import { batchesOfRows, batchOfRows } from './vectors.ts';

/** Rows of a table by its access path, filtered. */
export class TableScanOperator implements Operator {
  readonly #plan: TableScan;
  readonly #runtime: Runtime;
  readonly #row: readonly Datum[];
  readonly #filter: BatchFilter | null;
  readonly #view: ReadView;
  readonly #pacer: Pacer;
  #scan: Scan | null = null;
  #isDone = false;

  /** `row`: of the driving side of a join, where the path's conditions read one. */
  constructor(plan: TableScan, runtime: Runtime, row: readonly Datum[] = []) {
    this.#plan = plan;
    this.#row = row;
    this.#runtime = runtime;
    this.#filter = plan.filter === null ? null : new BatchFilter(plan.filter, runtime.environment);
    this.#view = viewOf(plan, runtime);
    this.#pacer = new Pacer(runtime);
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#isDone) return null;
    this.#scan ??= this.#open();
    const scan = this.#scan;
    for (;;) {
      const pause = this.#pacer.pause();
      if (pause !== null) return pause;
      const batch = this.#pacer.take();
      if (batch !== null) {
        const kept = this.#filter === null ? batch : this.#filter.apply(batch);
        if (kept !== null && kept.rowCount > 0) return kept;
        continue;
      }
      const pulled = scan.next();
      if (pulled instanceof Promise) return pulled;
      if (pulled === null) {
        this.close();
        return null;
      }
      this.#pacer.put(pulled);
    }
  }

  close(): void {
    this.#isDone = true;
    this.#scan?.close();
    this.#scan = null;
  }

  #open(): Scan {
    const plan = this.#plan;
    const view = this.#view;
    const { context, environment } = this.#runtime;
    const layout = plan.table.layout;
    const point = pointKeyOf(plan, environment, this.#row);
    if (point !== null) {
      const columns = plan.attributes;
      return new PointScan(
        point.map((key) => () => context.reader.get(layout, key, view, columns)),
        columns.length,
      );
    }
    const ranges = keyRangesOf(plan, environment, this.#row);
    if (ranges.length === 0) return emptyScan;
    return context.reader.scan({
      layout,
      index: indexId(plan.path.index),
      ranges,
      reverse: plan.path.reverse,
      view,
      columns: plan.attributes,
      zones: zonesOf(plan, environment),
      rowsWanted: plan.path.rowsWanted,
    });
  }
}

/** What a scan sees: the statement's view, or that of the moment which it names. */
export function viewOf({ moment }: TableScan, { context }: Runtime): ReadView {
  return moment === null ? context.view : context.momentAt(moment).view;
}

const emptyScan: Scan = { next: () => null, close: () => undefined };

type Lookup = () => FoundRow | null | Promise<FoundRow | null>;

/** Rows by their whole primary keys, asked for together. */
class PointScan implements Scan {
  #lookups: readonly Lookup[];
  readonly #width: number;
  #found: (FoundRow | null)[] = [];

  constructor(lookups: readonly Lookup[], width: number) {
    this.#lookups = lookups;
    this.#width = width;
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#lookups.length > 0 || this.#found.length > 0) {
      const taken = this.#lookups.slice(0, batchRowsMax);
      const answers = taken.map((lookup) => lookup());
      this.#lookups = this.#lookups.slice(batchRowsMax);
      if (answers.some((answer) => answer instanceof Promise)) return this.#await(answers);
      this.#found.push(...(answers as (FoundRow | null)[]));
      const batch = this.#take();
      if (batch !== null) return batch;
    }
    return null;
  }

  close(): void {
    this.#lookups = [];
    this.#found = [];
  }

  async #await(answers: readonly (FoundRow | null | Promise<FoundRow | null>)[]): Promise<void> {
    this.#found.push(...(await Promise.all(answers)));
  }

  #take(): ColumnBatch | null {
    const rows = this.#found.filter((found) => found !== null).map((found) => found.values);
    this.#found = [];
    return rows.length === 0 ? null : batchOfRows(rows, this.#width);
  }
}

/** Batches from an iterator, with the cancellation check of every source. */
class IteratorOperator implements Operator {
  readonly #pacer: Pacer;
  readonly #filter: BatchFilter | null;
  #batches: Iterator<ColumnBatch> | null = null;
  #open: (() => Iterable<ColumnBatch>) | null;

  constructor(runtime: Runtime, filter: BatchFilter | null, open: () => Iterable<ColumnBatch>) {
    this.#pacer = new Pacer(runtime);
    this.#filter = filter;
    this.#open = open;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#open === null) return null;
    this.#batches ??= this.#open()[Symbol.iterator]();
    for (;;) {
      const pause = this.#pacer.pause();
      if (pause !== null) return pause;
      const batch = this.#pacer.take();
      if (batch !== null) {
        const kept = this.#filter === null ? batch : this.#filter.apply(batch);
        if (kept !== null) return kept;
        continue;
      }
      const step = this.#batches.next();
      if (step.done === true) {
        this.#open = null;
        return null;
      }
      this.#pacer.put(step.value);
    }
  }

  close(): void {
    this.#batches?.return?.();
    this.#open = null;
  }
}

type Plan<Kind extends PhysicalPlan['kind']> = Extract<PhysicalPlan, { readonly kind: Kind }>;

export function valuesOperator(plan: Plan<'values'>, runtime: Runtime): Operator {
  if (plan.rows.some((row) => row.some(hasSubquery))) {
    const closures = plan.rows.map((row) => row.map(compileRow));
    return new RowOperator(singleRowOperator(runtime), plan.types.length, runtime.pause, (single) =>
      closures.map((row) => row.map((closure) => closure(single, runtime.environment))),
    );
  }
  const rows = function* (): Generator<readonly Datum[]> {
    for (const expressions of plan.rows) {
      yield expressions.map((expression) => compileRow(expression)([], runtime.environment));
    }
  };
  return new IteratorOperator(runtime, null, () => batchesOfRows(rows(), plan.types.length));
}

export function virtualScanOperator(plan: Plan<'virtual-scan'>, runtime: Runtime): Operator {
  const filter = plan.filter === null ? null : new BatchFilter(plan.filter, runtime.environment);
  const { context } = runtime;
  const { functions } = context;
  const { catalog } = plan.moment === null ? context : context.momentAt(plan.moment);
  return new IteratorOperator(runtime, filter, () =>
    batchesOfRows(plan.relation.rows(catalog, functions), plan.types.length),
  );
}

export function functionScanOperator(plan: Plan<'function-scan'>, runtime: Runtime): Operator {
  return lazily(() => {
    const operands = plan.arguments.map((argument) => compileRow(argument)([], runtime.environment));
    return new IteratorOperator(runtime, null, () =>
      batchesOfRows(functionScanRows(plan, operands, runtime.environment), plan.types.length),
    );
  });
}

function* functionScanRows(
  plan: Plan<'function-scan'>,
  operands: readonly Datum[],
  environment: Environment,
): Generator<readonly Datum[]> {
  let ordinal = 0;
  const width = plan.types.length - (plan.withOrdinality ? 1 : 0);
  for (const row of functionRows(plan.function, operands, environment, width)) {
    ordinal++;
    yield plan.withOrdinality ? [...row, ordinal] : row;
  }
}

/** The rows that a function in FROM makes; a scalar one makes one row, of a record's fields where it is one. */
function functionRows(
  callee: Plan<'function-scan'>['function'],
  operands: readonly Datum[],
  environment: Environment,
  width: number,
): Iterable<readonly Datum[]> {
  const hasNull = operands.includes(null);
  if (callee.kind === 'table') {
    return callee.isStrict && hasNull ? [] : callee.evaluate(environment.functions, ...operands);
  }
  if (callee.isStrict && hasNull) return [new Array<Datum>(width).fill(null)];
  const context: FunctionContext[] = callee.usesContext ? [environment.functions] : [];
  const value = callee.evaluate(...context, ...operands);
  return [value instanceof SqlRow && width > 1 ? value.fields : [value]];
}

/** One row without columns. */
export function singleRowOperator(runtime: Runtime): Operator {
  return new IteratorOperator(runtime, null, () => [{ rowCount: 1, columns: [], selection: null }]);
}
