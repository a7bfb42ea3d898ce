import type { Anomaly } from './anomaly.ts';

/** One batch of one node's log; `checksum` is over all its bytes. */
export type LogBatch = {
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly epoch: number;
  readonly checksum: number;
};
export type NodeLog = {
  readonly node: string;
  readonly highWatermark: number;
  /** From its start to its end. */
  readonly batches: readonly LogBatch[];
};

/**
 * Each log is contiguous and its epochs never decrease. Below the high watermarks all have the same bytes; above, where
 * two have a batch of the same place and epoch, they have the same bytes up to it (log matching, thesis §3.5).
 */
export function checkLogs(logs: readonly NodeLog[]): readonly Anomaly[] {
  const anomalies = logs.flatMap(ownAnomalies);
  for (const [index, left] of logs.entries()) {
    for (const right of logs.slice(index + 1)) anomalies.push(...pairAnomalies(left, right));
  }
  return anomalies;
}

function ownAnomalies({ node, batches, highWatermark }: NodeLog): readonly Anomaly[] {
  const anomalies: Anomaly[] = [];
  for (const [index, batch] of batches.entries()) {
    const before = batches[index - 1];
    if (before === undefined) continue;
    if (before.endOffset !== batch.baseOffset) {
      anomalies.push({ kind: 'gap', description: `${node}: ${textOf(batch)} after ${textOf(before)}` });
    }
    if (before.epoch > batch.epoch) {
      anomalies.push({
        kind: 'epoch goes back',
        description: `${node}: ${textOf(batch)} after ${textOf(before)}`,
      });
    }
  }
  const end = batches.at(-1)?.endOffset;
  if (end !== undefined && end < highWatermark) {
    anomalies.push({
      kind: 'committed and not there',
      description: `${node} ends at ${end}, below its high watermark ${highWatermark}`,
    });
  }
  return anomalies;
}

function pairAnomalies(left: NodeLog, right: NodeLog): readonly Anomaly[] {
  const committed = Math.min(left.highWatermark, right.highWatermark);
  const others = new Map(right.batches.map((batch) => [batch.baseOffset, batch]));
  const [leftStart, rightStart] = [startOf(left), startOf(right)];
  let differing: LogBatch | null = null;
  for (const batch of left.batches) {
    if (batch.baseOffset < rightStart) continue;
    const other = others.get(batch.baseOffset);
    const isSame = other !== undefined && isEqual(batch, other);
    const texts = `${left.node} has ${textOf(batch)}, ${right.node} ${other === undefined ? 'none there' : textOf(other)}`;
    if (!isSame && batch.baseOffset < committed)
      return [{ kind: 'committed logs differ', description: texts }];
    if (isSame && differing !== null) {
      return [
        {
          kind: 'log matching',
          description: `${texts}, but they differ before, in ${textOf(differing)} of ${left.node}`,
        },
      ];
    }
    if (!isSame && other?.epoch === batch.epoch) return [{ kind: 'log matching', description: texts }];
    if (!isSame) differing ??= batch;
  }
  const missing = right.batches.find(
    ({ baseOffset, endOffset }) =>
      baseOffset >= leftStart && endOffset <= committed && !hasBatch(left, baseOffset),
  );
  if (missing === undefined) return [];
  return [
    {
      kind: 'committed logs differ',
      description: `${right.node} has ${textOf(missing)}, ${left.node} none there`,
    },
  ];
}

function startOf({ batches }: NodeLog): number {
  return batches[0]?.baseOffset ?? Number.POSITIVE_INFINITY;
}

function hasBatch({ batches }: NodeLog, baseOffset: number): boolean {
  return batches.some((batch) => batch.baseOffset === baseOffset);
}

function isEqual(left: LogBatch, right: LogBatch): boolean {
  return left.endOffset === right.endOffset && left.epoch === right.epoch && left.checksum === right.checksum;
}

function textOf({ baseOffset, endOffset, epoch, checksum }: LogBatch): string {
  return `[${baseOffset}, ${endOffset}) of epoch ${epoch} (${checksum.toString(16)})`;
}
