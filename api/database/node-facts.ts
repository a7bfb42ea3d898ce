import { AlopexError } from '../../base/errors.ts';
import type { NodeFacts } from '../../query/types/function.ts';
import { requireSuperuser } from './access.ts';
import type { EngineSession } from './session.ts';

/** The node that a session's statements run on, as of now. */
export function nodeFacts({ engine }: EngineSession): NodeFacts {
  const { replication, log } = engine;
  if (replication === null) {
    return { isStandby: false, highWatermark: log.highWatermark, applied: log.highWatermark };
  }
  const { highWatermark, applied } = replication.status;
  return { isStandby: !replication.isPrimary, highWatermark, applied };
}

/** pg_promote: whether the node is the primary within the time. */
export async function promote(session: EngineSession, waitMs: number): Promise<boolean> {
  requireSuperuser(session, 'pg_promote');
  const { clusterAdmin } = session.engine;
  if (clusterAdmin === null) {
    throw new AlopexError('object_not_in_prerequisite_state', 'recovery is not in progress');
  }
  try {
    await clusterAdmin.promote(false, waitMs);
    return true;
  } catch {
    session.notice(
      'WARNING',
      'warning',
      `server did not promote within ${Math.round(waitMs / 1000)} seconds`,
    );
    return false;
  }
}
