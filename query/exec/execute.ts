import { AlopexError } from '../../base/errors.ts';
import { unreachable } from '../../base/unreachable.ts';
import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../plan/logical.ts';
import type { CommonTablePlan, PhysicalPlan, Statement } from '../plan/physical.ts';
import { hasSubquery } from '../plan/rewrite.ts';
import { aggregateOperator } from './aggregate.ts';
import { CommonTableScan, KeptRows, RecursiveOperator } from './common-tables.ts';
import type { Cursor, ExecutionContext } from './contract.ts';
import { DistinctOperator } from './distinct.ts';
import { lateralOperator, lookupJoinOperator } from './join-driven.ts';
import { hashJoinOperator, nestedLoopOperator } from './join-kept.ts';
import { lazily } from './lazy-operator.ts';
import { StatementMemory } from './memory.ts';
import type { Actual, CommonTable, Environment, Operator, Runtime } from './operator.ts';
import {
  AppendOperator,
  filterOperator,
  LimitOperator,
  limitOf,
  projectOperator,
  projectSetOperator,
  rowFilterOperator,
  rowProjectOperator,
} from './pipeline.ts';
import {
  functionScanOperator,
  singleRowOperator,
  TableScanOperator,
  valuesOperator,
  virtualScanOperator,
} from './scan.ts';
import { setOperator } from './set-operation.ts';
import { SortOperator } from './sort.ts';
import { CachedSubplans } from './subplans.ts';
import { LockOperator, ModifyOperator } from './writes.ts';

/** Starts a statement. `actuals`, where given, is filled with what each plan node did: EXPLAIN ANALYZE. */
export function execute(
  statement: Statement,
  context: ExecutionContext,
  actuals: Map<PhysicalPlan, Actual> | null = null,
): Cursor {
  const memory = new StatementMemory(statement.root, context, actuals);
  const slots = new Array<Datum>(statement.slotCount).fill(null);
  const runtime = newRuntime({ context, memory, actuals }, new Map(), slots);
  const operator = lazily(() => start(statement.root, runtime));
  return new StatementCursor(statement.columns, operator, runtime);
}

/** Of an operator that writes, or that passes the rows of one on. */
function affectedRowsOf(operator: Operator): number {
  return (operator as { readonly affectedRows?: number }).affectedRows ?? 0;
}

/** A cursor that is closed before its end never says that it has come there. */
class StatementCursor implements Cursor {
  readonly columns: readonly OutputColumn[];
  readonly #operator: Operator;
  readonly #runtime: Runtime;
  #state: 'open' | 'ended' | 'closed' = 'open';

  constructor(columns: readonly OutputColumn[], operator: Operator, runtime: Runtime) {
    this.columns = columns;
    this.#operator = operator;
    this.#runtime = runtime;
  }

  get affectedRows(): number {
    return affectedRowsOf(this.#operator);
  }

  next(): ColumnBatch | null | Promise<ColumnBatch | null> {
    if (this.#state === 'ended') return null;
    this.#requireOpen();
    const batch = this.#step();
    return batch instanceof Promise ? this.#resume(batch) : batch;
  }

  close(): void {
    this.#leave('closed');
  }

  #leave(state: 'ended' | 'closed'): void {
    if (this.#state !== 'open') return;
    this.#state = state;
    this.#operator.close();
    this.#runtime.environment.subplans.close();
  }

  /** The session, or its transaction, may come to an end while a statement waits. */
  #requireOpen(): void {
    if (this.#state === 'open') return;
    this.#runtime.context.checkCancelled();
    throw new AlopexError('query_canceled', 'the statement was ended before it was done');
  }

  /** The end and an error close the cursor: what it holds is given back. */
  #step(): ColumnBatch | null | Promise<void> {
    try {
      const batch = this.#operator.next();
      if (batch === null) this.#leave('ended');
      return batch;
    } catch (error) {
      this.close();
      throw error;
    }
  }

  async #resume(wait: Promise<void>): Promise<ColumnBatch | null> {
    let pending = wait;
    for (;;) {
      try {
        await pending;
      } catch (error) {
        this.close();
        throw error;
      }
      this.#requireOpen();
      const batch = this.#step();
      if (!(batch instanceof Promise)) return batch;
      pending = batch;
    }
  }
}

