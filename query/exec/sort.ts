import type { ColumnBatch } from '../../base/values/column.ts';
import type { Expression } from '../plan/expression.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { BatchProjection } from './batch-expressions.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { RowSorter } from './sorter.ts';

type SortPlan = Extract<PhysicalPlan, { readonly kind: 'sort' }>;

/** ORDER BY. `limit`: how many rows are wanted at most. */
export class SortOperator implements Operator {
  readonly #input: Operator;
  /** Of the keys that are no columns of the rows. */
  readonly #computed: BatchProjection;
  readonly #isEmpty: boolean;
  readonly #share: MemoryShare;
  readonly #sorter: RowSorter;
  #isRead = false;

  constructor(plan: SortPlan, input: Operator, limit: number, runtime: Runtime) {
    this.#input = input;
    this.#isEmpty = limit === 0;
    const width = plan.types.length;
    const computed: Expression[] = [];
    const keysAt = plan.keys.map(({ expression }) =>
      expression.kind === 'column' ? expression.index : width + computed.push(expression) - 1,
    );
    this.#computed = new BatchProjection(computed, runtime.environment);
    const directions = plan.keys.map(({ expression, descending, nullsFirst }) => ({
      type: expression.type.oid,
      descending,
      nullsFirst,
    }));
    this.#share = runtime.memory.share(plan);
    this.#sorter = new RowSorter({ width, keysAt, directions }, limit, this.#share, runtime);
  }

  next(): ColumnBatch | null | Promise<void> {
    while (!this.#isRead) {
      const batch = this.#isEmpty ? null : this.#input.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#isRead = true;
        break;
      }
      const wait = this.#sorter.append(batch, this.#computed.apply(batch));
      if (wait !== null) return wait;
    }
    return this.#sorter.next();
  }

  close(): void {
    this.#input.close();
    this.#sorter.close();
    this.#share.close();
  }
}
