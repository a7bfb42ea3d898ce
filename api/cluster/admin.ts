import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { Member, MembershipChange, RaftStatus } from '../../log/raft/contract.ts';
import type { Range } from '../../log/range/range.ts';
import { hasBegun, type Transaction } from '../../query/txn/transaction.ts';
import type { Engine } from '../database/engine.ts';
import type {
  ClusterAdmin,
  JoinAnswer,
  JoinRequest,
  NodeStatus,
  ReplicationMode,
  VerifiedTable,
} from '../database/replication.ts';
import { parseAddress } from './address.ts';
import { type ClusterSettings, changeClusterSettings, clusterSettings } from './cluster-settings.ts';
import { newToken, withoutToken, withToken } from './join-tokens.ts';
import type { DatabaseNode } from './node.ts';
import { aliveMsMax, aliveRequest } from './node-replication.ts';
import { hasCaughtUp, Promotion, replicasOf, votersAmong } from './promotion.ts';
import { promotedTwice } from './rewind.ts';
import { answerVerify, verified, verifyRequest } from './verify.ts';

/** What the admin needs of the node's keys. */
export type Signer = {
  /** Makes the cluster where there is none yet: this node is its first. */
  found(): Promise<void>;
  /** Throws 22023 for what is no request, 55000 where this node has no authority's key. */
  check(certificateRequest: string, transports: JoinRequest['transports']): Promise<void>;
  sign(
    certificateRequest: string,
    node: NodeId,
  ): Promise<Pick<JoinAnswer, 'certificate' | 'authority' | 'transport'>>;
};

/** Of the nodes' requests to each other: a member's log is lost, and it joins anew, in its own place. */
export const rejoinRequest = 'rejoin';
/** Give me the lead. */
const transferRequest = 'transfer';
const transferMs = 10_000;
/** Take me out: of a node that led until now. */
const removeRequest = 'remove';
/** Who is asked may not lead yet, or no more. */
const passing: ReadonlySet<string> = new Set(['cannot_connect_now', 'connection_failure']);
/** How long open transactions are waited for before the lead is handed over, and how often is looked. */
const quietMsMax = 5000;
const quietLookMs = 5;

/** Nodes that may have joined others, which a promotion by force left behind. */
const forcedNodesMax = 1000;

/** How far are the nodes? */
const nodesRequest = 'nodes';
const nodesMsMax = 2_000;

/** Between two looks at what has been waited for. */
const lookMs = 20;
const verifyTimeoutMs = 600_000;

/** Most elections are over by then. */
const electionMsMax = 5_000;

/** What operators ask of a node, and what a primary does by itself: replicas that have caught up become voters. */
export class NodeAdmin implements ClusterAdmin {
  readonly #node: DatabaseNode;
  readonly #signer: Signer;
  readonly #promotesAtFirst: boolean;
  readonly #promotion: Promotion;
  #isHandingOver = false;
  #changing: Promise<void> = Promise.resolve();

