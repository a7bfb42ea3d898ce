import type { Change } from '../../../api/database/database.ts';
import { SimulatedCrash } from '../../../base/env/simulated/incarnation.ts';
import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import { AlopexError } from '../../../base/errors.ts';
import { Violation } from '../check.ts';
import type { Anomaly } from '../checkers/anomaly.ts';
import { checkTails, type Tail, type TailedChange } from '../checkers/tails.ts';
import type { Cluster } from './cluster.ts';

/** Between two nodes that a consumer asks; how long it stays with one at most, though nothing happens to it. */
const [pauseMsMax, stayMsMax] = [500, 15_000];
/** After the faults: a consumer has the last change within it. */
const lastMsMax = 60_000;
const lookMs = 100;

/** What a consumer has of one unbroken span of the log. */
type Told = { readonly from: number; readonly changes: TailedChange[] };

/** A consumer of all changes: on any node, and where that ends, or at times, on another one, from where it is. */
export class Consumer {
  readonly #cluster: Cluster;
  readonly #name: string;
  readonly #random: SeededRandom;
  readonly #told: Told[] = [{ from: 0, changes: [] }];
  /** Of the next change at the least. */
  #next = 0;

  constructor(cluster: Cluster, name: string, random: SeededRandom) {
    this.#cluster = cluster;
    this.#name = name;
    this.#random = random;
  }

  get tails(): readonly Tail[] {
    return this.#told.map(({ from, changes }, index) => {
      const to = this.#told[index + 1] === undefined ? this.#next : (changes.at(-1)?.offset ?? from - 1) + 1;
      return { name: `${this.#name}.${index + 1}`, from, to, changes };
    });
  }

  async run(isOver: () => boolean): Promise<void> {
    const { simulation } = this.#cluster;
    while (!isOver()) {
      await this.#follow();
      await simulation.sleep(this.#random.between(0, pauseMsMax));
    }
  }

  /** Until it has the last change of the run, or begins again after it. */
  async untilTold(isLast: (change: TailedChange) => boolean): Promise<void> {
    const { simulation } = this.#cluster;
    const deadlineMs = simulation.scheduler.nowMs + lastMsMax;
    for (;;) {
      const { from, changes } = this.#told.at(-1)!;
      if (changes.some(isLast) || (from > 0 && changes.length === 0)) return;
      if (simulation.scheduler.nowMs > deadlineMs)
        throw new Violation(`no progress: ${this.#name} stays at ${this.#next}`);
      await simulation.sleep(lookMs);
    }
  }

  async #follow(): Promise<void> {
    const { simulation, running } = this.#cluster;
    const withRows = running.filter(({ node }) => node.database !== null);
    if (withRows.length === 0) return;
    const { name, node } = withRows[this.#random.below(withRows.length)]!;
    const stop = new AbortController();
    const stay = this.#random.between(0, stayMsMax);
    try {
      await Promise.race([
        simulation.machine(name).start(async () => {
          for await (const change of node.database!.tail({ from: this.#next, signal: stop.signal })) {
            if (stop.signal.aborted) return;
            this.#take(change);
          }
        }),
        simulation.sleep(stay),
      ]);
    } catch (error) {
      this.#onEnd(error, node.log.startOffset);
    } finally {
      stop.abort();
    }
  }

  #take({ offset, table, operation, before, after }: Change): void {
    const text = `${operation} ${table} ${JSON.stringify(before)} ${JSON.stringify(after)}`;
    this.#told.at(-1)!.changes.push({ offset, text });
    this.#next = offset + 1;
  }

  #onEnd(error: unknown, startOffset: number): void {
    if (error instanceof SimulatedCrash) return;
    if (!(error instanceof AlopexError) || error.condition === 'internal_error') throw error;
    if (error.condition === 'data_corrupted' && this.#cluster.damaged === null) throw error;
    if (error.condition !== 'snapshot_too_old' || startOffset <= this.#next) return;
    // What it has not read is no longer in the log: it begins again.
    this.#next = startOffset;
    this.#told.push({ from: startOffset, changes: [] });
  }
}

/** Each has all that any other one has; and each that began at the log's start has all marks that are there, once. */
export function checkConsumers(
  consumers: readonly Consumer[],
  marks: ReadonlyMap<string, number>,
): readonly Anomaly[] {
  const tails = consumers.flatMap((consumer) => consumer.tails);
  const changes = new Map<number, TailedChange>();
  for (const tail of tails) for (const change of tail.changes) changes.set(change.offset, change);
  const committed = [...changes.values()].toSorted((left, right) => left.offset - right.offset);
  return [...checkTails(tails, committed), ...consumers.flatMap((consumer) => missingMarks(consumer, marks))];
}

function missingMarks({ tails }: Consumer, marks: ReadonlyMap<string, number>): readonly Anomaly[] {
  const [tail, ...later] = tails;
  if (tail === undefined || later.length > 0) return [];
  const told = tail.changes.flatMap(({ text }) => /^c marks null \{"id":"(.*)"\}$/.exec(text)?.[1] ?? []);
  const expected = [...marks].flatMap(([id, count]) => Array.from({ length: count }, () => id));
  const [left, right] = [told.toSorted(), expected.toSorted()];
  const differs = left.findIndex((id, index) => id !== right[index]);
  if (differs < 0 && left.length === right.length) return [];
  const at = differs < 0 ? left.length : differs;
  return [
    {
      kind: 'tail',
      description: `${tail.name} was told ${told.length} marks of ${expected.length}: ${left[at] ?? 'none'}, where ${right[at] ?? 'none'} is there`,
    },
  ];
}
