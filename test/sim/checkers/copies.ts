import type { Anomaly } from './anomaly.ts';

/** How many have a commit, in the moment in which it is answered. */
export type Copies = {
  readonly id: string;
  readonly mode: 'sync' | 'semi-sync' | 'async';
  /** Nodes that vote. */
  readonly voters: number;
  /** Of those, whose disks have it, and those of which nobody can say. */
  readonly having: number;
  readonly unknown: number;
  /** Replicas that are in sync, as the primary says, and do not have it. */
  readonly inSyncWithout: readonly string[];
  /** The primary's own disk. */
  readonly isHere: boolean;
};

/**
 * What each mode promises: async the primary's disk, semi-sync a quorum's, sync besides them every replica's that is in
 * sync.
 */
export function checkCopies(commits: readonly Copies[]): readonly Anomaly[] {
  return commits.flatMap(({ id, mode, voters, having, unknown, inSyncWithout, isHere }) => {
    const without = (what: string): Anomaly => ({
      kind: 'too few copies',
      description: `${id} was acknowledged in ${mode} ${what}`,
    });
    if (!isHere) return without("before the primary's disk had it");
    if (mode === 'async') return [];
    if (having + unknown <= voters / 2) return without(`by ${having} of ${voters} voters`);
    if (mode === 'sync' && inSyncWithout.length > 0)
      return without(`without ${inSyncWithout.join(', ')}, in sync`);
    return [];
  });
}
