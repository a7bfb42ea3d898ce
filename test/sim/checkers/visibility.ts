import type { Anomaly } from './anomaly.ts';

/** A session, or another one that has its await token, looks for what it wrote. */
export type OwnRead = { readonly id: string; readonly at: string; readonly isSeen: boolean };

/** A session reads what it has written, on whatever node. */
export function checkOwnReads(reads: readonly OwnRead[]): readonly Anomaly[] {
  return reads.flatMap(({ id, at, isSeen }) =>
    isSeen ? [] : { kind: 'own write not seen', description: `${id} is not seen by ${at}` },
  );
}

/** What was read, where the answer may be so old at most. Times are of one clock. */
export type FreshRead = {
  readonly at: string;
  readonly calledMs: number;
  readonly stalenessMsMax: number;
  readonly seen: ReadonlySet<string>;
};

/** @param answeredMs When each write was acknowledged. */
export function checkFreshReads(
  reads: readonly FreshRead[],
  answeredMs: ReadonlyMap<string, number>,
): readonly Anomaly[] {
  return reads.flatMap(({ at, calledMs, stalenessMsMax, seen }) => {
    for (const [id, answered] of answeredMs) {
      if (seen.has(id) || answered >= calledMs - stalenessMsMax) continue;
      const ageMs = Math.round(calledMs - answered);
      return {
        kind: 'stale',
        description: `${at} does not see ${id}, acknowledged ${ageMs} ms before: ${stalenessMsMax} ms were allowed`,
      };
    }
    return [];
  });
}
