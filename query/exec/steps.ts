import type { ColumnBatch } from '../../base/values/column.ts';
import type { Operator } from './operator.ts';

/** An operator as a generator: a batch, or a promise that is awaited before the next step. */
export type Steps = Generator<ColumnBatch | Promise<void>, void, undefined>;

export function stepwise(steps: Steps): Operator {
  return {
    next() {
      const step = steps.next();
      return step.done === true ? null : step.value;
    },
    close: () => undefined,
  };
}
