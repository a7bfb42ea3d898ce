import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { SimulatedMachine } from '../../../base/env/simulated/simulation.ts';
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
    const begun = await this.#begin(fault);
    if (begun === null) return;
    // Each has one of its own.
    const undo = () => begun();
    this.counts.set(fault.kind, (this.counts.get(fault.kind) ?? 0) + 1);
    this.#undo.add(undo);
    await simulation.sleep(Math.max(0, Math.min(fault.forMs, endMs - simulation.scheduler.nowMs)));
    if (!this.#undo.delete(undo)) return;
    undo();
    this.#note(`over: ${textOfFault(fault)}`);
  }

  /** All of them are over now. */
  end(): void {
    const { simulation, machines } = this.#cluster;
    for (const undo of this.#undo) undo();
    this.#undo.clear();
    simulation.network.heal();
    for (const { disk } of machines) disk.faults.clear();
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
