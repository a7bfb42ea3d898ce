import type { Env } from '../../base/env/env.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { NodeAddresses } from '../../log/mesh/swim.ts';
import type { Member, MemberRole, Membership, RaftLimits } from '../../log/raft/contract.ts';
import { EmbeddedDatabase } from '../database/embedded.ts';
import type { EngineLimits } from '../database/engine.ts';
import type { RetentionLimits } from '../database/log-retention.ts';
import { NodeAdmin } from './admin.ts';
import { Hub } from './hub.fixture.ts';
import { DatabaseNode } from './node.ts';
import { WitnessNode } from './witness.ts';

export type TestNode = {
  readonly node: DatabaseNode;
  readonly admin: NodeAdmin;
  readonly database: EmbeddedDatabase;
};

export type TestOptions = {
  readonly limits?: EngineLimits;
  readonly retention?: RetentionLimits;
  readonly raft?: Partial<RaftLimits>;
  /** Off: replicas become voters once `enable` is called. */
  readonly promotes?: boolean;
};

/** Nodes 1, 2, … on machines n1, n2, … of a simulation. */
export class TestCluster {
  readonly simulation: Simulation;
  readonly hub: Hub;
  readonly nodes = new Map<number, TestNode>();
  readonly witnesses = new Map<number, WitnessNode>();
  readonly problems: string[] = [];
  readonly #options: TestOptions;
  /** Of nodes that are started with another one than 5432. */
  readonly clientPorts = new Map<number, number>();

  constructor(seed: number, options: TestOptions = {}) {
    this.simulation = new Simulation(seed);
    this.hub = new Hub(this.simulation.scheduler);
    this.#options = options;
  }

  #addressesOf(id: NodeId): NodeAddresses {
    return { mesh: `n${id}:1`, client: `n${id}:${this.clientPorts.get(id) ?? 5432}` };
  }

  #member(id: NodeId, role: MemberRole): Member {
    return { id, role, ...this.#addressesOf(id) };
  }

  machine(number: number): SimulatedMachine {
    return this.simulation.machine(`n${number}`);
  }

  /** Runs on a node that was started. */
  on<Result>(number: number, work: (node: TestNode, env: Env) => Promise<Result>): Promise<Result> {
    return this.machine(number).run((env) => work(this.nodes.get(number)!, env));
  }

  async start(number: number): Promise<void> {
    await this.machine(number).run((env) => this.#open(env, number));
  }

  /** Starts node 1, and others that join it and have become voters when this resolves. */
  async startAll(count: number, script: string): Promise<void> {
    await this.start(1);
    await this.on(1, ({ database }) => database.query(script));
    for (let number = 2; number <= count; number++) {
      await this.on(1, () => this.join(number));
      await this.start(number);
    }
    await this.on(1, ({ admin }) => admin.enable(count - 1, 20_000));
  }

  async sleep(ms: number): Promise<void> {
    await this.simulation.scheduler.run(this.simulation.sleep(ms));
  }

  /** The one that takes writes, once there is one. */
  async primary(): Promise<number> {
    for (let attempt = 0; attempt < 200; attempt++) {
      for (const [number, { node }] of this.nodes)
        if (this.machine(number).alive && node.isPrimary && !this.hub.cutOff.has(nodeId(number)))
          return number;
      await this.sleep(50);
    }
    throw new Error(`nobody leads: ${this.problems.join('; ')}`);
  }

  crash(number: number): void {
    this.machine(number).crash();
    this.hub.forget(nodeId(number));
    this.nodes.delete(number);
    this.machine(number).restart();
  }

  /** As a server remembers them. */
  get #peers(): Membership | null {
    const members = [...this.nodes.keys()].map((number) => this.#member(nodeId(number), 'voter'));
    return members.length === 0 ? null : { members, outgoing: [], forced: [] };
  }

  async #open(env: Env, number: number): Promise<void> {
    const self = nodeId(number);
    const isFirst = number === 1 && !(await env.disk.exists('/db/cluster'));
    const cluster = {
      self,
      name: 'test',
      addresses: this.#addressesOf(self),
      peers: this.#peers,
      limits: this.#options.raft ?? {},
      openMesh: async (handlers: Parameters<Hub['open']>[1]) => this.hub.open(self, handlers),
    };
    const { raft: _, promotes = true, ...engineOptions } = this.#options;
    const node = await DatabaseNode.open({
      env,
      path: '/db',
      cacheBytes: 256 * 1024,
      connectionsMax: 100,
      settings: {},
      ...engineOptions,
      onProblem: (problem) => this.problems.push(`${number}: ${problem.condition}: ${problem.message}`),
      cluster: isFirst ? null : cluster,
    });
    const signer = {
      found: async () => {
        if (node.self === null)
          await node.found(cluster, { members: [this.#member(self, 'voter')], outgoing: [], forced: [] });
      },
      check: async () => {},
      sign: async () => ({ certificate: '', authority: '', transport: 'tls' as const }),
    };
    const admin = new NodeAdmin(node, signer, promotes, (problem) => this.problems.push(problem.message));
    this.nodes.set(number, {
      node,
      admin,
      get database() {
        return new EmbeddedDatabase(node.engine);
      },
    });
  }

  async startWitness(number: number): Promise<void> {
    const self = nodeId(number);
    await this.machine(number).run(async (env) => {
      const witness = await WitnessNode.open({
        env,
        path: '/db',
        cluster: {
          self,
          name: 'test',
          addresses: this.#addressesOf(self),
          openMesh: async (handlers) => this.hub.open(self, handlers),
        },
        limits: this.#options.limits?.log === undefined ? {} : { log: this.#options.limits.log },
        onProblem: (problem) => this.problems.push(`${number}: ${problem.message}`),
      });
      this.witnesses.set(number, witness);
    });
  }

  join(number: number, role: 'replica' | 'witness' = 'replica'): Promise<unknown> {
    return this.nodes.get(1)!.admin.join({
      role,
      certificateRequest: '',
      transports: ['tls'],
      mesh: `n${number}:1`,
      client: `n${number}:5432`,
      token: null,
      isLoopback: true,
    });
  }
}
