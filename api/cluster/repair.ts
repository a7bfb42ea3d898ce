import type { Env } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { generationIn } from '../../log/range/states.ts';
import { segmentNames } from '../../log/segment/name.ts';
import type { ClusterLink } from './cluster-link.ts';
import { fetchRows, mustBeOf, stateOf } from './install.ts';
import type { SnapshotOffer } from './snapshots.ts';

/** How often all other nodes are asked for rows, and how long between. */
const attemptsMax = 120;
const pauseMs = 500;

/**
 * Rows of any other node from which this one's own log goes on; they lie ready to be installed. Null: given up. Rejects with
 * what the last node said.
 */
export async function fetchSoundRows(
  { disk, clock }: Env,
  { mesh, members, states }: Pick<ClusterLink, 'mesh' | 'members' | 'states'>,
  path: string,
  isGivenUp: () => boolean,
): Promise<SnapshotOffer | null> {
  const start = await logStart({ disk }, path);
  let problem: unknown = new AlopexError('cannot_connect_now', 'there is no other node');
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (isGivenUp()) return null;
    if (attempt > 0) await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
    for (const { id } of members) {
      try {
        const offer = await fetchRows(disk, mesh, id, path);
        mustBeOf(generationIn(stateOf(states)), offer);
        if (offer.offset >= start) return offer;
        problem = new AlopexError(
          'snapshot_too_old',
          `the rows of node ${id} end before this node's log begins`,
        );
      } catch (thrown) {
        problem = thrown;
      }
    }
  }
  throw problem;
}

async function logStart({ disk }: Pick<Env, 'disk'>, path: string): Promise<Offset> {
  const [first] = segmentNames(await disk.list(`${path}/log`));
  return first?.base ?? (0 as Offset);
}
