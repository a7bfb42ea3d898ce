import { utf8ToString } from '../../base/bytes/utf8.ts';
import type { DirectoryLock } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId, RangeId } from '../../base/ids.ts';
import type { Mesh } from '../../log/mesh/contract.ts';
import type { MemberState, NodeAddresses } from '../../log/mesh/swim.ts';
import type { Membership, RaftStatus } from '../../log/raft/contract.ts';
import { keepLost, lostDirectory } from '../../log/range/lost.ts';
import { generationIn } from '../../log/range/states.ts';
import type { ConnectOptions, Session, SessionHost } from '../database/contract.ts';
import { Engine, type EngineOptions, rangeOfAll } from '../database/engine.ts';
import type { ReplicaOptions } from '../database/replica.ts';
import { sqlRequest } from '../database/replication.ts';
import { RemoteSessions } from '../database/routing/remote-sessions.ts';
import { ClusterLink, type ClusterOptions } from './cluster-link.ts';
import {
  adoptInstalled,
  fetchSnapshot,
  finishInstall,
  install,
  installRows,
  mustBeOf,
  stateOf,
} from './install.ts';
import { aliveRequest, NodeReplication } from './node-replication.ts';
import { answerMember, memberRequest, removedError } from './removal.ts';
import { fetchSoundRows, installSoundRows } from './repair.ts';
import { answerLineage, lineageRequest, promotedTwice, rewind, unsharedFrom } from './rewind.ts';
import {
  decodeFileRequest,
  Snapshots,
  snapshotDamaged,
  snapshotFile,
  snapshotPlaceRequest,
  snapshotReleased,
  snapshotRequest,
} from './snapshots.ts';

export type NodeOptions = Omit<EngineOptions, 'replica' | 'isHeld'> & {
  /** Null: the database is not replicated, until `found`. */
  readonly cluster: ClusterOptions | null;
  /** What an operator may want to know: that a snapshot came, or where a file is of what was lost. */
  readonly onNews?: (news: string) => void;
};

/** Answers a request of another node. */
export type RequestHandler = (from: NodeId, body: Uint8Array) => Promise<Uint8Array>;

/**
 * One node: a database in a directory, alone or as a replica among others. It holds the directory while the database within
 * is replaced by a snapshot of another node's; then sessions end, and new ones wait for nothing but that.
 */
export class DatabaseNode implements SessionHost {
  readonly #options: NodeOptions;
  readonly #lock: DirectoryLock;
  readonly #handlers = new Map<string, RequestHandler>();
  #cluster: ClusterLink | null = null;
  #engine: Engine | null = null;
  #snapshots: Snapshots | null = null;
  #remoteSessions: RemoteSessions | null = null;
  #replication: NodeReplication | null = null;
  #installing: Promise<void> | null = null;
  /** Of the rows; until they are another node's. */
  #isDamaged = false;
  #repairing: AbortController | null = null;
  #isClosed = false;
  #status: RaftStatus | null = null;
  /** Called with each engine that the node gets: what is attached to one is to be attached to the next. */
  onEngine: (engine: Engine) => void = () => {};
  onStatus: (status: RaftStatus, isPrimary: boolean) => void = () => {};
  /** There is news of another node: whether it lives, or where. */
  onMember: (node: NodeId) => void = () => {};
  /** It takes writes; said again where anything else of its status changes. */
  onPrimary: () => void = () => {};
  /** The disk failed: the node takes no part any more. */
  onFailed: (error: AlopexError) => void = () => {};
  /** A part of the log that the node does not need by itself cannot be read. */
  onLogDamaged: (error: AlopexError) => void = () => {};

