import { formatAddress, parseAddress } from '../../api/cluster/address.ts';
import { rejoinRequest, type Signer } from '../../api/cluster/admin.ts';
import type { ClusterOptions } from '../../api/cluster/cluster-link.ts';
import type { DatabaseNode } from '../../api/cluster/node.ts';
import type { JoinAnswer, JoinRequest } from '../../api/database/replication.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import type { Clock, Env, NetworkAddress } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import { requireRequest } from '../../log/mesh/authority.ts';
import { zstdCompression } from '../../log/mesh/compression.ts';
import type { MeshTransport } from '../../log/mesh/contract.ts';
import {
  createCluster,
  loadIdentity,
  type NodeIdentity,
  requestIdentity,
  storeJoined,
} from '../../log/mesh/identity.ts';
import { hasQuicAddon } from '../../log/mesh/quic-addon.ts';
import { openSecureMesh } from '../../log/mesh/secure-mesh.ts';
import type { Member } from '../../log/raft/contract.ts';
import { requestJoinPatiently } from './join.ts';
import { type NodeRecord, readNodeRecord, writeNodeRecord } from './node-record.ts';
import type { ServerOptions } from './options.ts';

/** Of the nodes' requests to each other: the authority's key, for one that may lead. */
export const authorityRequest = 'authority-key';

/** How often the members are asked to take a node back, and how long between: there may be no primary at the moment. */
const joinAttemptsMax = 120;
const joinPauseMs = 500;

async function askToJoin(
  clock: Clock,
  options: ClusterOptions,
  members: readonly Member[],
  request: JoinRequest,
): Promise<JoinAnswer> {
  const mesh = await options.openMesh({
    onMessage: () => {},
    onRequest: () => Promise.reject(new AlopexError('cannot_connect_now', 'this node is joining anew')),
    onFetch: () => {
      throw new AlopexError('cannot_connect_now', 'this node is joining anew');
    },
    onLink: () => {},
  });
  try {
    const others = members.filter(({ id }) => id !== options.self);
    for (const { id, mesh: address } of others) mesh.setPeer(id, parseAddress(address));
    for (let attempt = 1; ; attempt++) {
      for (const { id } of others) {
        try {
          const body = await mesh.request(id, rejoinRequest, stringToUtf8(JSON.stringify(request)));
          return JSON.parse(utf8ToString(body)) as JoinAnswer;
        } catch (thrown) {
          if (attempt === joinAttemptsMax) throw thrown;
        }
      }
      await new Promise<void>((resolve) => void clock.setTimer(joinPauseMs, resolve));
    }
  } finally {
    await mesh.close();
  }
}

function otherTransport(has: MeshTransport, wanted: MeshTransport): AlopexError {
  return new AlopexError('config_file_error', `this cluster's nodes talk by ${has}, not by ${wanted}`, {
    hint: 'It is chosen when the cluster begins, and all of its nodes talk alike: leave out --mesh-transport.',
  });
}

function isNotLoopback(host: string): boolean {
  return !host.startsWith('127.') && host !== '::1';
}

function transportsHere(): readonly MeshTransport[] {
  return hasQuicAddon() ? ['tls', 'quic'] : ['tls'];
}

function cannotTalk(transport: MeshTransport): AlopexError {
  return new AlopexError(
    'feature_not_supported',
    `this cluster's nodes talk by ${transport}, which the node that joins has not`,
    {
      hint: 'npm installs the addon for QUIC where there is one for the platform; a cluster of tls needs none.',
    },
  );
}

