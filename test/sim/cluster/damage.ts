import type { SimulatedMachine } from '../../../base/env/simulated/simulation.ts';
import type { Scene, Strike } from './chaos.ts';
import { kill } from './cluster.ts';

/**
 * A node loses what it acknowledged, and has to notice. To one node of a run, while all others have all that is
 * committed: no quorum survives more than that. What nobody can notice is not done: damage of a log's last, unmarked
 * bytes is a torn tail to whoever reads them. What is noticed late, with the next read, is done only where two others
 * have rows: where one does, and is away, the log goes on without it, and is trimmed (seed 5010).
 */
export const damages = {
  'lost disk': damaging(({ target }) => {
    target.crash();
    target.disk.replace();
  }),

  'corrupt block': damagingUnnoticed(({ target, random }) => {
    const { disk } = target;
    kill(target);
    const files = coveredFiles(target);
    const path = files[random.below(files.length)];
    if (path !== undefined) disk.flipBit(path, random.below(8 * disk.contents(path).length));
  }),

  'misdirected write': damagingUnnoticed(({ target: { disk } }) => {
    disk.faults.at(disk.boundaries, { kind: 'misdirect', files: /\.(sst|index)$/ });
  }),
} as const satisfies Readonly<Record<string, Strike>>;

function damaging(damage: (scene: Scene) => void): Strike {
  return (scene) => {
    if (!mayDamage(scene)) return null;
    scene.cluster.damaged = scene.target.name;
    damage(scene);
    return () => {};
  };
}

function damagingUnnoticed(damage: (scene: Scene) => void): Strike {
  const strike = damaging(damage);
  return (scene) => {
    const undo = othersWithRows(scene) < 2 ? null : strike(scene);
    if (undo !== null) scene.cluster.isDamageHidden = true;
    return undo;
  };
}

function othersWithRows({ cluster, others }: Scene): number {
  return others.filter(({ name }) => (cluster.nodeOn(name)?.database ?? null) !== null).length;
}

/** A quorum is left without the node, and without what was taken out and has not come back. */
function mayDamage({ cluster, target, others }: Scene): boolean {
  if (!cluster.isWhole || (cluster.damaged !== null && cluster.damaged !== target.name)) return false;
  const committed = Math.max(...cluster.running.map(({ node }) => node.highWatermark));
  return others.every((other) => {
    const node = cluster.nodeOn(other.name);
    return node !== null && !other.paused && node.shape.flushedOffset >= committed;
  });
}

/** SSTables, and segments that are full: those have an index beside them. */
function coveredFiles({ disk }: SimulatedMachine): readonly string[] {
  const files = disk.files();
  const isFull = (path: string) => files.includes(path.replace(/\.log$/, '.index'));
  return files.filter((path) => path.endsWith('.sst') || (path.endsWith('.log') && isFull(path)));
}
