import type { ClusterPlan } from './plan.ts';
import type { ClusterFailure } from './run.ts';

/** Runs that are spent on a smaller plan. */
const runsMax = 80;

/**
 * The smallest plan that was found to fail for the same reason: with fewer faults, fewer clients, fewer operations, and
 * without what makes a run special. Halves first, then one by one (Zeller's delta debugging).
 */
export async function shrink(
  failure: ClusterFailure,
  run: (plan: ClusterPlan) => Promise<ClusterFailure | null>,
): Promise<ClusterFailure> {
  let smallest = failure;
  let runs = 0;
  const fails = async (plan: ClusterPlan): Promise<boolean> => {
    if (runs++ >= runsMax) return false;
    const found = await run(plan);
    if (found === null || found.reason !== failure.reason) return false;
    smallest = found;
    return true;
  };
  for (let before: ClusterPlan | null = null; before !== smallest.plan && runs < runsMax; ) {
    before = smallest.plan;
    await shrinkList((faults) => fails({ ...smallest.plan, faults }), smallest.plan.faults);
    await shrinkList((clients) => fails({ ...smallest.plan, clients }), smallest.plan.clients);
    for (const change of simplifications) await fails({ ...smallest.plan, ...change });
    await fails({ ...smallest.plan, clients: halved(smallest.plan.clients) });
  }
  return smallest;
}

const simplifications: readonly Partial<ClusterPlan>[] = [
  { messageTroubleProbability: 0 },
  { rareBranchProbability: 0 },
];

function halved(clients: ClusterPlan['clients']): ClusterPlan['clients'] {
  return clients.map((client) => ({ ...client, operations: Math.ceil(client.operations / 2) }));
}

async function shrinkList<Item>(
  fails: (items: readonly Item[]) => Promise<boolean>,
  all: readonly Item[],
): Promise<void> {
  let items = all;
  for (let size = Math.ceil(items.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < items.length; ) {
      const fewer = [...items.slice(0, at), ...items.slice(at + size)];
      if (await fails(fewer)) items = fewer;
      else at += size;
    }
  }
}
