import { checksums } from '../../../api/cluster/verify.ts';
import type { Engine } from '../../../api/database/engine.ts';
import { crc32c } from '../../../base/bytes/crc32c.ts';
import { SimulatedCrash } from '../../../base/env/simulated/incarnation.ts';
import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import { AlopexError } from '../../../base/errors.ts';
import { type Offset, offset, type Timestamp } from '../../../base/ids.ts';
import { decodeHeader } from '../../../log/record/header.ts';
import { CommittedBatches } from '../checkers/committed.ts';
import { checkRows, type NodeRows } from '../checkers/rows.ts';
import type { Cluster, RunningNode } from './cluster.ts';

type Named = { readonly name: string; readonly node: RunningNode };

/** Between two comparisons of rows. */
const compareMsMax = 20_000;

/** Looks at the nodes while they run: what they have committed, and their rows as of one position. */
export class Watch {
  readonly #cluster: Cluster;
  readonly #random: SeededRandom;
  readonly #batches = new CommittedBatches();
  readonly #seen = new WeakMap<RunningNode, Offset>();
  readonly #rowAnomalies: ReturnType<typeof checkRows>[number][] = [];

  constructor(cluster: Cluster, random: SeededRandom) {
    this.#cluster = cluster;
    this.#random = random;
  }

  get anomalies(): ReturnType<typeof checkRows> {
    return [...this.#batches.anomalies, ...this.#rowAnomalies];
  }

  /** Without a wait: what has been committed since the last look, where it is in memory. */
  look(): void {
    for (const { name, node } of this.#cluster.running) {
      const end = node.highWatermark;
      let at = this.#seen.get(node) ?? offset(0);
      while (at < end) {
        const batches = node.recent(at);
        if (batches === null) break;
        for (const batch of batches) {
          const { baseOffset, lastOffset, epoch } = decodeHeader(batch);
          this.#batches.add(name, { baseOffset, endOffset: lastOffset + 1, epoch, checksum: crc32c(batch) });
          at = offset(lastOffset + 1);
        }
      }
      this.#seen.set(node, offset(Math.max(at, end)));
    }
  }

  /** Until it is over: at times, the rows of all that run, as of the newest position that all of them have. */
  async compareRows(isOver: () => boolean): Promise<void> {
    for (;;) {
      await this.#cluster.simulation.sleep(this.#random.between(0, compareMsMax));
      if (isOver()) return;
      const nodes = this.#cluster.running.filter(
        ({ name, node }) => node.database !== null && !this.#cluster.simulation.machine(name).paused,
      );
      const visible = nodes.map(({ node }) => node.database!.engine.transactions.visible);
      const at = Math.min(...visible) as Timestamp;
      if (nodes.length < 2 || at === 0) continue;
      const rows = await Promise.all(nodes.map((one) => this.#rowsAt(one, at)));
      this.#rowAnomalies.push(
        ...checkRows(
          `at timestamp ${at}`,
          rows.flatMap((each) => each ?? []),
        ),
      );
    }
  }

  /** Null: the node ends meanwhile, or finds a damaged block. */
  async #rowsAt({ name, node }: Named, at: Timestamp): Promise<NodeRows | null> {
    const { engine } = node.database!;
    try {
      const tables = await this.#cluster.simulation.machine(name).start(() => tablesOf(engine, at));
      return { node: name, rows: tables };
    } catch (thrown) {
      if (thrown instanceof SimulatedCrash || thrown instanceof AlopexError) return null;
      throw thrown;
    }
  }
}

async function tablesOf(engine: Engine, timestamp: Timestamp): Promise<ReadonlyMap<string, string>> {
  const tables = await checksums(engine, { offset: offset(0), timestamp });
  return new Map(tables.map(({ table, rows, checksum }) => [table, `${rows} rows, ${checksum}`]));
}
