import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { SimulatedMachine } from '../../../base/env/simulated/simulation.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { Cluster } from './cluster.ts';
import { damages } from './damage.ts';
import { type Fault, type FaultKind, textOfFault } from './faults.ts';
import { machineFaults } from './machine-faults.ts';
import { networkFaults } from './network-faults.ts';

/** What a fault works with: the machine that it is about, and all others. */
export type Scene = {
  readonly cluster: Cluster;
  readonly target: SimulatedMachine;
  readonly others: readonly SimulatedMachine[];
  readonly random: SeededRandom;
  readonly forMs: number;
};
/** Ends a fault. */
export type Undo = () => void;
/** Null: it cannot happen now. */
export type Strike = (scene: Scene) => Undo | null | Promise<Undo | null>;

const strikes: Readonly<Record<FaultKind, Strike>> = { ...networkFaults, ...machineFaults, ...damages };

/** Of a fault that cannot happen now: together they last less than a run goes on after the last fault. */
const triesMax = 6;
const retryMs = 700;

/** Does to the machines what the plan says. */
export class Chaos {
  readonly counts = new Map<FaultKind, number>();
  readonly #cluster: Cluster;
  readonly #note: (happening: string) => void;
  readonly #undo = new Set<Undo>();

  constructor(cluster: Cluster, note: (happening: string) => void) {
    this.#cluster = cluster;
    this.#note = note;
  }

  /** Resolves once the fault is over: at `endMs` at the latest. */
  async strike(fault: Fault, endMs: number): Promise<void> {
    const { simulation } = this.#cluster;
    await simulation.sleep(fault.atMs);
    const { struck, undo: begun } = await this.#beginAtLast(fault);
    // Each has one of its own.
    const undo = () => begun();
    this.counts.set(struck.kind, (this.counts.get(struck.kind) ?? 0) + 1);
    this.#undo.add(undo);
    await simulation.sleep(Math.max(0, Math.min(fault.forMs, endMs - simulation.scheduler.nowMs)));
    if (!this.#undo.delete(undo)) return;
    undo();
    this.#note(`over: ${textOfFault(struck)}`);
  }

  /** All of them are over now. */
  end(): void {
    const { simulation, machines } = this.#cluster;
    for (const undo of this.#undo) undo();
    this.#undo.clear();
    simulation.network.heal();
    for (const { disk } of machines) disk.faults.clear();
  }

  /** What cannot happen now may a little later; if not, its machine is cut off: as many faults happen as are planned. */
  async #beginAtLast(fault: Fault): Promise<{ readonly struck: Fault; readonly undo: Undo }> {
    for (let tries = 0; tries < triesMax; tries++) {
      if (tries > 0) await this.#cluster.simulation.sleep(retryMs);
      const undo = await this.#begin(fault);
      if (undo !== null) return { struck: fault, undo };
    }
    const node = fault.node === 'primary' ? 0 : fault.node;
    const struck: Fault = { ...fault, kind: 'partition', node };
    const undo = await this.#begin(struck);
    invariant(undo !== null, 'a machine can be cut off at any time');
    return { struck, undo };
  }

  async #begin(fault: Fault): Promise<Undo | null> {
    const { machines, primary } = this.#cluster;
    const target = fault.node === 'primary' ? primary : machines[fault.node];
    if (target === undefined || target === null) return null;
    this.#note(`fault: ${textOfFault(fault)}: ${target.name}`);
    const undo = await strikes[fault.kind]({
      cluster: this.#cluster,
      target,
      others: machines.filter((machine) => machine !== target),
      random: new SeededRandom(fault.seed),
      forMs: fault.forMs,
    });
    if (undo === null) this.#note(`passed over: ${textOfFault(fault)}`);
    return undo;
  }
}
