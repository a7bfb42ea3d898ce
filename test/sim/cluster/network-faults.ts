import type { LinkTrouble } from '../../../base/env/simulated/network.ts';
import type { Scene, Strike, Undo } from './chaos.ts';

const noDelay = { min: 0, max: 0 };

export const networkFaults = {
  partition: ({ cluster, target, others, random }) => {
    const { network } = cluster.simulation;
    const beside = others.filter(() => random.chance(0.25));
    const left = [target, ...(beside.length < others.length ? beside : [])].map(({ name }) => name);
    const right = others.map(({ name }) => name).filter((name) => !left.includes(name));
    network.partition(left, right);
    return () => {
      for (const one of left) {
        for (const other of right) {
          network.unblock(one, other);
          network.unblock(other, one);
        }
      }
    };
  },

  'one-way block': ({ cluster, target, others, random }) => {
    const { network } = cluster.simulation;
    const names = [target.name, others[random.below(others.length)]!.name] as const;
    const [from, to] = random.chance(0.5) ? names : [names[1], names[0]];
    network.block(from, to);
    return () => network.unblock(from, to);
  },

  /** Ways are cut one by one, and heal in another order (FoundationDB's swizzle-clogging). */
  swizzle: ({ cluster, random, forMs }) => {
    const { network, scheduler } = cluster.simulation;
    const names = cluster.machines.map(({ name }) => name);
    const ways = names
      .flatMap((from) => names.map((to) => [from, to] as const))
      .filter(([from, to]) => from !== to && random.chance(0.6));
    for (const [from, to] of ways) {
      scheduler.schedule(random.between(0, forMs / 2), () => network.block(from, to));
      scheduler.schedule(random.between(forMs / 2, forMs), () => network.unblock(from, to));
    }
    return () => {
      for (const [from, to] of ways) network.unblock(from, to);
    };
  },

  'slow link': (scene) =>
    worsen(scene, { delayMs: { min: 0, max: scene.random.between(5, 400) }, lossProbability: 0 }),

  'lossy link': (scene) =>
    worsen(scene, { delayMs: noDelay, lossProbability: scene.random.between(0.05, 0.6) }),

  'broken connections': ({ cluster, target, others }) => {
    const { network } = cluster.simulation;
    const broken = others.map(({ name }) => network.breakConnections(target.name, name));
    return broken.some((count) => count > 0) ? () => {} : null;
  },
} as const satisfies Readonly<Record<string, Strike>>;

/** From the target to all others; and back, at times. */
function worsen({ cluster, target, others, random }: Scene, trouble: LinkTrouble): Undo {
  const { network } = cluster.simulation;
  const isBothWays = random.chance(0.5);
  for (const { name } of others) {
    network.worsen(target.name, name, trouble);
    if (isBothWays) network.worsen(name, target.name, trouble);
  }
  return () => {
    for (const { name } of others) {
      network.ease(target.name, name);
      network.ease(name, target.name);
    }
  };
}
