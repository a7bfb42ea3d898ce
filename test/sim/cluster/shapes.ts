import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { Fault, FaultKind } from './faults.ts';
import type { ClientPlan, ClusterPlan, Work } from './plan.ts';

/** What a run is about: faults of every kind, or many of those that together lead to one kind of trouble. */
export const shapes = ['mixed', 'elections', 'members', 'pauses', 'leases', 'slow', 'full'] as const;
export type Shape = (typeof shapes)[number];

type Troubles = {
  readonly kinds: readonly [FaultKind, ...FaultKind[]];
  readonly count: number;
  readonly forMs: readonly [number, number];
  /** That it happens to the primary of the moment. */
  readonly ofPrimary: number;
};

const troubles: Readonly<Record<Exclude<Shape, 'mixed'>, Troubles>> = {
  elections: {
    kinds: [
      'kill',
      'power cut',
      'power cut',
      'power cut of all',
      'partition',
      'partition',
      'one-way block',
      'slow link',
      'leadership transfer',
      'clean restart',
      'short reigns',
      'short reigns',
    ],
    count: 35,
    forMs: [50, 2000],
    ofPrimary: 0.6,
  },
  members: {
    kinds: ['membership change', 'membership change', 'partition', 'kill', 'leadership transfer'],
    count: 24,
    forMs: [50, 1000],
    ofPrimary: 0.3,
  },
  pauses: {
    kinds: ['pause', 'pause', 'pause', 'slow link', 'partition', 'one-way block', 'leadership transfer'],
    count: 18,
    forMs: [600, 4500],
    ofPrimary: 0.8,
  },
  leases: {
    kinds: ['partition', 'partition', 'partition', 'one-way block', 'pause', 'leadership transfer'],
    count: 30,
    forMs: [800, 2000],
    ofPrimary: 0.9,
  },
  slow: {
    kinds: ['slow disk', 'slow link', 'slow disk', 'one-way block', 'leadership transfer'],
    count: 12,
    forMs: [3000, 20_000],
    ofPrimary: 0.5,
  },
  full: {
    kinds: ['full disk', 'full disk', 'full disk', 'leadership transfer', 'kill', 'clean restart'],
    count: 16,
    forMs: [500, 8000],
    ofPrimary: 0.4,
  },
};

/** Most are of every kind. */
const mixedProbability = 0.8;
const [firstMs, lastMs] = [3000, 52_000];
/** What is read by a lease that is over can be seen for some milliseconds: somebody has to look. */
const leaseOperations = 300;

export function shapeOf(seed: number): Shape {
  const random = new SeededRandom(seed ^ 0x5ba9e);
  return random.chance(mixedProbability) ? 'mixed' : random.pick(shapes);
}

/** The same run, with the shape's faults in place of its own, and what makes them tell. */
export function shaped(plan: ClusterPlan, shape: Shape): ClusterPlan {
  if (shape === 'mixed') return plan;
  const random = new SeededRandom(plan.seed ^ 0x7a9e5);
  const { kinds, count, forMs, ofPrimary } = troubles[shape];
  const faults = Array.from(
    { length: count },
    (): Fault => ({
      kind: random.pick(kinds),
      atMs: Math.floor(random.between(firstMs, lastMs)),
      forMs: Math.floor(random.between(...forMs)),
      node: random.chance(ofPrimary) ? 'primary' : random.below(plan.voters),
      seed: random.uint32(),
    }),
  ).sort((left, right) => left.atMs - right.atMs);
  const limits = { ...plan.limits, messageBytesMax: 512, inflightMessagesMax: random.pick([1, 4]) };
  switch (shape) {
    case 'elections':
      return { ...plan, faults, limits, lingerProbability: 0.15 };
    case 'leases': {
      const clients = plan.clients.map((client) => ({
        ...client,
        operations: leaseOperations,
        work: 'registers' as const,
      }));
      return { ...plan, faults, clients };
    }
    case 'pauses':
      return { ...plan, faults, forwardsWrites: true, clients: working(plan, 'registers', 4) };
    case 'slow':
      return { ...plan, faults, limits, isolation: 'serializable', clients: working(plan, 'lists', 3) };
    case 'full':
      return { ...plan, faults, messageTroubleProbability: 0, clients: working(plan, 'fresh reads', 2) };
    default:
      return { ...plan, faults };
  }
}

/** The first `count` clients do nothing else. */
function working({ clients }: ClusterPlan, work: Work, count: number): readonly ClientPlan[] {
  return clients.map((client, index) => (index < count ? { ...client, work } : client));
}
