import { formatAddress, parseAddress } from '../../api/cluster/address.ts';
import type { ClusterOptions } from '../../api/cluster/cluster-link.ts';
import type { DatabaseNode } from '../../api/cluster/node.ts';
import type { Env, NetworkAddress } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import { zstdCompression } from '../../log/mesh/compression.ts';
import {
  createCluster,
  loadIdentity,
  type NodeIdentity,
  requestIdentity,
  storeJoined,
} from '../../log/mesh/identity.ts';
import { openSecureMesh } from '../../log/mesh/secure-mesh.ts';
import type { Member } from '../../log/raft/contract.ts';
import { requestJoin } from './join.ts';
import { type NodeRecord, readNodeRecord, writeNodeRecord } from './node-record.ts';
import type { ServerOptions } from './options.ts';

/** Of the nodes' requests to each other: the authority's key, for one that may lead. */
export const authorityRequest = 'authority-key';

/** The keys of a node, and where it is to be found. */
export class Keys {
  readonly #env: Env;
  readonly #path: string;
  readonly #options: ServerOptions;
  readonly #onProblem: (problem: AlopexError) => void;
  identity: NodeIdentity | null;
  record: NodeRecord | null;
  #isFetching = false;

  private constructor(
    env: Env,
    path: string,
    options: ServerOptions,
    onProblem: (problem: AlopexError) => void,
    identity: NodeIdentity | null,
    record: NodeRecord | null,
  ) {
    this.#env = env;
    this.#path = path;
    this.#options = options;
    this.#onProblem = onProblem;
    this.identity = identity;
    this.record = record;
  }

  static async open(
    env: Env,
    path: string,
    options: ServerOptions,
    onProblem: (problem: AlopexError) => void,
  ): Promise<Keys> {
    const record = await readNodeRecord(env.disk, path);
    const identity = record === null ? null : await loadIdentity(env, path);
    return new Keys(env, path, options, onProblem, identity, record);
  }

  get clusterOptions(): ClusterOptions | null {
    const { identity, record } = this;
    if (identity === null || record === null) return null;
    const onProblem = this.#onProblem;
    const [env, listen] = [this.#env, this.#listen(record)];
    return {
      self: identity.self,
      name: identity.cluster,
      peers: record.members.length === 0 ? null : { members: record.members, outgoing: [] },
      openMesh: (handlers) =>
        openSecureMesh({
          identity,
          env,
          transport: 'tls',
          listen,
          handlers,
          compression: zstdCompression,
          onProblem,
        }),
    };
  }

  /** On loopback alone where the server is. */
  #listen({ mesh }: NodeRecord): NetworkAddress {
    const { listen } = this.#options;
    return { host: listen[0] ?? '127.0.0.1', port: parseAddress(mesh).port };
  }

  async #address(port: number): Promise<string> {
    const free = port === 0 ? await this.#freePort() : port;
    return formatAddress({ host: this.#options.cluster.advertise, port: free });
  }

  async #freePort(): Promise<number> {
    const listener = await this.#env.network.listen({ host: '127.0.0.1', port: 0 }, (each) => each.destroy());
    const { port } = listener.address;
    await listener.close();
    return port;
  }

  /** Where the options name a cluster, and the directory is of none yet. */
  async joinWhereAsked(): Promise<void> {
    const { mode, primary, joinToken } = this.#options.cluster;
    if (this.identity !== null || primary === null) return;
    await this.#join(primary, mode === 'witness' ? mode : 'replica', joinToken);
  }

  async #join(primary: string, role: 'replica' | 'witness', token: string | null): Promise<void> {
    const certificateRequest = await requestIdentity(this.#env, this.#path);
    const mesh = await this.#address(this.#options.cluster.meshPort);
    const client = role === 'witness' ? '' : await this.#address(this.#options.port);
    const answer = await requestJoin(primary, { role, certificateRequest, mesh, client, token });
    this.identity = await storeJoined(this.#env, this.#path, answer);
    await this.#remember({ mesh, client, members: answer.members });
  }

  async create(): Promise<void> {
    this.identity ??=
      (await loadIdentity(this.#env, this.#path)) ?? (await createCluster(this.#env, this.#path));
    const mesh = await this.#address(this.#options.cluster.meshPort);
    await this.#remember({ mesh, client: await this.#address(this.#options.port), members: [] });
  }

  async #remember(record: NodeRecord): Promise<void> {
    await writeNodeRecord(this.#env.disk, this.#path, record);
    this.record = record;
  }

  get asFirstMember(): Member {
    const { identity, record } = this;
    if (identity === null || record === null)
      throw new AlopexError('internal_error', 'a node is a member once it has keys');
    return { id: identity.self, role: 'voter', mesh: record.mesh, client: record.client };
  }

  sign(request: string, id: NodeId): ReturnType<NodeIdentity['signJoin']> {
    if (this.identity === null) throw new AlopexError('internal_error', 'a node signs once it has keys');
    return this.identity.signJoin(request, id);
  }

  // ---- the authority's key, which every voter has: each of them may have to sign what joins

  async authorityFor(from: NodeId, node: DatabaseNode): Promise<Uint8Array> {
    const member = node.status?.membership.members.find(({ id }) => id === from);
    if (member?.role !== 'voter' || this.identity === null)
      throw new AlopexError('insufficient_privilege', `node ${from} has no vote`);
    return this.identity.exportAuthorityKey();
  }

  async fetchAuthority(node: DatabaseNode): Promise<void> {
    const { identity } = this;
    const { status, mesh } = node;
    const self = status?.membership.members.find(({ id }) => id === identity?.self);
    const leader = status?.leader ?? nodeId(0);
    if (identity === null || mesh === null || identity.canSign || self?.role !== 'voter') return;
    if (leader === 0 || leader === identity.self || this.#isFetching) return;
    this.#isFetching = true;
    try {
      await identity.importAuthorityKey(await mesh.request(leader, authorityRequest, new Uint8Array(0)));
    } finally {
      this.#isFetching = false;
    }
  }
}
