import type { ParsedStatement } from '../../query/sql/parse.ts';
import type { TypeOid } from '../../query/types/type.ts';
import type { Prepared } from './statements/prepare.ts';

/** Statements whose plans are kept. */
const plansMax = 2000;
/** Longer texts are not kept: they rarely come twice. */
const textLengthMax = 20_000;

/** Plans by statement, shared by all sessions; the least recently used goes first. */
export class PlanCache {
  readonly #plans = new Map<string, Prepared>();

  key(statement: ParsedStatement, givenTypes: readonly TypeOid[], searchPath: string): string {
    return `${searchPath}\u0000${givenTypes.join()}\u0000${statement.source}`;
  }

  get(key: string): Prepared | undefined {
    const found = this.#plans.get(key);
    if (found !== undefined) {
      this.#plans.delete(key);
      this.#plans.set(key, found);
    }
    return found;
  }

  set(key: string, prepared: Prepared): void {
    if (key.length > textLengthMax) return;
    this.#plans.delete(key);
    this.#plans.set(key, prepared);
    if (this.#plans.size > plansMax) this.#plans.delete(this.#plans.keys().next().value!);
  }
}
