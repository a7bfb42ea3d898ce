import { type Anomaly, isBefore, type Span } from './anomaly.ts';

/** A transaction that leaves a mark of its own, and what its client was told. */
export type MarkedTransaction = Span & {
  readonly id: string;
  readonly outcome: 'acknowledged' | 'refused' | 'unknown';
  /** `async`: it may be lost when another node becomes the primary. */
  readonly mode: 'sync' | 'semi-sync' | 'async';
  /**
   * Of the node that answered: of one node's transactions in one epoch, each is in the log after those answered before. Null:
   * another node may have committed it.
   */
  readonly primary: string | null;
};

/**
 * What was acknowledged is there, once; what was refused is not. What async loses is the end of what one primary
 * acknowledged: nothing that it took after a lost transaction is there.
 *
 * @param marks How often each transaction's mark is there in the end.
 */
export function checkAcknowledged(
  transactions: readonly MarkedTransaction[],
  marks: ReadonlyMap<string, number>,
): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  const add = (kind: string, description: string) => anomalies.push({ kind, description });
  const known = new Set(transactions.map(({ id }) => id));
  for (const id of marks.keys())
    if (!known.has(id)) add('from nowhere', `${id} is there, and nobody wrote it`);
  const lost: MarkedTransaction[] = [];
  for (const transaction of transactions) {
    const { id, outcome, mode } = transaction;
    const count = marks.get(id) ?? 0;
    if (count > 1) add('applied twice', `${id} is there ${count} times`);
    if (outcome === 'refused' && count > 0) add('refused and there', `${id} was refused and is there`);
    if (outcome !== 'acknowledged' || count > 0) continue;
    if (mode === 'async') lost.push(transaction);
    else add('lost', `${id} was acknowledged in ${mode} by ${transaction.primary} and is lost`);
  }
  for (const transaction of lost) {
    const later = transactions.find(
      (other) =>
        (marks.get(other.id) ?? 0) > 0 &&
        other.primary !== null &&
        other.primary === transaction.primary &&
        isBefore(transaction, other),
    );
    if (later === undefined) continue;
    add(
      'lost from the middle',
      `${transaction.id} of ${transaction.primary} is lost, and ${later.id}, which it took later, is there`,
    );
  }
  return anomalies;
}
