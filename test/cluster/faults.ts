import { setTimeout } from 'node:timers/promises';
import type { SeededRandom } from '../../base/env/simulated/random.ts';
import type { ClusterNode, ProcessCluster } from './cluster.ts';

export const faultKinds = [
  'kill the primary',
  'stop the primary',
  'pause the primary',
  'cut off the primary',
  'cut what the primary sends',
  'cut what the primary gets',
  'kill a replica',
  'pause a replica',
  'lose the disk of a replica',
  'lose the disk of the primary',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Of 100. */
const weights: Readonly<Record<FaultKind, number>> = {
  'kill the primary': 50,
  'stop the primary': 10,
  'pause the primary': 10,
  'cut off the primary': 7,
  'cut what the primary sends': 4,
  'cut what the primary gets': 4,
  'kill a replica': 6,
  'pause a replica': 4,
  'lose the disk of a replica': 3,
  'lose the disk of the primary': 2,
};

export function isOfPrimary(kind: FaultKind): boolean {
  return !kind.includes('replica');
}

export function pickFault(random: SeededRandom, canCut: boolean): FaultKind {
  for (;;) {
    let left = random.below(100);
    const kind = faultKinds.find((each) => {
      left -= weights[each];
      return left < 0;
    })!;
    if (canCut || !kind.startsWith('cut')) return kind;
  }
}

/** How long what is paused or cut stays so, at the least. */
const [awayMsMin, awayMsMax] = [2000, 5000];

/** Does it to a node; what is returned mends it. */
export async function strike(
  cluster: ProcessCluster,
  kind: FaultKind,
  node: ClusterNode,
  random: SeededRandom,
): Promise<() => Promise<void>> {
  const { network } = cluster;
  const server = node.process!;
  const others = cluster.nodes.filter((other) => other !== node);
  const awayMs = random.between(awayMsMin, awayMsMax);
  switch (kind) {
    case 'kill the primary':
    case 'kill a replica':
      await server.kill();
      return () => cluster.restart(node);
    case 'stop the primary':
      await server.stop();
      return () => cluster.restart(node);
    case 'lose the disk of a replica':
    case 'lose the disk of the primary':
      await server.kill();
      return async () => {
        await cluster.wipe(node);
        await cluster.join(node);
      };
    case 'pause the primary':
    case 'pause a replica':
      server.pause();
      return async () => {
        await setTimeout(awayMs);
        server.resume();
      };
    case 'cut off the primary':
    case 'cut what the primary sends':
    case 'cut what the primary gets':
      for (const other of others) {
        if (kind !== 'cut what the primary gets') network.cut!(node.index, other.index);
        if (kind !== 'cut what the primary sends') network.cut!(other.index, node.index);
      }
      return async () => {
        await setTimeout(awayMs);
        network.heal();
      };
  }
}
