import { NodeAdmin } from '../../../api/cluster/admin.ts';
import type { ClusterOptions } from '../../../api/cluster/cluster-link.ts';
import { DatabaseNode } from '../../../api/cluster/node.ts';
import { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import type { Engine } from '../../../api/database/engine.ts';
import { stringToUtf8, utf8ToString } from '../../../base/bytes/utf8.ts';
import type { Env } from '../../../base/env/env.ts';
import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { SimulatedMachine } from '../../../base/env/simulated/simulation.ts';
import { readWhole, replaceWhole } from '../../../base/env/whole_file.ts';
import { AlopexError } from '../../../base/errors.ts';
import { type NodeId, nodeId, type Offset } from '../../../base/ids.ts';
import type { Mesh, MeshHandlers } from '../../../log/mesh/contract.ts';
import { openMesh } from '../../../log/mesh/mesh.ts';
import { plainTransport } from '../../../log/mesh/plain.ts';
import type { Membership } from '../../../log/raft/contract.ts';
import { epochStarts } from '../../../log/range/history.ts';
import type { Cluster, RunningNode } from './cluster.ts';
import type { ClusterPlan } from './plan.ts';
import { unreliableMesh } from './unreliable-mesh.ts';
import type { Wires } from './wires.ts';
import { SimulatedWitness } from './witness-node.ts';

/** What a machine knows of who it is, as a server's certificate says it. */
type Identity = { readonly node: NodeId; readonly peers: Membership };

export type NodeSurroundings = {
  readonly plan: ClusterPlan;
  readonly wires: Wires;
  readonly cluster: () => Cluster;
  readonly note: (happening: string) => void;
};

const path = '/db';
const identityPath = '/node/identity';
/** Longer than a run: the log is kept by its size. */
const retentionMs = 3_600_000;
const transferMs = 1000;
/** Of a transaction of several batches: it is smaller than what one appends otherwise. */
const batchBytesMax = 4 * 1024;
const recentBytesMax = 1024 * 1024;
const meshPort = 1;
const clusterName = 'simulated';
const firstNode = nodeId(1);
const joinMsMax = 10_000;

/**
 * Opens what a machine has in its directory. The first machine founds the cluster with its first start; any other that
 * does not know who it is (a new one, or one whose disk is gone) joins it.
 */
export async function openNode(
  env: Env,
  machine: SimulatedMachine,
  surroundings: NodeSurroundings,
): Promise<RunningNode> {
  await env.disk.makeDirectory('/node');
  const founds = machine.name === 'n1' && !surroundings.cluster().isFounded;
  const identity = founds ? null : ((await readIdentity(env)) ?? (await join(env, machine, surroundings)));
  const simulated = new SimulatedNode(env, machine, surroundings);
  if (identity !== null && isWitness(machine, surroundings.plan)) return simulated.openWitness(identity);
  await simulated.open(identity);
  if (founds) surroundings.cluster().isFounded = true;
  return simulated;
}

/** The last machine, where there is one. */
function isWitness({ name }: SimulatedMachine, { hasWitness, voters }: ClusterPlan): boolean {
  return hasWitness && name === `n${voters + 1}`;
}

async function readIdentity({ disk }: Env): Promise<Identity | null> {
  const bytes = await readWhole(disk, identityPath);
  return bytes === null ? null : (JSON.parse(utf8ToString(bytes)) as Identity);
}

function writeIdentity({ disk }: Env, identity: Identity): Promise<void> {
  return replaceWhole(disk, identityPath, stringToUtf8(JSON.stringify(identity)));
}

async function join(
  env: Env,
  machine: SimulatedMachine,
  { plan, cluster }: NodeSurroundings,
): Promise<Identity> {
  const primary = cluster().primary;
  if (primary === null) throw new AlopexError('cannot_connect_now', 'there is no primary to join');
  const asked = machine.ask(primary, async () => {
    const admin = cluster().nodeOn(primary.name)?.admin ?? null;
    if (admin === null) throw new AlopexError('cannot_connect_now', 'the primary is gone');
    return admin.join({
      role: isWitness(machine, plan) ? 'witness' : 'replica',
      certificateRequest: '',
      transports: ['tls'],
      mesh: `${machine.name}:${meshPort}`,
      client: `${machine.name}:2`,
      token: null,
      isLoopback: true,
    });
  });
  const answer = await Promise.race([asked, tooLate(env)]);
  const identity: Identity = {
    node: answer.node,
    peers: { members: answer.members, outgoing: [], forced: [] },
  };
  await writeIdentity(env, identity);
  return identity;
}

/** The question, or its answer, was lost. */
function tooLate({ clock }: Env): Promise<never> {
  return new Promise((_, reject) => {
    const error = new AlopexError('connection_failure', 'the primary does not answer who wants to join');
    clock.setTimer(joinMsMax, () => reject(error));
  });
}

class SimulatedNode implements RunningNode {
  readonly env: Env;
  readonly #machine: SimulatedMachine;
  readonly #surroundings: NodeSurroundings;
  readonly #failure = Promise.withResolvers<AlopexError>();
  #founding: Promise<void> | null = null;
  #node!: DatabaseNode;
  #admin!: NodeAdmin;
  #database: { readonly engine: Engine; readonly embedded: EmbeddedDatabase } | null = null;

  constructor(env: Env, machine: SimulatedMachine, surroundings: NodeSurroundings) {
    this.env = env;
    this.#machine = machine;
    this.#surroundings = surroundings;
  }

  /** Null: nobody yet; it founds the cluster. */
  async open(identity: Identity | null): Promise<void> {
    const { plan } = this.#surroundings;
    const { limits } = plan;
    this.#node = await DatabaseNode.open({
      env: this.env,
      path,
      cacheBytes: 256 * 1024,
      connectionsMax: 1000,
      settings: {
        'alopex.replication_mode': plan.mode,
        'alopex.forward_writes': plan.forwardsWrites ? 'on' : 'off',
      },
      retention: { retentionMs, retentionBytes: limits.retainedBytes },
      limits: {
        memtableBytesMax: limits.memtableBytesMax,
        commit: {
          largeCommitBytes: limits.largeCommitBytes,
          spillBytes: limits.largeCommitBytes,
          batchBytesMax,
        },
        log: this.#logLimits,
      },
      onProblem: (problem) => this.#onProblem(problem),
      cluster: identity === null ? null : this.#clusterOptions(identity),
    });
    this.#node.onFailed = (error) => this.#failure.resolve(error);
    this.#admin = new NodeAdmin(
      this.#node,
      {
        found: () => this.#foundOnce(),
        check: async () => {},
        sign: async () => ({ certificate: '', authority: '', transport: 'tls' as const }),
      },
      true,
      (problem) => this.#onProblem(problem),
    );
    this.#node.onStatus = (_, isPrimary) => {
      if (isPrimary) this.#admin.promoteSoon();
    };
    this.#node.onEngine = (engine) => this.#attach(engine);
    this.#attach(this.#node.engine);
  }

  /** The same machine, without rows. */
  openWitness(identity: Identity): Promise<RunningNode> {
    const options = { path, cluster: this.#clusterOptions(identity), limits: { log: this.#logLimits } };
    return SimulatedWitness.open(this.env, options, (problem) => this.#endsWith(problem));
  }

  get #logLimits() {
    const { segmentBytesMax } = this.#surroundings.plan.limits;
    return { segmentBytesMax, markBytes: 1024, markDelayMs: 10 };
  }

  #attach(engine: Engine): void {
    this.#database = { engine, embedded: new EmbeddedDatabase(engine) };
  }

  /** Two may come at once to who is alone, as to a server (`tools/alopex-server/server-node.ts`). */
  #foundOnce(): Promise<void> {
    this.#founding ??= this.#found().finally(() => {
      this.#founding = null;
    });
    return this.#founding;
  }

  async #found(): Promise<void> {
    const member = {
      id: firstNode,
      role: 'voter',
      mesh: `${this.#machine.name}:${meshPort}`,
      client: `${this.#machine.name}:2`,
    } as const;
    const peers: Membership = { members: [member], outgoing: [], forced: [] };
    const identity: Identity = { node: firstNode, peers };
    await this.#node.found(this.#clusterOptions(identity), peers);
    await writeIdentity(this.env, identity);
  }

  #clusterOptions({ node, peers }: Identity): ClusterOptions {
    const { limits } = this.#surroundings.plan;
    return {
      self: node,
      name: clusterName,
      addresses: { mesh: `${this.#machine.name}:${meshPort}`, client: `${this.#machine.name}:2` },
      peers,
      openMesh: (handlers) => this.#mesh(node, handlers),
      limits: {
        messageBytesMax: limits.messageBytesMax,
        inflightMessagesMax: limits.inflightMessagesMax,
        quietAfterMs: limits.quietAfterMs,
        inSyncMs: limits.inSyncMs,
      },
    };
  }

  async #mesh(self: NodeId, handlers: MeshHandlers): Promise<Mesh> {
    const { wires, plan } = this.#surroundings;
    const mesh = plan.hasStreams
      ? await this.#streams(self, handlers)
      : wires.open(self, this.#machine, handlers);
    const { messageTroubleProbability: probability } = plan;
    if (probability === 0) return mesh;
    return unreliableMesh(mesh, probability, new SeededRandom(this.env.random.uint32()), this.env.clock);
  }

  #streams(self: NodeId, handlers: MeshHandlers): Promise<Mesh> {
    const { env } = this;
    return openMesh({
      self,
      env,
      transport: plainTransport(env, self),
      listen: { host: '0.0.0.0', port: meshPort },
      handlers,
      onProblem: (problem) => this.#onProblem(problem),
    });
  }

  #onProblem(problem: AlopexError): void {
    if (this.#endsWith(problem)) this.#failure.resolve(problem);
  }

  #endsWith({ condition, message }: AlopexError): boolean {
    this.#surroundings.note(`${this.#machine.name}: problem: ${condition}: ${message}`);
    // Damaged rows are repaired by the node itself.
    return ['io_error', 'internal_error'].includes(condition);
  }

  get engine(): Engine {
    return this.#node.engine;
  }
  get admin(): NodeAdmin {
    return this.#admin;
  }
  get failed(): Promise<AlopexError> {
    return this.#failure.promise;
  }
  get database(): EmbeddedDatabase | null {
    return this.#database?.embedded ?? null;
  }
  get isPrimary(): boolean {
    return this.#node.isPrimary;
  }
  get role(): RunningNode['role'] {
    return this.#node.status?.role ?? 'leader';
  }
  get epoch(): number {
    return this.#node.status?.epoch ?? 0;
  }
  get hasLease(): boolean {
    const status = this.#node.status;
    if (status?.role !== 'leader') return false;
    const { leaseUntilMs } = this.#database!.engine.replica!.range.status;
    return this.env.clock.monotonicMs() < leaseUntilMs;
  }
  get keptEpoch(): number | null {
    const range = this.#database?.engine.replica?.range;
    // What works has no deadline.
    return range === undefined || range.deadlineMs === null ? null : range.status.epoch;
  }
  get membership(): Membership {
    return this.#node.status?.membership ?? { members: [], outgoing: [], forced: [] };
  }
  get voters(): number {
    return this.membership.members.filter(({ role }) => role !== 'learner').length;
  }
  get log() {
    return this.#database!.engine.log;
  }
  get id(): number {
    return this.#node.self ?? firstNode;
  }
  get members(): readonly number[] {
    return this.membership.members.map(({ id }) => id);
  }
  get highWatermark(): number {
    return this.log.highWatermark;
  }
  get applied(): number {
    return this.#database?.engine.replica?.shown ?? this.highWatermark;
  }
  get shape() {
    const { flushedOffset, endOffset } = this.log;
    return { epochs: epochStarts(this.log), flushedOffset, endOffset };
  }

  recent(from: Offset): readonly Uint8Array[] | null {
    return this.#database?.engine.replica?.range.recent(from, recentBytesMax) ?? null;
  }

  async transfer(): Promise<void> {
    await this.#admin.demote(transferMs);
  }

  async checkpoint(): Promise<void> {
    await this.engine.checkpoint();
  }

  async close(): Promise<void> {
    this.#admin.close();
    await this.#node.close();
  }
}
