import type { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import type { ReplicationMode } from '../../../api/database/replication.ts';
import type { Copies } from '../checkers/copies.ts';
import type { Cluster } from './cluster.ts';

/** What is committed up to `end`, as the machines have it now; null: not its primary's answer, or the members change. */
export function copiesOf(
  cluster: Cluster,
  { engine }: EmbeddedDatabase,
  { id, mode, end }: { readonly id: string; readonly mode: ReplicationMode; readonly end: number },
): Copies | null {
  const { replica, log } = engine;
  if (replica === null || !replica.isPrimary) return null;
  const { membership, followers } = replica.range.status;
  if (membership.outgoing.length > 0) return null;
  const nodes = new Map(cluster.running.map(({ node }) => [node.id, node]));
  const voters = membership.members.filter(({ role }) => role !== 'learner');
  const running = voters.flatMap((voter) => nodes.get(voter.id) ?? []);
  const isBehind = (node: number): boolean => (nodes.get(node)?.log.flushedOffset ?? end) < end;
  const nowMs = engine.env.clock.monotonicMs();
  const isWitness = (node: number): boolean =>
    voters.some((voter) => voter.id === node && voter.role === 'witness');
  return {
    id,
    mode,
    voters: voters.length,
    having: running.filter((node) => node.log.flushedOffset >= end).length,
    unknown: voters.length - running.length,
    inSyncWithout: followers
      // One that is heard now may have come in sync after it was decided that nobody waits for it.
      .filter(({ id, isInSync, heardMs }) => isInSync && heardMs !== nowMs && !isWitness(id) && isBehind(id))
      .map(({ id }) => `node ${id}`),
    isHere: log.flushedOffset >= end,
  };
}
