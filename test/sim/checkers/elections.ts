import type { Anomaly } from './anomaly.ts';

/** Where each epoch of a log begins, ascending, and where the log ends; what is not flushed yet counts, but has no epochs here. */
export type LogShape = {
  readonly epochs: readonly { readonly epoch: number; readonly startOffset: number }[];
  readonly flushedOffset: number;
  readonly endOffset: number;
};
/** What a run shows, in the order in which it happened. */
export type ElectionEvent =
  | {
      readonly kind: 'leader';
      readonly node: string;
      readonly epoch: number;
      readonly log: LogShape;
      /** It answers reads without asking. */
      readonly hasLease: boolean;
    }
  /** A node learned that everything below `offset`, where `epoch` was written last, is committed. */
  | { readonly kind: 'committed'; readonly node: string; readonly offset: number; readonly epoch: number }
  /** A member has this epoch, in whatever life of its machine. */
  | { readonly kind: 'epoch'; readonly member: number; readonly epoch: number };

/**
 * Election safety: of an epoch at most one node is the leader. Leader completeness: it has everything that was committed
 * in an earlier one (thesis §3.6.3); by log matching, it is enough that the last committed place is in its log. It commits by
 * counting nothing of earlier epochs (§3.6.2). A member's epoch never goes back (§3.8). No leader has a lease while a later one
 * leads (§6.4.1).
 */
export function checkElections(events: readonly ElectionEvent[]): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  const leaders = new Map<number, string>();
  const epochs = new Map<number, number>();
  const counted = new Map<string, { readonly epoch: number; readonly offset: number }>();
  const places = new Map<string, { readonly epoch: number; readonly offset: number }>();
  let committed = { offset: 0, epoch: 0, node: 'nobody' };
  let newest = { epoch: 0, node: 'nobody' };
  for (const event of events) {
    if (event.kind === 'epoch') {
      const before = epochs.get(event.member) ?? 0;
      if (event.epoch < before) {
        const description = `node ${event.member} was in epoch ${before}, and now is in ${event.epoch}`;
        anomalies.push({ kind: 'epoch forgotten', description });
      }
      epochs.set(event.member, event.epoch);
      continue;
    }
    if (event.kind === 'committed') {
      places.set(event.node, event);
      if (event.offset > committed.offset) committed = event;
      continue;
    }
    const { node, epoch, log, hasLease } = event;
    if (epoch > newest.epoch) newest = { epoch, node };
    else if (epoch < newest.epoch && hasLease) {
      const description = `${node} has a lease of epoch ${epoch}, and ${newest.node} leads epoch ${newest.epoch}`;
      anomalies.push({ kind: 'stale lease', description });
    }
    const [before, place] = [counted.get(node), places.get(node)];
    if (place !== undefined) {
      // It has come further in this lead, and not to anything of this lead.
      if (before?.epoch === epoch && place.offset > before.offset && place.epoch < epoch) {
        const description = `${node}, leader of epoch ${epoch}, committed up to ${place.offset}, of epoch ${place.epoch}`;
        anomalies.push({ kind: 'committed by counting', description });
      }
      counted.set(node, { epoch, offset: place.offset });
    }
    const other = leaders.get(epoch) ?? node;
    leaders.set(epoch, node);
    if (other !== node) {
      anomalies.push({ kind: 'two leaders', description: `${other} and ${node} lead epoch ${epoch}` });
    }
    // What later epochs committed, an old leader that does not know of them has not.
    if (epoch < committed.epoch || committed.offset === 0) continue;
    const isShort = log.endOffset < committed.offset;
    const epochThere = epochBefore(log, committed.offset);
    if (!isShort && (epochThere === null || epochThere === committed.epoch)) continue;
    const has = isShort ? `its log ends at ${log.endOffset}` : `there it has epoch ${epochThere}`;
    anomalies.push({
      kind: 'incomplete leader',
      description: `${node} leads epoch ${epoch} without what is committed below ${committed.offset} (epoch ${committed.epoch}, known to ${committed.node}): ${has}`,
    });
  }
  return anomalies;
}

/** Of the batch that ends at an offset; null where the log begins later, for a snapshot has it, or is not flushed so far. */
function epochBefore({ epochs, flushedOffset }: LogShape, offset: number): number | null {
  if (offset > flushedOffset) return null;
  return epochs.findLast(({ startOffset }) => startOffset < offset)?.epoch ?? null;
}
