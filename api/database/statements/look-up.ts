import type { Datum } from '../../../base/values/datum.ts';
import type { PointRead } from '../../../query/exec/point-read.ts';
import type { Rows } from '../contract.ts';
import type { EngineSession } from '../session.ts';

/** A lookup by primary key, without operators; outside a transaction block without a transaction too. */
export function lookUp(
  { engine, transaction }: EngineSession,
  lookup: PointRead,
  parameters: readonly Datum[],
): Rows | Promise<Rows> {
  const { transactions } = engine;
  if (transaction === null)
    return lookup(engine.reader, { at: transactions.visible, pending: null }, parameters);
  const rows = lookup(transactions.reader(transaction), transactions.view(transaction), parameters);
  transactions.endStatement(transaction);
  return rows;
}
