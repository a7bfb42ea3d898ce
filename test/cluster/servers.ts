import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Database } from '../../api/index.ts';
import { ClusterNode } from './cluster.ts';
import { loopbackNetwork } from './network.ts';

const lookMs = 50;
const patienceMs = 60_000;

/** Servers that a test starts by itself, on free ports of loopback. */
export class Servers {
  readonly nodes: readonly ClusterNode[];
  readonly #directory: string;

  private constructor(nodes: readonly ClusterNode[], directory: string) {
    this.nodes = nodes;
    this.#directory = directory;
  }

  static async make(count: number): Promise<Servers> {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-cluster-'));
    const { places } = await loopbackNetwork(count);
    return new Servers(
      places.map((place, index) => new ClusterNode(index, place, directory)),
      directory,
    );
  }

  start(index: number, mode: string): Promise<void> {
    const joins = mode === 'primary' ? [] : ['--primary', this.nodes[index === 0 ? 1 : 0]!.address];
    return this.nodes[index]!.start(['--mode', mode, ...joins], {});
  }

  /** As it was started first. */
  restart(index: number): Promise<void> {
    return this.start(index, index === 0 ? 'primary' : 'replica');
  }

  async connected<T>(index: number, use: (database: Database) => Promise<T>): Promise<T> {
    await using database = await Database.open({ url: `postgresql://alopex@${this.nodes[index]!.address}` });
    return await use(database);
  }

  ask(index: number, sql: string): Promise<readonly unknown[]> {
    return this.connected(index, async (database) => {
      const { rows } = await database.query<Record<string, unknown>>(sql);
      return rows.map((row) => Object.values(row)[0]);
    });
  }

  /** Asked again and again, for whatever reason it is not so yet. */
  async until(index: number, sql: string, expected: unknown): Promise<void> {
    const untilMs = performance.now() + patienceMs;
    for (let last: unknown; ; await setTimeout(lookMs)) {
      last = await this.ask(index, sql).catch(String);
      if (JSON.stringify(last) === JSON.stringify(expected)) return;
      if (performance.now() > untilMs) expect(last, sql).to.deep.equal(expected);
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.nodes.map(({ process }) => process?.kill()));
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export const roles = 'SELECT role FROM alopex.replication ORDER BY node';
