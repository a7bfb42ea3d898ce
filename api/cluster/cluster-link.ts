import type { Env, NetworkAddress } from '../../base/env/env.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Mesh, MeshHandlers } from '../../log/mesh/contract.ts';
import { LiveMembership, membershipRequest } from '../../log/mesh/membership.ts';
import type { MemberRecord, MemberState, NodeAddresses, SwimLimits } from '../../log/mesh/swim.ts';
import type { Member, Membership, RaftLimits } from '../../log/raft/contract.ts';
import { Liveness, nodeMessages } from '../../log/range/liveness.ts';
import { GroupStates } from '../../log/range/states.ts';
import { Ticker } from '../../log/range/ticker.ts';
import { rangeOfAll } from '../database/engine.ts';
import { addressIn, parseAddress } from './address.ts';
import { Removal } from './removal.ts';

/** What a node of a cluster has that a database alone does not. */
export type ClusterOptions = {
  readonly self: NodeId;
  /** The cluster's id. */
  readonly name: string;
  /** Where this node is to be found, which may be another place than in its life before. */
  readonly addresses: NodeAddresses;
  /** Opens the mesh, where the node's key and the cluster's authority are known. */
  readonly openMesh: (handlers: MeshHandlers) => Promise<Mesh>;
  readonly limits?: Partial<RaftLimits>;
  readonly swimLimits?: Partial<SwimLimits>;
  /** Nodes that are known before the log says it: those that answered when this one joined. */
  readonly peers?: Membership | null;
  /** It has made the cluster's keys, and knows of no other node. */
  readonly isFirst?: boolean;
};

/** A node's part in a cluster: its votes, its timer, its mesh, who lives, and where the others are. */
export class ClusterLink {
  readonly options: ClusterOptions;
  readonly states: GroupStates;
  readonly ticker: Ticker;
  readonly mesh: Mesh;
  readonly liveness: Liveness;
  readonly removal: Removal;
  /** There is news of another node: whether it lives, or where. */
  onMember: (node: NodeId) => void = () => {};
  readonly #membership: LiveMembership;
  /** By id: those of the log's membership, and those that this node joined. */
  readonly #known = new Map<NodeId, Member>();
  /** Of the log's membership. */
  #members: readonly Member[] = [];

  private constructor(env: Env, options: ClusterOptions, states: GroupStates, mesh: Mesh) {
    const { self, addresses, limits, swimLimits, peers } = options;
    this.options = options;
    this.states = states;
    this.ticker = new Ticker(env.clock);
    this.mesh = mesh;
    this.liveness = new Liveness({
      self,
      clock: env.clock,
      ticker: this.ticker,
      send: (to, message) => mesh.send(to, nodeMessages, message),
      ...(limits === undefined ? {} : { limits }),
    });
    this.#membership = new LiveMembership({
      env,
      mesh,
      addresses,
      ...(swimLimits === undefined ? {} : { limits: swimLimits }),
      onChange: (record) => this.#onChange(record),
    });
    // Until its log says who the members are: what it says at first is how it was long ago.
    for (const member of peers?.members ?? []) this.#know(member);
    this.removal = new Removal(env.clock, this);
    // A node that cannot open its database has to find the others all the same.
    const last = states.get(rangeOfAll)?.memberships.at(-1);
    if (last !== undefined) this.meet(last.membership);
  }

  /** What is between nodes, and of no range, stays here. */
  static async open(
    env: Env,
    path: string,
    options: ClusterOptions,
    handlers: MeshHandlers,
  ): Promise<ClusterLink> {
    const states = await GroupStates.open(env.disk, `${path}/cluster`);
    let link: ClusterLink | null = null;
    const mesh = await options.openMesh({
      ...handlers,
      onMessage: (from, group, bytes) => {
        if (group === nodeMessages) link?.liveness.receive(from, bytes);
        else handlers.onMessage(from, group, bytes);
      },
      onRequest: (from, name, body) =>
        name === membershipRequest && link !== null
          ? link.#membership.receive(from, body)
          : handlers.onRequest(from, name, body),
      onLink: (peer, isUp) => {
        handlers.onLink(peer, isUp);
        if (!isUp) link?.liveness.onUnreachable(peer);
      },
    });
    link = new ClusterLink(env, options, states, mesh);
    return link;
  }

  /** Its log has a membership. */
  get isFounded(): boolean {
    return (this.states.get(rangeOfAll)?.memberships.length ?? 0) > 0;
  }

  /** The others, as far as is known. */
  get members(): readonly Member[] {
    return [...this.#known.values()];
  }

  /** What this node holds of another one; null: it has not met it. */
  stateOf(node: NodeId): MemberState | null {
    return this.#recordOf(node)?.state ?? null;
  }

  /** Where a node says that it is; null: it has said nothing. */
  addressesOf(node: NodeId): NodeAddresses | null {
    if (node === this.options.self) return this.options.addresses;
    const record = this.#recordOf(node);
    return record === undefined || this.#said(record) === null ? null : record.addresses;
  }

  /** The membership as the log has it. Who was in it and is not any more is not talked to. */
  meet({ members, outgoing }: Membership): void {
    if (members.length === 0) return;
    const before = this.#members;
    this.#members = [...outgoing, ...members];
    for (const { id } of before) if (!this.#members.some((each) => each.id === id)) this.#forget(id);
    for (const member of this.#members) this.#know(member);
  }

  /** It is to be found where the log has it, unless it has said otherwise itself. */
  #know(member: Member): void {
    const { id, mesh, client } = member;
    if (id === this.options.self) return;
    this.#known.set(id, member);
    this.mesh.setPeer(id, this.#said(this.#recordOf(id)) ?? parseAddress(mesh));
    this.#membership.introduce(id, { mesh, client });
  }

  #forget(id: NodeId): void {
    this.#known.delete(id);
    this.#membership.forget(id);
    this.mesh.setPeer(id, null);
  }

  #recordOf(node: NodeId): MemberRecord | undefined {
    return this.#membership.members.find((each) => each.node === node);
  }

  /** Null: nothing of where it is. */
  #said(record: MemberRecord | undefined): NetworkAddress | null {
    return record === undefined || record.incarnation === 0 ? null : addressIn(record.addresses.mesh);
  }

  /** Who is no member is not asked after; one that joins now is met once the log says so. */
  #onChange(record: MemberRecord): void {
    const said = this.#said(record);
    if (!this.#known.has(record.node)) this.#membership.forget(record.node);
    else if (said !== null) this.mesh.setPeer(record.node, said);
    this.onMember(record.node);
  }

  async close(): Promise<void> {
    this.ticker.close();
    this.removal.close();
    this.#membership.close();
    await this.mesh.close();
  }
}
