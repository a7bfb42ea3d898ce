import type { ReplicationMode } from '../../../api/database/replication.ts';
import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { Isolation } from '../checkers/list-append.ts';
import { drawFault, type Fault } from './faults.ts';
import { shaped, shapeOf } from './shapes.ts';

/** What a client does: all kinds of things, or one, often. */
export type Work = 'mixed' | 'registers' | 'lists' | 'fresh reads';

export type ClientPlan = {
  readonly name: string;
  readonly seed: number;
  readonly operations: number;
  readonly work: Work;
};

/** How large things are: small ones make rare happenings common. */
export type ClusterLimits = {
  readonly memtableBytesMax: number;
  readonly segmentBytesMax: number;
  /** Transactions above it are several batches and a marker. */
  readonly largeCommitBytes: number;
  /** Of the log that is kept behind what the snapshot covers: with little of it, replicas that were away need a snapshot. */
  readonly retainedBytes: number;
  readonly messageBytesMax: number;
  readonly inflightMessagesMax: number;
  readonly quietAfterMs: number;
  readonly inSyncMs: number;
};

/** All that a run does, as data: it is cut down to what a failure needs. What is drawn later is drawn from its own seeds. */
export type ClusterPlan = {
  readonly seed: number;
  readonly voters: number;
  readonly hasWitness: boolean;
  readonly mode: ReplicationMode;
  /** Replicas send writes on to the primary, or refuse them. */
  readonly forwardsWrites: boolean;
  readonly isolation: Isolation;
  readonly limits: ClusterLimits;
  /** Messages go over the mesh's streams, as between servers; else each takes its own way, which is faster. */
  readonly hasStreams: boolean;
  /** That a raft message is lost, delivered twice, or late, each. */
  readonly messageTroubleProbability: number;
  readonly rareBranchProbability: number;
  /** Of transactions, that they wait in the middle for as long as a change of leaders takes. */
  readonly lingerProbability: number;
  /** They tail the log. */
  readonly consumers: number;
  readonly clients: readonly ClientPlan[];
  readonly faults: readonly Fault[];
};

/** The least that a run is: a minute, five clients, 500 operations and five faults. */
export const runMs = 60_000;
const clientsMin = 5;
const operationsMin = 500;
const faultsMin = 5;
const faultsMax = 12;

export function planOf(seed: number, shape = shapeOf(seed)): ClusterPlan {
  return shaped(mixedPlan(seed), shape);
}

function mixedPlan(seed: number): ClusterPlan {
  const random = new SeededRandom(seed ^ 0xc1a57e4);
  const { voters, hasWitness } = random.pick([
    { voters: 3, hasWitness: false },
    { voters: 3, hasWitness: false },
    { voters: 3, hasWitness: false },
    { voters: 5, hasWitness: false },
    { voters: 2, hasWitness: true },
  ]);
  const clients = clientsMin + random.below(3);
  const faults = faultsMin + random.below(faultsMax - faultsMin + 1);
  const surroundings = {
    seed,
    voters,
    hasWitness,
    mode: random.pick<ReplicationMode>(['sync', 'semi-sync', 'semi-sync', 'async']),
    forwardsWrites: random.chance(0.5),
    isolation: random.pick<Isolation>([
      'read committed',
      'snapshot isolation',
      'serializable',
      'serializable',
    ]),
    limits: {
      memtableBytesMax: random.pick([24 * 1024, 64 * 1024, 64 * 1024 * 1024]),
      largeCommitBytes: random.pick([64, 4 * 1024 * 1024, 4 * 1024 * 1024]),
      segmentBytesMax: random.pick([8 * 1024, 32 * 1024, 32 * 1024 * 1024]),
      retainedBytes: random.pick([0, 16 * 1024, 1024 * 1024 * 1024]),
      messageBytesMax: random.pick([512, 8 * 1024, 1024 * 1024]),
      inflightMessagesMax: random.pick([1, 4, 64]),
      quietAfterMs: random.pick([500, 3000, 3000]),
      inSyncMs: random.pick([2000, 10_000]),
    },
    hasStreams: random.chance(0.2),
    messageTroubleProbability: random.pick([0, 0, 0.01, 0.1]),
    rareBranchProbability: random.pick([0, 0.05, 0.25]),
    lingerProbability: 0,
    consumers: seed % 3,
    clients: Array.from({ length: clients }, (_, index) => ({
      name: `client${index + 1}`,
      seed: random.uint32(),
      operations: Math.ceil(operationsMin / clients) + random.below(5),
      work: 'mixed' as const,
    })),
  };
  return {
    ...surroundings,
    faults: Array.from({ length: faults }, () => drawFault(random, surroundings)).sort(
      (left, right) => left.atMs - right.atMs,
    ),
  };
}
