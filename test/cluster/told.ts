import { AlopexError } from '../../api/index.ts';

/** What a client was told. `unknown`: it may have happened, or still happen. */
export type Told<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

/** Nothing of it has happened, nor will: 40001, 40P01, 25006, 57P03. */
const refusals: ReadonlySet<string> = new Set(['40001', '40P01', '25006', '57P03']);
/** Nobody can say: 08006, 40003, 57P01, and 08003 of a client that gave up. */
const uncertainties: ReadonlySet<string> = new Set(['08006', '08003', '40003', '57P01']);

/** Null: an error that no failover explains. */
export function toldBy(error: unknown): Told<never> | null {
  if (!(error instanceof AlopexError)) return null;
  if (refusals.has(error.code)) return { kind: 'refused' };
  return uncertainties.has(error.code) ? { kind: 'unknown' } : null;
}