  private constructor(options: NodeOptions, lock: DirectoryLock) {
    this.#options = options;
    this.#lock = lock;
    this.handle(snapshotRequest, (_, body) => started(this.#snapshots).offer(body));
    this.handle(snapshotPlaceRequest, () => started(this.#snapshots).place());
    this.handle(snapshotReleased, async (_, body) => {
      this.#snapshots?.release(Number(utf8ToString(body)));
      return new Uint8Array(0);
    });
    this.handle(sqlRequest, (from, body) => started(this.#remoteSessions).answer(from, body));
    this.handle(lineageRequest, async () => answerLineage(started(this.#engine?.replica).range));
    this.handle(aliveRequest, async () => new Uint8Array(0));
    this.handle(memberRequest, async (from) => answerMember(from, this.isPrimary, this.#status));
    this.handle(snapshotDamaged, (_, body) => this.#lookAt(Number(utf8ToString(body))));
  }

  /** Another node could not read a file that came from here. */
  async #lookAt(number: number): Promise<Uint8Array> {
    try {
      await started(this.#snapshots).verify(number);
    } catch (thrown) {
      this.#repair(asAlopexError(thrown));
    }
    return new Uint8Array(0);
  }

  static async open(options: NodeOptions): Promise<DatabaseNode> {
    const { env, path } = options;
    await env.disk.makeDirectory(path);
    const node = new DatabaseNode(options, await env.disk.lock(path));
    try {
      await finishInstall(env.disk, path);
      if (options.cluster !== null) node.#cluster = await node.#joinFounded(options.cluster);
      await node.#openOrRepair();
      return node;
    } catch (error) {
      await node.close();
      throw error;
    }
  }

  /** 57P03 while a snapshot is being installed. */
  get engine(): Engine {
    if (this.#engine !== null) return this.#engine;
    throw new AlopexError(
      'cannot_connect_now',
      this.#isClosed ? 'the database system is shutting down' : 'the database system is starting up',
    );
  }
  get mesh(): Mesh | null {
    return this.#cluster?.mesh ?? null;
  }
  /** The cluster's id; null where there is none. */
  get cluster(): string | null {
    return this.#cluster?.options.name ?? null;
  }
  get self(): NodeId | null {
    return this.#cluster?.options.self ?? null;
  }
  /** Of another node, as this one sees it; null: they have not met. */
  stateOf(node: NodeId): MemberState | null {
    return this.#cluster?.stateOf(node) ?? null;
  }
  /** Where a node says that it is, which the log may not know yet; null: it has said nothing. */
  addressesOf(node: NodeId): NodeAddresses | null {
    return this.#cluster?.addressesOf(node) ?? null;
  }
  /** Null: the database is not replicated. */
  get replication(): NodeReplication | null {
    return this.#replication;
  }
  get isRemoved(): boolean {
    return this.#cluster?.removal.isRemoved ?? false;
  }
  get status(): RaftStatus | null {
    return this.#status;
  }
  get isPrimary(): boolean {
    return this.#engine?.replica?.isPrimary ?? this.#cluster === null;
  }

  /** Makes a database that runs the first node of a cluster; nobody notices. */
  async found(cluster: ClusterOptions, first: Membership): Promise<void> {
    const { engine } = this;
    const link = await this.#join(cluster);
    try {
      this.#cluster = link;
      await engine.replicate(this.#replicaOptions(link), first);
    } catch (error) {
      this.#cluster = null;
      await link.close();
      throw error;
    }
    this.#attach(engine);
  }

  /** Requests of a name go there. */
  handle(name: string, handler: RequestHandler): void {
    this.#handlers.set(name, handler);
  }

  // ---- sessions

  connect(options: ConnectOptions): Session {
    return this.engine.connect(options);
  }
  mayLogIn(user: string): boolean {
    return this.engine.mayLogIn(user);
  }
  passwordVerifier(user: string): string | null {
    return this.engine.passwordVerifier(user);
  }
  get reportedSettings(): readonly string[] {
    return this.engine.reportedSettings;
  }

  // ---- the mesh

  /** Null: the node that was to found the cluster stopped before it had. It is a database alone, and may be asked to again. */
  async #joinFounded(options: ClusterOptions): Promise<ClusterLink | null> {
    const link = await this.#join(options);
    if (options.isFirst !== true || link.isFounded) return link;
    await link.close();
    return null;
  }

  async #join(options: ClusterOptions): Promise<ClusterLink> {
    const link = await ClusterLink.open(this.#options.env, this.#options.path, options, {
      onMessage: (from, range, message) => this.#onMessage(from, range, message),
      onRequest: (from, name, body) => this.#onRequest(from, name, body),
      onFetch: (_, name, body, position) => this.#onFetch(name, body, position),
      onLink: (peer, isUp) => {
        if (isUp) return;
        this.#engine?.replica?.range.onUnreachable(peer);
        // What its sessions have open here holds locks.
        void this.#remoteSessions?.forget(peer);
      },
    });
    link.onMember = (member) => this.onMember(member);
    link.removal.onRemoved = () => this.#options.onProblem(removedError());
    return link;
  }

  #onMessage(from: NodeId, range: RangeId, message: Uint8Array): void {
    if (range !== rangeOfAll) return;
    try {
      this.#engine?.replica?.range.receive(from, message);
    } catch (thrown) {
      this.#options.onProblem(asAlopexError(thrown));
    }
  }

  async #onRequest(from: NodeId, name: string, body: Uint8Array): Promise<Uint8Array> {
    const handler = this.#handlers.get(name);
    if (handler !== undefined) return handler(from, body);
    throw new AlopexError('protocol_violation', `this node knows no request of name "${name}"`);
  }

  #onFetch(name: string, body: Uint8Array, position: number): AsyncIterable<Uint8Array> {
    if (name !== snapshotFile || this.#snapshots === null)
      throw new AlopexError('protocol_violation', `this node has nothing of name "${name}"`);
    return this.#snapshots.file(...decodeFileRequest(body), position);
  }

  // ---- the database

  /** Damaged rows come from another node: the log says where they go on. */
  async #openOrRepair(): Promise<void> {
    try {
      await this.#openEngine();
    } catch (thrown) {
      const error = asAlopexError(thrown);
      const others = this.#cluster?.members ?? [];
      if (this.#cluster === null || others.length === 0 || !this.#isOfRows(error)) throw error;
      this.#options.onProblem(error);
      const { env, path } = this.#options;
      const sound = await fetchSoundRows(env, this.#cluster, path, () => this.#isClosed);
      if (sound === null) throw error;
      await installSoundRows(env, path, this.#cluster.states, sound);
      await this.#openEngine();
      this.#news('the damaged rows were replaced by those of another node');
    }
  }

  #isOfRows({ condition, message }: AlopexError): boolean {
    return condition === 'data_corrupted' && message.startsWith(`${this.#options.path}/rows`);
  }

  async #openEngine(): Promise<void> {
    const cluster = this.#cluster;
    const { cluster: _, ...options } = this.#options;
    const engine = await Engine.open({
      ...options,
      isHeld: true,
      onProblem: (problem) => this.#onEngineProblem(problem),
      ...(cluster === null ? {} : { replica: this.#replicaOptions(cluster) }),
    });
    this.#engine = engine;
    this.#isDamaged = false;
    this.#attach(engine);
    this.onEngine(engine);
  }

  async #closeEngine(): Promise<void> {
    const engine = this.#engine;
    this.#engine = null;
    this.#remoteSessions = null;
    this.#snapshots?.close();
    this.#snapshots = null;
    await engine?.close();
  }

  #attach(engine: Engine): void {
    const { replica } = engine;
    const { self } = this;
    if (replica === null || self === null) return;
    this.#snapshots = new Snapshots(engine, this.#options.path);
    const sessions = new RemoteSessions(engine);
    this.#remoteSessions = sessions;
    this.#replication = new NodeReplication(this, engine, replica, self);
    engine.replication = this.#replication;
    engine.onDamaged = (error) => this.#repair(error);
  }

  #replicaOptions(cluster: ClusterLink): ReplicaOptions {
    const { options, states, ticker, liveness, mesh } = cluster;
    return {
      self: options.self,
      states,
      ticker,
      liveness,
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      send: (to, range, message) => mesh.send(to, range, message),
      onStatus: (status, isPrimary) => this.#onStatus(cluster, status, isPrimary),
      onLost: (files) => this.#tellLost(files),
      onSnapshotNeeded: (leader) => this.#install(cluster, leader),
      onOutranked: (by) => this.#rewind(cluster, by),
      onFailed: (error) => {
        this.#options.onProblem(error);
        if (error.condition === 'data_corrupted') this.onLogDamaged(error);
        this.onFailed(error);
      },
    };
  }

  #onStatus(cluster: ClusterLink, status: RaftStatus, isPrimary: boolean): void {
    if (this.#status?.membership !== status.membership) cluster.meet(status.membership);
    const { rival } = status;
    if (rival !== null && rival !== this.#status?.rival) this.#options.onProblem(promotedTwice(rival));
    this.#status = status;
    this.#replication?.onLeader(status.leader);
    cluster.removal.onStatus(status);
    this.onStatus(status, isPrimary);
    if (isPrimary) this.onPrimary();
    if (this.#isDamaged && !isPrimary && status.role !== 'leader') this.#repairRows(cluster);
  }

  // ---- snapshots

  /** What the leader has left of its log begins too late for this node. */
  #install(cluster: ClusterLink, leader: NodeId): void {
    this.#replaceLog(() => this.#installNow(cluster, leader));
  }

  /** Another node was made the primary by force, without what this one has: it follows that one. */
  #rewind(cluster: ClusterLink, by: NodeId): void {
    this.#replaceLog(() => this.#rewindNow(cluster, by));
  }

  /** A repair waits for the log, which does not go on: what comes instead has sound rows too. */
  #replaceLog(work: () => Promise<void>): void {
    if (this.#repairing === null) {
      this.#replace(work);
      return;
    }
    this.#repairing.abort();
    void this.#installing?.then(() => this.#replace(work));
  }

  #news(news: string): void {
    this.#options.onNews?.(news);
  }

  #tellLost(files: readonly string[]): void {
    if (files.length > 0) this.#news(`what no other node has of this one's log is in ${files.join(', ')}`);
  }

  /** One at a time. */
  #replace(work: () => Promise<void>): void {
    if (this.#installing !== null || this.#isClosed) return;
    this.#installing = work()
      .catch((thrown: unknown) => {
        if (this.#isClosed) return;
        const error = asAlopexError(thrown);
        this.#options.onProblem(error);
        if (this.#engine === null) this.onFailed(error);
      })
      .finally(() => {
        this.#installing = null;
      });
  }

  /** A file of the rows is damaged. A primary lets another one lead first: that one's are sound. */
  #repair(damage: AlopexError): void {
    const cluster = this.#cluster;
    if (cluster === null) return;
    if (!this.#isOfRows(damage)) {
      this.onLogDamaged(damage);
      return;
    }
    if (!this.#isDamaged) this.#options.onProblem(damage);
    this.#isDamaged = true;
    if (this.isPrimary) this.#handOver();
    else this.#repairRows(cluster);
  }

  /** The node goes on voting meanwhile: without it there may be nobody who leads. */
  #repairRows(cluster: ClusterLink): void {
    this.#replace(async () => {
      this.#repairing = new AbortController();
      try {
        await this.#repairRowsNow(cluster, this.#repairing.signal);
      } finally {
        this.#repairing = null;
      }
    });
  }

  async #repairRowsNow(cluster: ClusterLink, signal: AbortSignal): Promise<void> {
    const { env, path } = this.#options;
    const { engine } = this;
    const aborted = new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
    const sound = await fetchSoundRows(env, cluster, path, () => signal.aborted);
    if (sound === null) return;
    await Promise.race([engine.log.committed(sound.offer.manifest.applied), aborted]);
    if (signal.aborted || this.isPrimary) return;
    await this.#closeEngine();
    await installRows(env.disk, path);
    await this.#openEngine();
    this.#news('the damaged rows were replaced by those of another node');
  }

  /** Workers read files too. */
  #onEngineProblem(problem: AlopexError): void {
    if (this.#cluster !== null && this.#isOfRows(problem)) this.#repair(problem);
    else this.#options.onProblem(problem);
  }

  #handOver(): void {
    const range = this.#engine?.replica?.range;
    if (range === undefined || range.status.transferTo !== null) return;
    const { followers, membership } = range.status;
    const next = followers.find(
      ({ id, isInSync }) =>
        isInSync && membership.members.some((each) => each.id === id && each.role === 'voter'),
    );
    if (next !== undefined) range.step({ kind: 'transfer', to: next.id });
  }

  async #installNow({ mesh, states }: ClusterLink, leader: NodeId): Promise<void> {
    const { env, path } = this.#options;
    this.#news(`fetching a snapshot of node ${leader} in the place of its log`);
    const offer = await fetchSnapshot(env.disk, mesh, leader, path);
    mustBeOf(generationIn(stateOf(states)), offer);
    const engine = this.#engine;
    const range = engine?.replica?.range;
    if (engine === null || range === undefined) return;
    const lostFrom = await unsharedFrom(range, engine.log, stateOf(states).hardState, mesh.self);
    if (this.#isClosed || engine !== this.#engine || !range.giveWay(offer)) return;
    if (lostFrom !== null)
      this.#tellLost(await keepLost(env.disk, lostDirectory(path), engine.log, lostFrom));
    await this.#closeEngine();
    try {
      await install(env.disk, path, states, offer);
      this.#news(`the snapshot is installed, up to offset ${offer.offset}`);
    } finally {
      if (!this.#isClosed) await this.#openEngine();
    }
  }

  async #rewindNow({ mesh, states }: ClusterLink, by: NodeId): Promise<void> {
    const { env, path } = this.#options;
    const engine = this.#engine;
    const range = engine?.replica?.range;
    if (engine === null || range === undefined) return;
    this.#news(`node ${by} was promoted by force: this node follows it`);
    const lostFrom = await rewind(range, mesh, by);
    if (lostFrom === null) return;
    const offer = await fetchSnapshot(env.disk, mesh, by, path);
    const { outrankedBy } = range.status;
    if (this.#isClosed || engine !== this.#engine || outrankedBy === null) return;
    mustBeOf(outrankedBy, offer);
    range.close();
    this.#tellLost(await keepLost(env.disk, lostDirectory(path), engine.log, lostFrom));
    await this.#closeEngine();
    try {
      await install(env.disk, path, states, offer);
      await adoptInstalled(states, offer);
    } finally {
      if (!this.#isClosed) await this.#openEngine();
    }
  }

  /** Ends the sessions, and leaves the directory as a clean stop does. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#repairing?.abort();
    const cluster = this.#cluster;
    await this.#installing;
    await this.#closeEngine();
    await cluster?.close();
    await this.#options.env.workers.close();
    await this.#lock.release();
  }
}

function started<Part>(part: Part | null | undefined): Part {
  if (part != null) return part;
  throw new AlopexError('cannot_connect_now', 'this node is starting up');
}
