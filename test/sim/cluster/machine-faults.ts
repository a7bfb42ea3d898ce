import { usualLatencyMs } from '../../../base/env/simulated/disk.ts';
import { nodeId } from '../../../base/ids.ts';
import type { Strike } from './chaos.ts';
import { type Cluster, kill } from './cluster.ts';

const clockDriftMax = 0.05;
const clockJumpMsMax = 60_000;
/** I/Os among which the one is that a machine does not survive. */
const boundariesMax = 30;
const fullDiskBytesMax = 20_000;

/** A leader of a short reign; how long it is away. */
const [reignLookMs, reignMsMax, goneMsMax] = [1, 8, 1500];

const nothingToUndo = () => {};

/** A node is not the same afterwards, but what it acknowledged is still there. */
export const machineFaults = {
  'clock jump': ({ target, random }) => {
    target.clock.jump(Math.floor(random.between(-clockJumpMsMax, clockJumpMsMax)));
    return nothingToUndo;
  },

  'clock drift': ({ target, random }) => {
    target.clock.drift(random.between(1 - clockDriftMax, 1 + clockDriftMax));
    return () => target.clock.drift(1);
  },

  pause: ({ target }) => {
    target.pause();
    return () => target.resume();
  },

  'power cut': ({ cluster, target, forMs }) => {
    cluster.hold(target.name, forMs);
    target.crash();
    return nothingToUndo;
  },

  'power cut at an I/O': ({ target: { disk }, random }) => {
    disk.faults.at(disk.boundaries + random.below(boundariesMax), {
      kind: 'crash',
      moment: random.pick(['before', 'during', 'after']),
    });
    return nothingToUndo;
  },

  'power cut of all': ({ cluster, random, forMs }) => {
    for (const machine of cluster.machines) {
      cluster.hold(machine.name, random.between(0, forMs));
      machine.crash();
    }
    return nothingToUndo;
  },

  kill: ({ cluster, target, forMs }) => {
    cluster.hold(target.name, forMs);
    kill(target);
    return nothingToUndo;
  },

  'clean restart': ({ cluster, target }) => {
    cluster.stop(target.name);
    return nothingToUndo;
  },

  'full disk': ({ target: { disk }, random }) => {
    disk.capacityBytes = disk.usedBytes + random.below(fullDiskBytesMax);
    return () => {
      disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    };
  },

  'slow disk': ({ target: { disk }, random }) => {
    disk.latencyMs = { min: 1, max: random.between(5, 60) };
    return () => {
      disk.latencyMs = usualLatencyMs;
    };
  },

  'failed sync': ({ target: { disk } }) => {
    disk.faults.at(disk.boundaries, { kind: 'fail', operation: 'sync', errno: 'EIO' });
    return nothingToUndo;
  },

  'leadership transfer': async ({ cluster, target }) => {
    const node = cluster.nodeOn(target.name);
    if (node === null) return null;
    // It may be refused, or the machine may not live to see it.
    await target.start(() => node.transfer()).catch(() => {});
    return nothingToUndo;
  },

  /** Who begins to lead is gone, or alone, before it has told all. */
  'short reigns': ({ cluster, random }) => {
    const { simulation } = cluster;
    const ended = new Set<string>();
    let isOver = false;
    const endReigns = async () => {
      while (!isOver) {
        await simulation.sleep(reignLookMs);
        const leader = cluster.running.find(
          ({ name, node }) => node.role === 'leader' && !ended.has(`${name} ${node.epoch}`),
        );
        if (leader === undefined) continue;
        ended.add(`${leader.name} ${leader.node.epoch}`);
        await simulation.sleep(random.between(0, reignMsMax));
        if (isOver) return;
        const machine = simulation.machine(leader.name);
        if (random.chance(0.5)) {
          cluster.hold(leader.name, random.between(0, goneMsMax));
          machine.crash();
        } else cutOff(cluster, leader.name, random.between(0, goneMsMax));
      }
    };
    void endReigns();
    return () => {
      isOver = true;
    };
  },

  /** One is taken out while all are there; its machine comes back as a new node, which joins. */
  'membership change': async ({ cluster, target, others }) => {
    const { primary } = cluster;
    const removed = cluster.nodeOn(target.name);
    const admin = primary === null ? null : (cluster.nodeOn(primary.name)?.admin ?? null);
    if (primary === null || admin === null || removed === null || primary === target) return null;
    if (!cluster.isWhole || cluster.isDamageHidden) return null;
    if (others.some(({ name, paused }) => paused || cluster.nodeOn(name) === null)) return null;
    cluster.removed.add(removed.id);
    await primary.start(() => admin.remove(nodeId(removed.id))).catch(() => {});
    return nothingToUndo;
  },
} as const satisfies Readonly<Record<string, Strike>>;

function cutOff({ simulation, machines }: Cluster, name: string, forMs: number): void {
  const { network, scheduler } = simulation;
  const others = machines.filter((machine) => machine.name !== name).map((machine) => machine.name);
  network.partition([name], others);
  scheduler.schedule(forMs, () => {
    for (const other of others) {
      network.unblock(name, other);
      network.unblock(other, name);
    }
  });
}
