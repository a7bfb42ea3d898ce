import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../api/index.ts';
import { loopbackNetwork, type Network, type Place } from './network.ts';
import { type Complaint, ServerProcess } from './server-process.ts';

const password = 'of-the-test';
const lookMs = 50;
const settledMsMax = 60_000;
const silentMsMax = 1000;
const connectionsOfOne = 2;

export type NodeState = {
  readonly node: number;
  readonly role: string;
  readonly client: string;
  readonly lag: number | null;
  readonly isInSync: boolean;
  readonly silentMs: number | null;
};

/** One node of the cluster, over all its lives. */
export class ClusterNode {
  readonly index: number;
  readonly place: Place;
  readonly complaints: Complaint[] = [];
  readonly #directory: string;
  process: ServerProcess | null = null;

  constructor(index: number, place: Place, directory: string) {
    this.index = index;
    this.place = place;
    this.#directory = directory;
  }

  get address(): string {
    return `${this.place.host}:${this.place.port}`;
  }
  get data(): string {
    return join(this.#directory, `node-${this.index}`);
  }

  async start(mode: readonly string[], environment: Readonly<Record<string, string>>): Promise<void> {
    const { host, port, meshPort } = this.place;
    const words = ['--data', this.data, '--port', `${port}`, '--mesh-port', `${meshPort}`, ...mode];
    const place = host.startsWith('127.') ? [] : ['--listen', host, '--advertise', host, '--auth', 'scram'];
    this.process = await ServerProcess.start(
      this.place,
      [...words, ...place],
      environment,
      this.#directory,
      this.complaints,
    );
  }
}

/** Servers that replicate each other, as processes of this machine, in a directory of their own. */
export class ProcessCluster {
  readonly nodes: readonly ClusterNode[];
  readonly network: Network;
  readonly #directory: string;

  private constructor(network: Network, directory: string) {
    this.network = network;
    this.#directory = directory;
    this.nodes = network.places.map((place, index) => new ClusterNode(index, place, directory));
  }

  /** Resolves once all of them vote. */
  static async start(network?: Network): Promise<ProcessCluster> {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-cluster-'));
    const cluster = new ProcessCluster(network ?? (await loopbackNetwork(3)), directory);
    try {
      const [first, ...others] = cluster.nodes;
      await first!.start(['--mode', 'primary'], { ALOPEX_PASSWORD: password });
      for (const node of others) await cluster.join(node);
      await cluster.settled();
      return cluster;
    } catch (error) {
      await cluster.close();
      throw error;
    }
  }

  /** Of all nodes, or of some, in the order given. */
  url(attributes: string, nodes: readonly ClusterNode[] = this.nodes, rest = ''): string {
    const hosts = nodes.map(({ address }) => address).join(',');
    return `postgresql://alopex:${password}@${hosts}/alopex?sslmode=disable&target_session_attrs=${attributes}${rest}`;
  }

  /** An empty node, by any other that is there. */
  async join(node: ClusterNode): Promise<void> {
    const others = this.nodes.filter(({ process }) => process?.isRunning === true);
    const token = this.network.isLoopback ? '' : await this.#token();
    await node.start(['--mode', 'replica', '--primary', this.url('any', others)], {
      ALOPEX_JOIN_TOKEN: token,
    });
  }

  async #token(): Promise<string> {
    const { rows } = await this.ask<Record<string, string>>("CALL alopex.create_join_token('5min')");
    return Object.values(rows[0]!)[0]!;
  }

  /** A node that was there before. */
  async restart(node: ClusterNode): Promise<void> {
    const others = this.nodes.filter((other) => other !== node);
    await node.start(['--mode', 'replica', '--primary', this.url('any', others)], {});
  }

  async wipe(node: ClusterNode): Promise<void> {
    await rm(node.data, { recursive: true, force: true });
  }

  /** One statement, on the primary. */
  async ask<R>(sql: string): Promise<{ readonly rows: readonly R[] }> {
    await using database = await Database.open({
      url: this.url('read-write'),
      connectionsMax: connectionsOfOne,
    });
    return await database.query<R>(sql);
  }

  async states(): Promise<readonly NodeState[]> {
    const { rows } = await this.ask<NodeState>(
      'SELECT node, role, client, lag, is_in_sync AS "isInSync", silent_ms AS "silentMs" FROM alopex.replication ORDER BY node',
    );
    return rows;
  }

  /** The primary says so itself; waits until there is one. */
  async primary(): Promise<ClusterNode> {
    const untilMs = performance.now() + settledMsMax;
    for (;;) {
      const states = await this.states().catch(() => []);
      const state = states.find(({ role }) => role === 'primary');
      const port = Number(state?.client.split(':').at(-1));
      const found = this.nodes.find(({ place, address }) =>
        this.network.isLoopback ? place.port === port : address === state?.client,
      );
      if (found !== undefined) return found;
      if (performance.now() > untilMs) throw new Error('there is no primary');
      await setTimeout(lookMs);
    }
  }

  /** Every node is a member and has everything. */
  async settled(): Promise<void> {
    const untilMs = performance.now() + settledMsMax;
    for (let last = ''; ; await setTimeout(lookMs)) {
      try {
        const states = await this.states();
        last = JSON.stringify(states);
        const voting = states.filter(
          ({ role, isInSync, silentMs }) =>
            (role === 'primary' || role === 'replica') && isInSync && (silentMs ?? silentMsMax) < silentMsMax,
        );
        // One whose disk was lost is a member until its successor takes its place.
        if (voting.length === this.nodes.length && states.length === voting.length) return;
      } catch (error) {
        last = String(error);
      }
      if (performance.now() > untilMs) {
        const complaints = this.nodes.flatMap((node) => node.complaints.map(({ text }) => text));
        throw new Error(`the cluster does not settle: ${last}\n${complaints.join('\n')}`);
      }
    }
  }

  /** What a person can see of nodes that do not have the same rows. */
  async differences(): Promise<readonly string[]> {
    const { rows } = await this.ask<Record<string, unknown>>('CALL alopex.verify()');
    return rows.filter((row) => row.is_equal !== true).map((row) => JSON.stringify(row));
  }

  async close(): Promise<void> {
    this.network.heal();
    for (const { process } of this.nodes) process?.resume();
    await Promise.all(this.nodes.map(({ process }) => process?.kill()));
    this.network.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