  /** `promotesAtFirst`: replicas of a cluster that this node founds become voters without being asked for. */
  constructor(
    node: DatabaseNode,
    signer: Signer,
    promotesAtFirst: boolean,
    onProblem: (problem: AlopexError) => void,
  ) {
    this.#node = node;
    this.#signer = signer;
    this.#promotesAtFirst = promotesAtFirst;
    this.#promotion = new Promotion(node, (change) => this.#changeMembers(change), onProblem);
    // Those that joined, or came back, while another one led.
    node.onPrimary = () => this.promoteSoon();
    node.onMember = () => {
      if (node.isPrimary) this.promoteSoon();
    };
    node.handle(transferRequest, async (from) => {
      this.#requireSuccessor(from);
      this.#handOver(from, transferMs).catch((error: unknown) => onProblem(asAlopexError(error)));
      return new Uint8Array(0);
    });
    node.handle(rejoinRequest, async (_, body) => {
      const request = JSON.parse(utf8ToString(body)) as JoinRequest;
      return stringToUtf8(JSON.stringify(await this.join({ ...request, isLoopback: true })));
    });
    node.handle(removeRequest, async (_, body) => {
      await this.remove(nodeId(Number(utf8ToString(body))));
      return new Uint8Array(0);
    });
    node.handle(nodesRequest, async () => stringToUtf8(JSON.stringify(this.#nodesSeen)));
    node.handle(verifyRequest, (_, body) => answerVerify(node.engine, body));
  }

  get #engine(): Engine {
    return this.#node.engine;
  }
  get #range(): Range {
    const { replica } = this.#engine;
    if (replica !== null) return replica.range;
    throw new AlopexError('object_not_in_prerequisite_state', 'this database has no replicas', {
      hint: 'Start one with: alopex-server --mode replica --primary <host:port of this server>',
    });
  }

  /** What is said of a cluster is said of one that there is: the name of one that comes later is not known yet. */
  #requireCluster(): void {
    void this.#range;
  }

  #requirePrimary(): void {
    if (this.#node.isPrimary) return;
    const { leader, membership } = this.#range.status;
    const client = membership.members.find(({ id }) => id === leader)?.client;
    const hint = client === undefined ? 'The cluster has no primary now.' : `The primary is ${client}.`;
    throw new AlopexError('cannot_connect_now', 'this node is not the primary', { hint });
  }

  // ---- joining