/** The keys of a node, and where it is to be found. */
export class Keys {
  readonly #env: Env;
  readonly #path: string;
  readonly #options: ServerOptions;
  readonly #onProblem: (problem: AlopexError) => void;
  identity: NodeIdentity | null;
  record: NodeRecord | null;
  /** Whom this node believes has changed. */
  onTrust: () => void = () => {};
  #isFetching = false;
  #saving: Promise<void> = Promise.resolve();

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
    const transport = options.cluster.meshTransport;
    if (record !== null && transport !== null && transport !== record.transport)
      throw otherTransport(record.transport, transport);
    const identity = record === null ? null : await loadIdentity(env, path);
    const keys = new Keys(env, path, options, onProblem, identity, record);
    await keys.#noteAddresses();
    return keys;
  }

  /** Where the options of this start say that the node is; others hear of it from the node itself. */
  async #noteAddresses(): Promise<void> {
    const { record } = this;
    if (record === null) return;
    const { port, cluster } = this.#options;
    const mesh = this.#moved(record.mesh, cluster.meshPort);
    const client = record.client === '' ? '' : this.#moved(record.client, port);
    if (mesh !== record.mesh || client !== record.client) await this.#remember({ ...record, mesh, client });
  }

  /** A port that was chosen freely stays. */
  #moved(before: string, port: number): string {
    const { advertise: host } = this.#options.cluster;
    return formatAddress({ host, port: port === 0 ? parseAddress(before).port : port });
  }

  get clusterOptions(): ClusterOptions | null {
    const { identity, record } = this;
    if (identity === null || record === null) return null;
    const onProblem = this.#onProblem;
    const [env, listen] = [this.#env, this.#listen(record)];
    return {
      self: identity.self,
      name: identity.cluster,
      addresses: { mesh: record.mesh, client: record.client },
      peers: record.members.length === 0 ? null : { members: record.members, outgoing: [], forced: [] },
      isFirst: record.members.length === 0,
      openMesh: (handlers) => {
        identity.onChange(() => this.onTrust());
        return openSecureMesh({
          identity,
          env,
          transport: record.transport,
          listen,
          handlers,
          compression: zstdCompression,
          onProblem,
        });
      },
    };
  }

  /** Where the others look for it; on loopback alone where the server is. */
  #listen({ mesh }: NodeRecord): NetworkAddress {
    const { listen, cluster } = this.#options;
    const host = listen.includes(cluster.advertise) ? cluster.advertise : listen.find(isNotLoopback);
    return { host: host ?? listen[0] ?? '127.0.0.1', port: parseAddress(mesh).port };
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
    if (this.identity !== null) await this.#requireRole(mode);
    if (this.identity !== null || primary === null) return;
    await this.#join(primary, mode === 'witness' ? mode : 'replica', joinToken);
  }

  /** A witness with rows would lead, and nobody could reach it; a replica without could not answer. */
  async #requireRole(mode: ServerOptions['cluster']['mode']): Promise<void> {
    const role = this.record?.members.find(({ id }) => id === this.identity?.self)?.role;
    const hasRows = await this.#env.disk.exists(`${this.#path}/rows`);
    if (mode === 'witness' ? !hasRows : role !== 'witness') return;
    const what = hasRows ? "a replica's" : "a witness's";
    throw new AlopexError(
      'object_not_in_prerequisite_state',
      `${this.#path} is ${what}, which cannot be started with ${mode === null ? 'no --mode' : `--mode ${mode}`}`,
      { hint: 'To give a node another part, remove it, and let it join with an empty directory.' },
    );
  }

  async #join(primary: string, role: 'replica' | 'witness', token: string | null): Promise<void> {
    await this.#requireEmpty();
    const certificateRequest = await requestIdentity(this.#env, this.#path);
    const mesh = await this.#address(this.#options.cluster.meshPort);
    const client = role === 'witness' ? '' : await this.#address(this.#options.port);
    await this.#requireFreePorts(role === 'witness' ? [mesh] : [mesh, client]);
    const request = { role, certificateRequest, mesh, client, token, transports: transportsHere() };
    const answer = await requestJoinPatiently(this.#env.clock, primary, request, this.#onProblem);
    this.identity = await storeJoined(this.#env, this.#path, answer);
    await this.#remember({ mesh, client, transport: answer.transport, members: answer.members });
  }

  /** The rows of a database alone are not the cluster's, and would be lost. */
  async #requireEmpty(): Promise<void> {
    for (const name of ['log', 'rows']) {
      if (!(await this.#env.disk.exists(`${this.#path}/${name}`))) continue;
      throw new AlopexError(
        'object_not_in_prerequisite_state',
        `${this.#path} holds a database already, and a node that joins gets the cluster's`,
        { hint: 'Name a directory that is empty, or not there yet: --data <directory>.' },
      );
    }
  }

  /** Who could not be reached is no member. */
  async #requireFreePorts(addresses: readonly string[]): Promise<void> {
    const hosts = this.#options.listen.length === 0 ? ['127.0.0.1'] : this.#options.listen;
    for (const address of addresses) {
      const { port } = parseAddress(address);
      for (const host of hosts)
        await (await this.#env.network.listen({ host, port }, (each) => each.destroy())).close();
    }
  }

  /** The cluster's members are those now. Written where they are others than before. */
  async noteMembers(members: readonly Member[]): Promise<void> {
    const { record } = this;
    if (record === null || members.length === 0) return;
    if (JSON.stringify(record.members) !== JSON.stringify(members))
      await this.#remember({ ...record, members });
  }

  /** What was found of the log while the node ran, which `joinAnew` mends at the next start. */
  async noteDamage({ message }: AlopexError): Promise<void> {
    if (this.identity === null) return;
    await replaceWhole(this.#env.disk, `${this.#path}/cluster/damaged`, stringToUtf8(message));
  }

  async notedDamage(): Promise<AlopexError | null> {
    const bytes = await readWhole(this.#env.disk, `${this.#path}/cluster/damaged`);
    return bytes === null ? null : new AlopexError('data_corrupted', utf8ToString(bytes));
  }

  /**
   * A node whose log or votes are damaged may have promised what it does not know any more: as who it was, it must never vote
   * again. It joins as a new node in its own place, by the key that it still has; what is there is kept beside.
   */
  async joinAnew(): Promise<void> {
    const { clusterOptions, identity, record } = this;
    if (clusterOptions === null || identity === null || record === null || record.members.length < 2)
      throw new AlopexError('object_not_in_prerequisite_state', 'no other node is known to join');
    const aside = `${this.#path}/rejoining`;
    const certificateRequest = await requestIdentity(this.#env, aside);
    const role =
      record.members.find(({ id }) => id === identity.self)?.role === 'witness' ? 'witness' : 'replica';
    const { mesh, client } = record;
    const transports = transportsHere();
    const request = {
      role,
      certificateRequest,
      mesh,
      client,
      token: null,
      transports,
      isLoopback: false,
    } as const;
    const answer = await askToJoin(this.#env.clock, clusterOptions, record.members, request);
    await storeJoined(this.#env, aside, answer);
    const { members, transport } = answer;
    await writeNodeRecord(this.#env.disk, aside, { mesh, client, transport, members });
    await this.#exchange(aside);
    this.identity = await loadIdentity(this.#env, this.#path);
    this.record = await readNodeRecord(this.#env.disk, this.#path);
  }

  /** The keys first: without them nothing that is left can be taken for a member's. */
  async #exchange(aside: string): Promise<void> {
    const { disk, clock } = this.#env;
    const damaged = `${this.#path}/damaged-${Math.floor(clock.wallMs())}`;
    await disk.makeDirectory(damaged);
    for (const name of ['cluster', 'log', 'rows']) {
      if (await disk.exists(`${this.#path}/${name}`))
        await disk.rename(`${this.#path}/${name}`, `${damaged}/${name}`);
      await disk.syncDirectory(this.#path);
    }
    await disk.rename(`${aside}/cluster`, `${this.#path}/cluster`);
    await disk.remove(aside);
    await disk.syncDirectory(this.#path);
  }

  async create(): Promise<void> {
    this.identity ??=
      (await loadIdentity(this.#env, this.#path)) ?? (await createCluster(this.#env, this.#path));
    const mesh = await this.#address(this.#options.cluster.meshPort);
    const client = await this.#address(this.#options.port);
    const transport = this.#options.cluster.meshTransport ?? 'tls';
    await this.#remember({ mesh, client, transport, members: [] });
  }

  /** One after another: the last one given is the one that stays. */
  #remember(record: NodeRecord): Promise<void> {
    const saved = this.#saving.then(async () => {
      await writeNodeRecord(this.#env.disk, this.#path, record);
      this.record = record;
    });
    this.#saving = saved.catch(() => {});
    return saved;
  }

  get asFirstMember(): Member {
    const { identity, record } = this;
    if (identity === null || record === null)
      throw new AlopexError('internal_error', 'a node is a member once it has keys');
    return { id: identity.self, role: 'voter', mesh: record.mesh, client: record.client };
  }

  async check(request: string, transports: JoinRequest['transports']): Promise<void> {
    const transport = this.record?.transport ?? this.#options.cluster.meshTransport ?? 'tls';
    if (!transports.includes(transport)) throw cannotTalk(transport);
    await requireRequest(request);
    this.identity?.requireSigner();
  }

  async sign(request: string, id: NodeId): ReturnType<Signer['sign']> {
    const { identity, record } = this;
    if (identity === null || record === null)
      throw new AlopexError('internal_error', 'a node signs once it has keys');
    return { ...(await identity.signJoin(request, id)), transport: record.transport };
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
    if (identity === null || mesh === null || identity.canSign || self?.role !== 'voter') return;
    if (this.#isFetching) return;
    this.#isFetching = true;
    try {
      const others = status!.membership.members.filter(
        ({ id, role }) => role === 'voter' && id !== identity.self,
      );
      others.sort((a, b) => Number(b.id === status!.leader) - Number(a.id === status!.leader));
      // Any of them may be the one on which it was made.
      for (const [place, { id }] of others.entries()) {
        try {
          await identity.importAuthorityKey(await mesh.request(id, authorityRequest, new Uint8Array(0)));
          return;
        } catch (thrown) {
          if (place === others.length - 1) throw thrown;
        }
      }
    } finally {
      this.#isFetching = false;
    }
  }
}
