import type { EngineSession } from './session.ts';

/** What a setting that shows the session, or the node that it runs on, says now; null: its default. */
export function presentSetting({ engine, lastCommit }: EngineSession, key: string): string | null {
  const { replication } = engine;
  const isStandby = replication !== null && !replication.isPrimary;
  switch (key) {
    case 'alopex.last_commit':
      return lastCommit === null ? null : `${lastCommit.epoch}/${lastCommit.offset}`;
    case 'alopex.replication_mode':
      return replication?.mode ?? null;
    case 'in_hot_standby':
    case 'transaction_read_only':
      return isStandby ? 'on' : null;
    default:
      return null;
  }
}