function newRuntime(
  shared: Pick<Runtime, 'context' | 'memory' | 'actuals'>,
  commonTables: Map<number, CommonTable>,
  slots: Environment['slots'],
): Runtime {
  const { context } = shared;
  let pausesOff = 0;
  const environment: Environment = {
    parameters: context.parameters,
    slots,
    functions: context.functions,
    subplans: new CachedSubplans(() => runtime),
  };
  const runtime: Runtime = {
    ...shared,
    environment,
    commonTables,
    start: (plan) => start(plan, runtime),
    pause() {
      context.checkCancelled();
      return pausesOff > 0 ? null : context.slice();
    },
    withoutPauses(run) {
      pausesOff++;
      try {
        return run();
      } finally {
        pausesOff--;
      }
    },
  };
  return runtime;
}

/** The same execution with other WITH queries in sight; subplans that read them answer anew. */
function nestedRuntime(runtime: Runtime, commonTables: Map<number, CommonTable>): Runtime {
  return newRuntime(runtime, commonTables, runtime.environment.slots);
}

function start(plan: PhysicalPlan, runtime: Runtime): Operator {
  const operator = operatorOf(plan, runtime);
  return runtime.actuals === null
    ? operator
    : new MeasuredOperator(operator, plan, runtime.actuals, () => runtime.context.functions.clockMicros());
}

function operatorOf(plan: PhysicalPlan, runtime: Runtime): Operator {
  const { environment } = runtime;
  switch (plan.kind) {
    case 'table-scan':
      return new TableScanOperator(plan, runtime);
    case 'virtual-scan':
      return virtualScanOperator(plan, runtime);
    case 'values':
      return valuesOperator(plan, runtime);
    case 'function-scan':
      return functionScanOperator(plan, runtime);
    case 'single-row':
      return singleRowOperator(runtime);
    case 'filter': {
      const input = start(plan.input, runtime);
      return hasSubquery(plan.condition)
        ? rowFilterOperator(input, plan.condition, plan.types.length, runtime)
        : filterOperator(input, plan.condition, environment);
    }
    case 'project': {
      const input = start(plan.input, runtime);
      return plan.expressions.some(hasSubquery)
        ? rowProjectOperator(input, plan.expressions, runtime)
        : projectOperator(input, plan.expressions, environment);
    }
    case 'project-set':
      return projectSetOperator(start(plan.input, runtime), plan.items, runtime);
    case 'hash-join':
      return hashJoinOperator(plan, start(plan.left, runtime), start(plan.right, runtime), runtime);
    case 'nested-loop':
      return nestedLoop(plan, runtime);
    case 'lookup-join':
      return lookupJoinOperator(plan, start(plan.left, runtime), runtime);
    case 'aggregate':
      return aggregateOperator(plan, start(plan.input, runtime), runtime);
    case 'distinct':
      return new DistinctOperator(plan, start(plan.input, runtime), runtime);
    case 'sort':
      return lazily(() => sort(plan, runtime));
    case 'limit':
      return lazily(() => {
        const { count, offset } = limitOf(plan.count, plan.offset, environment);
        return new LimitOperator(start(plan.input, runtime), count, offset);
      });
    case 'append':
      return new AppendOperator(plan.inputs.map((input) => () => start(input, runtime)));
    case 'set-operation':
      return setOperator(plan, start(plan.left, runtime), start(plan.right, runtime), runtime);
    case 'with':
      return withOperator(plan, runtime);
    case 'cte-scan':
      return new CommonTableScan(runtime.commonTables.get(plan.id)!, runtime);
    case 'lock-rows':
      return new LockOperator(plan, start(plan.input, runtime), runtime);
    case 'modify':
      return new ModifyOperator(plan, start(plan.input, runtime), runtime);
    default:
      return unreachable(plan);
  }
}

type Plan<Kind extends PhysicalPlan['kind']> = Extract<PhysicalPlan, { readonly kind: Kind }>;

function nestedLoop(plan: Plan<'nested-loop'>, runtime: Runtime): Operator {
  const left = start(plan.left, runtime);
  if (plan.bindings === null) return nestedLoopOperator(plan, left, start(plan.right, runtime), runtime);
  const kind = plan.join;
  if (kind === 'right' || kind === 'full') throw new Error(`a lateral join is not ${kind}`);
  return lateralOperator(plan, kind, left, runtime);
}

