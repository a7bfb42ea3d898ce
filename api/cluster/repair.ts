import { utf8ToString } from '../../base/bytes/utf8.ts';
import type { Env } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { type Offset, offset } from '../../base/ids.ts';
import type { LogReplication } from '../../log/log.ts';
import { noMembership } from '../../log/raft/memberships.ts';
import { type Lineage, lineageOf, partingOf } from '../../log/range/lineage.ts';
import { keepLost, lostDirectory } from '../../log/range/lost.ts';
import { type GroupState, type GroupStates, generationIn } from '../../log/range/states.ts';
import { openLog } from '../../log/segment/log.ts';
import { segmentNames } from '../../log/segment/name.ts';
import { makeLogAt } from '../../log/segment/recover.ts';
import { rangeOfAll } from '../database/engine.ts';
import type { ClusterLink } from './cluster-link.ts';
import { fetchRows, install, installPath, installRows, mustBeOf, stateOf } from './install.ts';
import { lineageRequest } from './rewind.ts';
import type { SnapshotOffer } from './snapshots.ts';

/** How often all other nodes are asked for rows, and how long between. */
const attemptsMax = 120;
const pauseMs = 500;
const lineageMsMax = 2_000;

/** `lineage`: of the log of the node that gave them. */
export type SoundRows = { readonly offer: SnapshotOffer; readonly lineage: Lineage };

/**
 * Rows of any other node from which this one's own log goes on; they lie ready to be installed. Null: given up. Rejects with
 * what the last node said.
 */
export async function fetchSoundRows(
  { disk, clock }: Env,
  { mesh, members, states }: Pick<ClusterLink, 'mesh' | 'members' | 'states'>,
  path: string,
  isGivenUp: () => boolean,
): Promise<SoundRows | null> {
  const start = await logStart({ disk }, path);
  let problem: unknown = new AlopexError('cannot_connect_now', 'there is no other node');
  for (let attempt = 0; attempt < attemptsMax; attempt++) {
    if (isGivenUp()) return null;
    if (attempt > 0) await new Promise<void>((resolve) => void clock.setTimer(pauseMs, resolve));
    for (const { id } of members) {
      try {
        const offer = await fetchRows(disk, mesh, id, path);
        mustBeOf(generationIn(stateOf(states)), offer);
        const lineage = await mesh.request(id, lineageRequest, new Uint8Array(0), lineageMsMax);
        if (offer.offset >= start) return { offer, lineage: JSON.parse(utf8ToString(lineage)) as Lineage };
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

/**
 * Puts them in the place of damaged rows, before the database is opened. What rows have is committed, so that nothing else may
 * stand in the log below their end: what this node has there of a leader that was cut off goes, and no such leader is followed
 * any more.
 */
export async function installSoundRows(
  { disk, clock }: Env,
  path: string,
  states: GroupStates,
  { offer, lineage }: SoundRows,
): Promise<void> {
  const { hardState } = stateOf(states);
  if (offer.epochNow > hardState.epoch) {
    const raised = { ...hardState, epoch: offer.epochNow, votedFor: null };
    await states.save(rangeOfAll, { ...stateOf(states), hardState: raised });
  }
  const parting = await cutLog({ disk, clock }, path, stateOf(states), { offer, lineage });
  if (parting > offer.offset) {
    await installRows(disk, path);
    return;
  }
  await makeLogAt(disk, `${installPath(path)}/log`, { base: offer.offset, epoch: offer.epoch });
  await install(disk, path, states, offer);
}

const unreplicated: LogReplication = {
  onAppended: () => {},
  onFlushing: () => {},
  onFlushed: () => {},
  onCut: () => {},
};

/** Returns up to where the log is equal to the other one. Where it goes on behind the rows' place, it ends there now. */
async function cutLog(
  { disk, clock }: Pick<Env, 'disk' | 'clock'>,
  path: string,
  state: GroupState,
  { offer, lineage }: SoundRows,
): Promise<Offset> {
  const replication = { by: unreplicated, highWatermark: offset(0) };
  const log = await openLog({ disk, clock, directory: `${path}/log`, replication });
  try {
    const generation = generationIn(state);
    const membership = state.memberships.at(-1)?.membership ?? noMembership;
    const own = lineageOf(log, state, { generation, membership }, log.flushedOffset);
    const parting = partingOf(own, lineage).offset;
    if (parting < log.flushedOffset) {
      await keepLost(disk, lostDirectory(path), log, parting);
      if (parting > offer.offset) await log.truncate(parting);
    }
    return parting;
  } finally {
    await log.close();
  }
}

async function logStart({ disk }: Pick<Env, 'disk'>, path: string): Promise<Offset> {
  const [first] = segmentNames(await disk.list(`${path}/log`));
  return first?.base ?? (0 as Offset);
}
