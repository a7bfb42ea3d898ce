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
  /** By id: those of the log's membership, and those that this node joined. */
  readonly #known = new Map<NodeId, Member>();
  /** Of the log's membership. */
  #members: readonly Member[] = [];

  private constructor(options: ClusterOptions, states: GroupStates, ticker: Ticker, mesh: Mesh) {
    this.options = options;
    this.states = states;
    this.ticker = ticker;
    this.mesh = mesh;
    // Until its log says who the members are: what it says at first is how it was long ago.
    for (const member of options.peers?.members ?? []) this.#know(member);
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
    return [...this.#known.values()];
  }

  /** The membership as the log has it. Who was in it and is not any more is not talked to. */
  meet({ members, outgoing }: Membership): void {
    if (members.length === 0) return;
    const before = this.#members;
    this.#members = [...outgoing, ...members];
    for (const { id } of before) {
      if (this.#members.some((each) => each.id === id)) continue;
      this.#known.delete(id);
      this.mesh.setPeer(id, null);
    }
    for (const member of this.#members) this.#know(member);
  }

  #know(member: Member): void {
    if (member.id === this.options.self) return;
    this.#known.set(member.id, member);
    this.mesh.setPeer(member.id, parseAddress(member.mesh));
  }

  async close(): Promise<void> {
    this.ticker.close();
    await this.mesh.close();
  }
}
