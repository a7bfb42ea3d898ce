import { faultKinds } from './faults.ts';
import type { ClusterReport } from './run.ts';

/** What many seeds covered. */
export class Totals {
  readonly failed: number[] = [];
  /** Seeds of which two runs were not the same. */
  readonly unequal: number[] = [];
  seeds = 0;
  readonly #startMs = performance.now();
  readonly #faults = new Map<string, number>();
  readonly #traces = new Map<number, number>();
  readonly #branches = new Map<string, number>();
  #simulatedMs = 0;
  #operations = 0;
  #acknowledged = 0;
  #epochs = 0;

  add(report: ClusterReport): void {
    this.seeds += 1;
    const { seed, traceHash } = report;
    if ((this.#traces.get(seed) ?? traceHash) !== traceHash) this.unequal.push(seed);
    this.#traces.set(seed, traceHash);
    this.#simulatedMs += report.simulatedMs;
    this.#operations += report.operations;
    this.#acknowledged += report.acknowledged;
    this.#epochs += report.epochs;
    for (const [kind, count] of report.faults) this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    for (const [name, count] of report.rareBranches)
      this.#branches.set(name, (this.#branches.get(name) ?? 0) + count);
  }

  text(): string {
    const seconds = (performance.now() - this.#startMs) / 1000;
    const hours = this.#simulatedMs / 3_600_000;
    return [
      `${this.seeds} seeds in ${seconds.toFixed(0)} s (${(this.seeds / seconds).toFixed(1)} a second), ${hours.toFixed(2)} h simulated`,
      `${this.#operations} operations, ${this.#acknowledged} transactions acknowledged, ${this.#epochs} epochs with a leader`,
      `faults: ${faultKinds.map((kind) => `${kind} ${this.#faults.get(kind) ?? 0}`).join(', ')}`,
      `rare branches: ${[...this.#branches].map(([name, count]) => `${name} ${count}`).join(', ') || 'none'}`,
      ...this.#textOfRepeats(),
      this.failed.length === 0 ? 'no violation' : `failed: seeds ${this.failed.join(', ')}`,
    ].join('\n');
  }

  /** Of seeds that ran more than once. */
  #textOfRepeats(): readonly string[] {
    if (this.seeds === this.#traces.size) return [];
    const differing = new Set(this.unequal);
    return [
      `${this.seeds} runs of ${this.#traces.size} seeds, ${this.unequal.length} with another trace than the seed's first`,
      ...[...this.#traces].map(([seed, hash]) =>
        differing.has(seed) ? `seed ${seed}: several traces` : `seed ${seed}: trace ${hash.toString(16)}`,
      ),
    ];
  }
}
