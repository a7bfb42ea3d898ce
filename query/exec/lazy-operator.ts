import type { ColumnBatch } from '../../base/values/column.ts';
import { type Operator, PageWait } from './operator.ts';

/** An operator that is made when it is first asked; what making it evaluates may wait for pages. */
export function lazily(open: () => Operator): Operator {
  return new LazyOperator(open);
}

class LazyOperator implements Operator {
  readonly #open: () => Operator;
  #operator: Operator | null = null;

  constructor(open: () => Operator) {
    this.#open = open;
  }

  get affectedRows(): number {
    return (this.#operator as { readonly affectedRows?: number } | null)?.affectedRows ?? 0;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#operator === null) {
      try {
        this.#operator = this.#open();
      } catch (thrown) {
        if (thrown instanceof PageWait) return thrown.promise;
        throw thrown;
      }
    }
    return this.#operator.next();
  }

  close(): void {
    this.#operator?.close();
  }
}
