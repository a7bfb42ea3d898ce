import type { Env } from '../../base/env/env.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Mesh, MeshHandlers } from '../../log/mesh/contract.ts';
import type { Member, Membership, RaftLimits } from '../../log/raft/contract.ts';
import { GroupStates } from '../../log/range/states.ts';
import { Ticker } from '../../log/range/ticker.ts';
import { rangeOfAll } from '../database/engine.ts';
import { parseAddress } from './address.ts';

/** What a node of a cluster has that a database alone does not. */
export type ClusterOptions = {
  readonly self: NodeId;
  /** The cluster's id. */
  readonly name: string;
  /** Opens the mesh, where the node's key and the cluster's authority are known. */
  readonly openMesh: (handlers: MeshHandlers) => Promise<Mesh>;
  readonly limits?: Partial<RaftLimits>;
  /** Nodes that are known before the log says it: those that answered when this one joined. */
  readonly peers?: Membership | null;
};

/** A node's part in a cluster: its votes, its timer, its mesh, and where the others are. */
export class ClusterLink {
  readonly options: ClusterOptions;
  readonly states: GroupStates;
  readonly ticker: Ticker;
  readonly mesh: Mesh;
  #known: readonly Member[] = [];

  private constructor(options: ClusterOptions, states: GroupStates, ticker: Ticker, mesh: Mesh) {
    this.options = options;
    this.states = states;
    this.ticker = ticker;
    this.mesh = mesh;
    if (options.peers != null) this.meet(options.peers);
    // A node that cannot open its database has to find the others all the same.
    const last = states.get(rangeOfAll)?.memberships.at(-1);
    if (last !== undefined) this.meet(last.membership);
  }

  static async open(
    { disk, clock }: Env,
    path: string,
    options: ClusterOptions,
    handlers: MeshHandlers,
  ): Promise<ClusterLink> {
    const states = await GroupStates.open(disk, `${path}/cluster`);
    return new ClusterLink(options, states, new Ticker(clock), await options.openMesh(handlers));
  }

  /** The others, as far as is known. */
  get members(): readonly Member[] {
    return this.#known;
  }

  /** Those are to be found there, and nobody else. */
  meet({ members, outgoing }: Membership): void {
    if (members.length === 0) return;
    const known = [...outgoing, ...members].filter(({ id }) => id !== this.options.self);
    for (const { id } of this.#known) if (!known.some((each) => each.id === id)) this.mesh.setPeer(id, null);
    for (const { id, mesh } of known) this.mesh.setPeer(id, parseAddress(mesh));
    this.#known = known;
  }

  async close(): Promise<void> {
    this.ticker.close();
    await this.mesh.close();
  }
}
