import type { ColumnBatch } from '../../base/values/column.ts';
import type { CommonTablePlan } from '../plan/physical.ts';
import type { CommonTable, Operator, Runtime } from './operator.ts';
import { SeenRows } from './seen-rows.ts';
import { BatchList } from './spill/batch-list.ts';
import { type Steps, stepwise } from './steps.ts';

/** Rows of an operator that are kept as they are read, for any number of readers. */
export class KeptRows implements CommonTable {
  readonly #operator: Operator;
  readonly #batches: BatchList;
  #isDone = false;

  constructor(operator: Operator, runtime: Runtime) {
    this.#operator = operator;
    this.#batches = new BatchList(runtime);
  }

  batch(index: number): ColumnBatch | null | Promise<void> {
    while (index >= this.#batches.length) {
      if (this.#isDone) return null;
      const batch = this.#operator.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#isDone = true;
        return null;
      }
      const wait = this.#batches.append(batch);
      if (wait !== null) return wait;
    }
    return this.#batches.at(index);
  }

  close(): void {
    this.#operator.close();
    this.#batches.close();
    this.#isDone = true;
  }
}

/** Batches that are there already. */
function fixedTable(batches: BatchList): CommonTable {
  return { batch: (index) => batches.at(index), close: () => undefined };
}

/**
 * WITH RECURSIVE: the first term's rows, then the step's over the rows of the round before, until a round adds
 * none. UNION drops rows that were seen; UNION ALL ends by itself or by LIMIT.
 */
export class RecursiveOperator implements Operator {
  readonly #runtime: Runtime;
  readonly #step: (working: CommonTable) => Operator;
  readonly #seen: SeenRows | null;
  readonly #steps: Operator;
  #current: Operator;
  /** What the step reads. */
  #working: BatchList | null = null;
  #round: BatchList;

  constructor(plan: CommonTablePlan, runtime: Runtime, step: (working: CommonTable) => Operator) {
    this.#runtime = runtime;
    this.#step = step;
    const types = plan.plan.types.map((type) => type.oid);
    this.#seen = plan.recursive?.all === true ? null : new SeenRows(types, runtime);
    this.#current = runtime.start(plan.plan);
    this.#round = new BatchList(runtime);
    this.#steps = stepwise(this.#rounds());
  }

  next(): ColumnBatch | null | Promise<void> {
    return this.#steps.next();
  }

  close(): void {
    this.#current.close();
    this.#working?.close();
    this.#round.close();
    this.#seen?.close();
  }

  *#rounds(): Steps {
    for (;;) {
      for (let batch = this.#current.next(); batch !== null; batch = this.#current.next()) {
        if (batch instanceof Promise) yield batch;
        else if (this.#seen === null) yield* this.#add(batch);
        else yield* this.#added(this.#seen.take(batch));
      }
      if (this.#seen !== null) yield* this.#added(this.#seen.endRound());
      if (this.#round.length === 0) return;
      this.#nextRound();
      const pause = this.#runtime.pause();
      if (pause !== null) yield pause;
    }
  }

  *#added(fresh: Steps): Steps {
    for (const batch of fresh) {
      if (batch instanceof Promise) yield batch;
      else yield* this.#add(batch);
    }
  }

  *#add(batch: ColumnBatch): Steps {
    const wait = this.#round.append(batch);
    if (wait !== null) yield wait;
    yield batch;
  }

  #nextRound(): void {
    this.#current.close();
    this.#working?.close();
    this.#working = this.#round;
    this.#round = new BatchList(this.#runtime);
    this.#current = this.#step(fixedTable(this.#working));
  }
}

/** Reads a WITH query's rows from the start. */
export class CommonTableScan implements Operator {
  readonly #table: CommonTable;
  readonly #runtime: Runtime;
  #at = 0;

  constructor(table: CommonTable, runtime: Runtime) {
    this.#table = table;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    const pause = this.#runtime.pause();
    if (pause !== null) return pause;
    const batch = this.#table.batch(this.#at);
    if (batch !== null && !(batch instanceof Promise)) this.#at++;
    return batch;
  }

  close(): void {
    this.#at = Number.MAX_SAFE_INTEGER;
  }
}