  async join(request: JoinRequest): Promise<JoinAnswer> {
    if (this.#engine.replica !== null) this.#requirePrimary();
    await this.#requireLeave(request);
    if (this.#engine.replica === null) await this.#signer.found();
    const replaced =
      this.#range.status.membership.members.find(({ mesh }) => mesh === request.mesh)?.id ?? null;
    let node = nodeId(0);
    const settings = await this.#change((before) => {
      const tokens = request.isLoopback ? before.tokens : this.#tokensWithout(before, request.token);
      node = nodeId(before.nextNode);
      return {
        ...before,
        tokens,
        nextNode: before.nextNode + 1,
        witnesses: request.role === 'witness' ? [...before.witnesses, node] : before.witnesses,
        replaces: replaced === null ? before.replaces : [...before.replaces, { node, old: replaced }],
      };
    });
    const signed = await this.#signer.sign(request.certificateRequest, node);
    const { mesh, client } = request;
    await this.#changeMembers({ kind: 'add', member: { id: node, role: 'learner', mesh, client } });
    this.promoteSoon();
    return { node, cluster: settings.cluster, ...signed, members: this.#range.status.membership.members };
  }

  /** What is refused leaves nothing: no cluster, no number given, no token used. */
  async #requireLeave({
    role,
    mesh,
    client,
    certificateRequest,
    token,
    transports,
    isLoopback,
  }: JoinRequest): Promise<void> {
    parseAddress(mesh);
    if (role === 'replica') parseAddress(client);
    await this.#signer.check(certificateRequest, transports);
    const settings = clusterSettings(this.#engine.transactions.catalog);
    if (!isLoopback) this.#tokensWithout(settings ?? this.#firstSettings(), token);
  }

  #tokensWithout({ tokens }: ClusterSettings, token: string | null): ClusterSettings['tokens'] {
    return withoutToken(tokens, token, this.#engine.env.clock.wallMs());
  }

  async createJoinToken(lifetimeMs: number): Promise<string> {
    if (this.#engine.replica !== null) this.#requirePrimary();
    else await this.#signer.found();
    const { env } = this.#engine;
    const token = newToken(env);
    const expiresMs = env.clock.wallMs() + lifetimeMs;
    await this.#change((before) => ({ ...before, tokens: withToken(before.tokens, token, expiresMs) }));
    return token;
  }

  /** One after the other: nodes that come at once all come in. */
  #changeMembers(change: MembershipChange): Promise<void> {
    const changed = this.#changing.then(() => this.#range.changeMembership(change));
    this.#changing = changed.catch(() => {});
    return changed;
  }

  #change(change: (before: ClusterSettings) => ClusterSettings): Promise<ClusterSettings> {
    return changeClusterSettings(this.#engine, (before) => change(before ?? this.#firstSettings()));
  }

  #firstSettings(): ClusterSettings {
    const cluster = this.#node.cluster ?? '';
    const promotes = this.#promotesAtFirst;
    return {
      ...{ cluster, nextNode: 2, mode: 'semi-sync', promotes, votingReplicasMax: null },
      ...{ witnesses: [], replaces: [], tokens: [] },
    };
  }

  // ---- who votes

  /** Looks for those that have caught up, now and then, and for those that have moved, while this node is the primary. */
  promoteSoon(): void {
    this.#promotion.soon();
  }

  async enable(replicas: number, timeoutMs: number): Promise<void> {
    this.#requirePrimary();
    const untilMs = this.#engine.env.clock.monotonicMs() + timeoutMs;
    if (!(await this.#until(untilMs, () => this.#replicasInSync >= replicas))) {
      this.#requirePrimary();
      throw new AlopexError(
        'object_not_in_prerequisite_state',
        `${replicas === 1 ? 'one replica was' : `${replicas} replicas were`} asked for, and ${this.#replicasInSync} have joined and caught up`,
        {
          detail: `Replicas that have joined: ${this.#replicas.length}.`,
          hint: 'Start replicas with: alopex-server --mode replica --primary <host:port>',
        },
      );
    }
    let was: Pick<ClusterSettings, 'promotes' | 'votingReplicasMax'>;
    await this.#change((before) => {
      was = { promotes: before.promotes, votingReplicasMax: before.votingReplicasMax };
      const isForAll = was.promotes && was.votingReplicasMax === null;
      return isForAll ? before : { ...before, promotes: true, votingReplicasMax: replicas };
    });
    this.promoteSoon();
    if (await this.#until(untilMs, () => this.#votingReplicas >= replicas)) return;
    this.#requirePrimary();
    await this.#change((before) => ({ ...before, ...was }));
    throw new AlopexError('object_not_in_prerequisite_state', 'the replicas have not become voters in time', {
      hint: 'They do once they have caught up; replication status shows it.',
    });
  }

  get #replicas(): readonly Member[] {
    return replicasOf(this.#node);
  }
  get #votingReplicas(): number {
    return votersAmong(this.#replicas);
  }
  get #replicasInSync(): number {
    const followers = this.#engine.replica?.range.status.followers ?? [];
    return this.#replicas.filter(({ id }) => hasCaughtUp(followers.find((follower) => follower.id === id)))
      .length;
  }

  /** False: not by then. */
  async #until(untilMs: number, isSo: (status: RaftStatus) => boolean): Promise<boolean> {
    const { clock } = this.#engine.env;
    while (this.#engine.replica === null || !isSo(this.#range.status)) {
      if (clock.monotonicMs() >= untilMs) return false;
      await new Promise<void>((resolve) => void clock.setTimer(lookMs, resolve));
    }
    return true;
  }

  // ---- who leads

  async promote(isForced: boolean, timeoutMs: number): Promise<void> {
    const range = this.#range;
    const { clock } = this.#engine.env;
    const untilMs = clock.monotonicMs() + timeoutMs;
    const isContested = isForced && range.status.rival !== null;
    const patienceMs = Math.min(timeoutMs, electionMsMax);
    if (!isForced) await this.#until(clock.monotonicMs() + patienceMs, hasLeader);
    if (this.#node.isPrimary && !isContested) {
      if (range.status.rival !== null) throw promotedTwice(range.status.rival);
      return;
    }
    const { leader } = range.status;
    // A primary that lives has what only it and the others have: it hands over.
    if (isForced && (isContested || leader === null || !(await this.#answers(leader))))
      await this.#force(range, untilMs);
    else if (leader === null) {
      throw new AlopexError(
        'object_not_in_prerequisite_state',
        'the cluster has no primary that could hand over',
        {
          hint: `None was elected within ${patienceMs / 1000} s. Where most nodes are gone for good, promote --force makes this node the primary, and may lose what the others have.`,
        },
      );
    } else await this.#askLeader(transferRequest, new Uint8Array(0), untilMs);
    if (await this.#until(untilMs, () => this.#node.isPrimary)) return;
    throw new AlopexError('object_not_in_prerequisite_state', 'this node has not become the primary in time');
  }

  async #answers(node: NodeId): Promise<boolean> {
    const answer = this.#node.mesh?.request(node, aliveRequest, new Uint8Array(0), aliveMsMax);
    return answer === undefined
      ? false
      : answer.then(
          () => true,
          () => false,
        );
  }

  async #force(range: Range, untilMs: number): Promise<void> {
    range.step({ kind: 'resign' });
    range.step({ kind: 'force' });
    if (!(await this.#until(untilMs, () => this.#node.isPrimary))) return;
    // What the others were promised is not known here: they may have given these numbers to nodes that joined.
    await this.#change((before) => ({ ...before, nextNode: before.nextNode + forcedNodesMax }));
  }

  async demote(timeoutMs: number): Promise<void> {
    this.#requireCluster();
    this.#requirePrimary();
    const { clock } = this.#engine.env;
    const untilMs = clock.monotonicMs() + timeoutMs;
    if (this.#otherVoters.length === 0)
      throw new AlopexError('object_not_in_prerequisite_state', 'no other node that has rows has a vote');
    await this.#until(untilMs, () => this.#successor !== null || !this.#node.isPrimary);
    this.#requirePrimary();
    if (this.#successor === null)
      throw new AlopexError('object_not_in_prerequisite_state', 'no other voter has caught up in time');
    if (await this.#handOver(this.#successor, untilMs - clock.monotonicMs())) return;
    throw new AlopexError('object_not_in_prerequisite_state', 'the lead was not taken over in time');
  }

  get #otherVoters(): readonly NodeId[] {
    const { members } = this.#range.status.membership;
    return members.filter(({ id, role }) => role === 'voter' && id !== this.#node.self).map(({ id }) => id);
  }

  /** Who has most of the log, of those that may lead. */
  get #successor(): NodeId | null {
    const voters = this.#otherVoters;
    const [next] = this.#range.status.followers
      .filter((each) => voters.includes(each.id) && hasCaughtUp(each))
      .sort((left, right) => right.match - left.match);
    return next?.id ?? null;
  }

  /** Throws where the lead cannot be given to a node now. */
  #requireSuccessor(to: NodeId): void {
    this.#requirePrimary();
    if (this.#isHandingOver) throw underWay();
    const { membership, followers } = this.#range.status;
    const role = membership.members.find(({ id }) => id === to)?.role;
    if (role !== 'voter')
      throw new AlopexError('object_not_in_prerequisite_state', `node ${to} has no vote`, {
        hint: 'Replicas get one with: alopex-cli replication enable --replicas <number>',
      });
    if (!hasCaughtUp(followers.find(({ id }) => id === to)))
      throw new AlopexError('cannot_connect_now', `node ${to} has not caught up`);
  }

  /** What has begun goes on for a while before, and what has not waits, and begins where the lead is then. */
  async #handOver(to: NodeId, timeoutMs: number): Promise<boolean> {
    if (this.#isHandingOver) throw underWay();
    this.#isHandingOver = true;
    const { clock } = this.#engine.env;
    const untilMs = clock.monotonicMs() + timeoutMs;
    const gate = this.#node.replication?.gate;
    gate?.shut();
    try {
      await this.#quiet(clock.monotonicMs() + Math.min(quietMsMax, timeoutMs / 2));
      this.#range.step({ kind: 'transfer', to });
      return await this.#until(untilMs, ({ role, leader }) => role !== 'leader' && leader !== null);
    } finally {
      this.#isHandingOver = false;
      gate?.open();
    }
  }

  /** Until no transaction is open that may write. */
  async #quiet(untilMs: number): Promise<void> {
    const { transactions, env } = this.#engine;
    const isOpen = (transaction: Transaction): boolean => !transaction.isReadOnly && hasBegun(transaction);
    while ([...transactions.active].some(isOpen) && env.clock.monotonicMs() < untilMs)
      await new Promise<void>((resolve) => void env.clock.setTimer(quietLookMs, resolve));
  }

  async setMode(mode: ReplicationMode): Promise<void> {
    this.#requireCluster();
    this.#requirePrimary();
    await this.#change((before) => ({ ...before, mode }));
  }

  async remove(node: NodeId): Promise<void> {
    this.#requireCluster();
    this.#requirePrimary();
    if (!this.#range.status.membership.members.some(({ id }) => id === node))
      throw new AlopexError('undefined_object', `node ${node} is not a member`);
    if (node === this.#node.self) await this.#removeSelf(node);
    else await this.#changeMembers({ kind: 'remove', id: node });
  }

  /** Another one leads first, and does it: no write fails for it. */
  async #removeSelf(node: NodeId): Promise<void> {
    const untilMs = this.#engine.env.clock.monotonicMs() + transferMs;
    await this.demote(transferMs);
    await this.#askLeader(removeRequest, stringToUtf8(String(node)), untilMs).catch((thrown: unknown) => {
      // It is done, and the answer was lost.
      if (asAlopexError(thrown).condition !== 'undefined_object') throw thrown;
    });
  }

  /** Again and again until then, where nobody leads, or who does cannot do it now. */
  async #askLeader(name: string, body: Uint8Array, untilMs: number): Promise<void> {
    const { clock } = this.#engine.env;
    for (;;) {
      const { leader } = this.#range.status;
      try {
        if (leader !== null && leader !== this.#node.self) {
          await this.#node.mesh?.request(leader, name, body);
          return;
        }
      } catch (thrown) {
        if (!passing.has(asAlopexError(thrown).condition) || clock.monotonicMs() > untilMs) throw thrown;
      }
      if (this.#node.isPrimary || clock.monotonicMs() > untilMs) return;
      await new Promise<void>((resolve) => void clock.setTimer(lookMs, resolve));
    }
  }

  get #nodesSeen(): readonly NodeStatus[] {
    return this.#engine.replication?.status.nodes ?? [];
  }

  async nodes(): Promise<readonly NodeStatus[]> {
    const { leader } = this.#range.status;
    const { mesh, isPrimary } = this.#node;
    if (isPrimary || leader === null || mesh === null) return this.#nodesSeen;
    const asked = mesh.request(leader, nodesRequest, new Uint8Array(0), nodesMsMax);
    const body = await asked.catch(() => null);
    const told = body === null ? [] : (JSON.parse(utf8ToString(body)) as readonly NodeStatus[]);
    return this.#nodesSeen.map((seen) => {
      const there = told.find(({ id }) => id === seen.id);
      if (there === undefined) return seen;
      const { role, match, isInSync, silentMs } = there;
      return { ...seen, role, match, isInSync, silentMs };
    });
  }

  async verify(): Promise<readonly VerifiedTable[]> {
    this.#requirePrimary();
    const { self, mesh } = this.#node;
    const others = this.#range.status.membership.members
      .filter(({ id, role }) => id !== self && role !== 'witness')
      .map(({ id }) => id);
    return verified(this.#engine, self!, others, (id, body) =>
      mesh!.request(id, verifyRequest, body, verifyTimeoutMs),
    );
  }

  close(): void {
    this.#promotion.close();
  }
}

function hasLeader({ leader }: RaftStatus): boolean {
  return leader !== null;
}

function underWay(): AlopexError {
  return new AlopexError('object_in_use', 'the lead is being handed over already');
}