function sort(plan: Plan<'sort'>, runtime: Runtime): Operator {
  const limit =
    plan.limit === null ? null : limitOf(plan.limit.count, plan.limit.offset, runtime.environment);
  const wanted = limit === null ? Number.POSITIVE_INFINITY : limit.count + limit.offset;
  return new SortOperator(plan, start(plan.input, runtime), wanted, runtime);
}

/** WITH: its queries start when they are read; those that write run to their end, read or not. */
function withOperator(plan: Plan<'with'>, runtime: Runtime): Operator {
  const tables = new Map(runtime.commonTables);
  const nested = nestedRuntime(runtime, tables);
  const writing: KeptRows[] = [];
  const opened: CommonTable[] = [];
  for (const definition of plan.definitions) {
    const table = new KeptRows(definitionOperator(definition, nested, tables), nested);
    tables.set(definition.id, table);
    opened.push(table);
    if (definition.plan.kind === 'modify') writing.push(table);
  }
  return new WithOperator(start(plan.input, nested), writing, opened, nested);
}

function definitionOperator(
  definition: CommonTablePlan,
  runtime: Runtime,
  tables: ReadonlyMap<number, CommonTable>,
): Operator {
  const { recursive } = definition;
  if (recursive === null) return lazily(() => start(definition.plan, runtime));
  return lazily(
    () =>
      new RecursiveOperator(definition, runtime, (working) => {
        const round = nestedRuntime(runtime, new Map(tables).set(definition.id, working));
        return closing(start(recursive.step, round), round);
      }),
  );
}

/** The operator, which ends its runtime's subplans with it. */
function closing(operator: Operator, runtime: Runtime): Operator {
  return {
    next: () => operator.next(),
    close() {
      operator.close();
      runtime.environment.subplans.close();
    },
  };
}

class WithOperator implements Operator {
  readonly #input: Operator;
  readonly #writing: readonly KeptRows[];
  readonly #tables: readonly CommonTable[];
  readonly #runtime: Runtime;
  #written = 0;
  #place = 0;

  constructor(
    input: Operator,
    writing: readonly KeptRows[],
    tables: readonly CommonTable[],
    runtime: Runtime,
  ) {
    this.#input = input;
    this.#writing = writing;
    this.#tables = tables;
    this.#runtime = runtime;
  }

  get affectedRows(): number {
    return affectedRowsOf(this.#input);
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#written < this.#writing.length) {
      const batch = this.#writing[this.#written]!.batch(this.#place);
      if (batch instanceof Promise) return batch;
      if (batch !== null) {
        this.#place++;
        continue;
      }
      this.#written++;
      this.#place = 0;
    }
    return this.#input.next();
  }

  close(): void {
    this.#input.close();
    for (const table of this.#tables) table.close();
    this.#runtime.environment.subplans.close();
  }
}

/** Counts what an operator does. */
class MeasuredOperator implements Operator {
  readonly #operator: Operator;
  readonly #actual: Actual;
  readonly #clockMicros: () => number;

  constructor(
    operator: Operator,
    plan: PhysicalPlan,
    actuals: Map<PhysicalPlan, Actual>,
    clockMicros: () => number,
  ) {
    this.#operator = operator;
    this.#clockMicros = clockMicros;
    const actual = actuals.get(plan) ?? { rows: 0, loops: 0, milliseconds: 0, spilledBytes: 0 };
    actuals.set(plan, actual);
    actual.loops++;
    this.#actual = actual;
  }

  get affectedRows(): number {
    return affectedRowsOf(this.#operator);
  }

  next(): ColumnBatch | null | Promise<void> {
    const start = this.#clockMicros();
    const batch = this.#operator.next();
    this.#actual.milliseconds += (this.#clockMicros() - start) / 1000;
    if (batch !== null && !(batch instanceof Promise)) {
      this.#actual.rows += batch.selection === null ? batch.rowCount : batch.selection.length;
    }
    return batch;
  }

  close(): void {
    this.#operator.close();
  }
}
