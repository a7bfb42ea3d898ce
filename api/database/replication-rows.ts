import type { Datum } from '../../base/values/datum.ts';
import { Interval } from '../../base/values/datum.ts';
import { lsnText } from '../../query/types/functions/node.ts';
import type { Engine } from './engine.ts';
import type { NodeStatus, Replication } from './replication.ts';

type SystemRow = Readonly<Record<string, Datum>>;

/** alopex.replication: a row for each node. */
export function* replicationRows({ replication }: Engine): Iterable<SystemRow> {
  if (replication === null) return;
  const { nodes, highWatermark } = replication.status;
  for (const { id, role, client, mesh, isSelf, match, isInSync, silentMs, state } of nodes) {
    yield {
      node: id,
      role,
      client,
      mesh,
      is_self: isSelf,
      position: match,
      lag: match === null ? null : Math.max(0, highWatermark - match),
      is_in_sync: isInSync,
      silent_ms: silentMs,
      state,
    };
  }
}

/** alopex.cluster: one row. */
export function* clusterRows({ replication }: Engine): Iterable<SystemRow> {
  if (replication === null) return;
  const { cluster, mode, epoch, highWatermark, applied, failover } = replication.status;
  yield {
    name: cluster,
    mode,
    epoch,
    high_watermark: highWatermark,
    applied,
    staleness_ms: replication.stalenessMs,
    failover,
  };
}

/** alopex.statements: what this node has executed since it started, and what it has sent to others. */
export function* statementRows({ replication, executed }: Engine): Iterable<SystemRow> {
  yield {
    node: replication?.self ?? null,
    reads: executed.reads,
    writes: executed.writes,
    forwarded_reads: executed.forwardedReads,
    forwarded_writes: executed.forwardedWrites,
  };
}

/** pg_stat_replication: who follows this node, as PostgreSQL's tools look for it on the primary. */
export function* walSenderRows({ replication }: Engine): Iterable<SystemRow> {
  if (replication === null || !replication.isPrimary) return;
  for (const node of replication.status.nodes) {
    if (!node.isSelf) yield walSenderRow(replication, node);
  }
}

function walSenderRow({ status, mode }: Replication, node: NodeStatus): SystemRow {
  const position = node.match === null ? null : lsnText(node.match);
  const isUpToDate = node.match !== null && node.match >= status.highWatermark;
  const lag =
    isUpToDate || node.silentMs === null ? null : new Interval(0, 0, Math.round(node.silentMs * 1000));
  return {
    pid: node.id,
    usename: 'alopex',
    application_name: `node${node.id}`,
    client_addr: node.mesh.slice(0, node.mesh.lastIndexOf(':')),
    client_port: Number(node.mesh.slice(node.mesh.lastIndexOf(':') + 1)),
    state: node.isInSync ? 'streaming' : 'catchup',
    sent_lsn: position,
    write_lsn: position,
    flush_lsn: position,
    replay_lsn: position,
    write_lag: lag,
    flush_lag: lag,
    replay_lag: lag,
    sync_priority: mode === 'async' ? 0 : 1,
    sync_state: syncState(mode, node),
  };
}

/** Every replica in sync is waited for in sync mode; in semi-sync mode as many as make a quorum. */
function syncState(mode: Replication['mode'], { isInSync }: NodeStatus): string {
  if (mode === 'async') return 'async';
  if (!isInSync) return 'potential';
  return mode === 'sync' ? 'sync' : 'quorum';
}
