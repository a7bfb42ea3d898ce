import { type Epoch, epoch, type NodeId, nodeId, type Offset, offset } from '../../../base/ids.ts';
import type {
  Entry,
  HardState,
  Input,
  Member,
  Membership,
  MembershipChange,
  Message,
  Outgoing,
  RaftLimits,
  Ready,
} from '../contract.ts';
import { defaultRaftLimits, firstHardState } from '../contract.ts';
import { RaftGroup } from '../group.ts';
import { isJoint, noMembership } from '../memberships.ts';

type Queued = Outgoing & { readonly from: NodeId };

/** One node of a script: a log in memory of which it keeps what is flushed. */
type ScriptNode = {
  readonly id: NodeId;
  group: RaftGroup | null;
  hardState: HardState;
  base: { offset: Offset; epoch: Epoch; membership: Membership };
  entries: Entry[];
  flushed: Offset;
  isFlushHeld: boolean;
  shown: string;
};

const deliveriesMax = 1000;
const batchBytes = 100;

/**
 * Runs a script line by line and says what happens: which messages arrive, and what each node is afterwards. Messages wait
 * until `deliver` (all, or so many) or `run`; `small` makes them hold one batch; those of the kind that `drop` names are lost until `heal`; time stands but for `wait` and `run`; the election timeout of node n is 500 + 10n ms.
 */
export class Script {
  readonly #nodes = new Map<NodeId, ScriptNode>();
  readonly #cut = new Set<string>();
  #queue: Queued[] = [];
  #dropped: string | null = null;
  #nowMs = 0;
  #limits: Partial<RaftLimits> = {};
  #lines: string[] = [];

  /** What the command does, line by line. */
  run(command: string): readonly string[] {
    this.#lines = [];
    const [name, ...words] = command.split(' ');
    this.#command(name!, words);
    this.#showNodes();
    return this.#lines;
  }

  #command(name: string, words: readonly string[]): void {
    const [first = '', ...rest] = words;
    switch (name) {
      case 'nodes':
        for (const member of words.map(memberOf))
          this.#add(member.id, { members: words.map(memberOf), outgoing: [], forced: [] });
        return;
      case 'small':
        this.#limits = { messageBytesMax: batchBytes };
        return;
      case 'copy-from':
        this.#limits = { snapshotRecordsMin: Number(first) };
        return;
      case 'spare':
        this.#add(idOf(first), noMembership);
        return;
      case 'wait':
        this.#nowMs += Number(first);
        return;
      case 'run':
        this.#runFor(Number(first));
        return;
      case 'deliver':
        this.#deliver(true, first === '' ? deliveriesMax : Number(first));
        return;
      case 'cut':
        for (const other of rest) this.#cut.add(`${first}>${other}`).add(`${other}>${first}`);
        return;
      case 'drop':
        this.#dropped = first;
        return;
      case 'heal':
        this.#cut.clear();
        this.#dropped = null;
        return;
      case 'lose':
        this.#queue = [];
        return;
      default:
        this.#onNode(name, this.#nodes.get(idOf(first))!, rest);
    }
  }

  #onNode(name: string, node: ScriptNode, words: readonly string[]): void {
    switch (name) {
      case 'tick':
      case 'wake':
      case 'resign':
      case 'force':
        this.#step(node, { kind: name });
        return;
      case 'rewind':
        this.#step(node, { kind: 'rewind', to: offset(Number(words[0])) });
        this.#step(node, { kind: 'adopt' });
        return;
      case 'write':
        this.#write(node, Number(words[0] ?? 1), null);
        return;
      case 'hold':
        node.isFlushHeld = true;
        return;
      case 'flush':
        node.isFlushHeld = false;
        this.#flush(node);
        return;
      case 'refuse':
        cutAt(node, node.flushed);
        node.isFlushHeld = false;
        this.#step(node, { kind: 'refused', endOffset: node.flushed });
        return;
      case 'crash':
        node.group = null;
        cutAt(node, node.flushed);
        return;
      case 'restart':
        this.#start(node);
        return;
      case 'trim':
        this.#trim(node, offset(Number(words[0])));
        return;
      case 'snapshot':
        this.#restore(node, this.#nodes.get(idOf(words[0]!))!, words[1]);
        return;
      case 'read':
        this.#step(node, { kind: 'read-index', id: Number(words[0]) });
        return;
      case 'unreachable':
        this.#step(node, { kind: 'unreachable', peer: idOf(words[0]!) });
        return;
      case 'transfer':
        this.#step(node, { kind: 'transfer', to: idOf(words[0]!) });
        return;
      case 'change':
        this.#step(node, { kind: 'change-membership', change: changeOf(words) });
        return;
      case 'followers':
        this.#showFollowers(node);
        return;
      default:
        throw new Error(`no command ${name}`);
    }
  }

  #add(id: NodeId, membership: Membership): void {
    const base = { offset: offset(0), epoch: epoch(0), membership };
    const hardState = firstHardState;
    const flushed = offset(0);
    const node = { id, group: null, hardState, base, entries: [], flushed, isFlushHeld: false, shown: '' };
    this.#nodes.set(id, node);
    this.#start(node);
  }

  #start(node: ScriptNode): void {
    const epochs = node.entries
      .filter((entry, index) => entry.epoch !== node.entries[index - 1]?.epoch)
      .map((entry) => ({ epoch: entry.epoch, startOffset: entry.baseOffset }));
    const changes = node.entries.filter(({ membership }) => membership !== null);
    node.group = new RaftGroup({
      self: node.id,
      hardState: node.hardState,
      epochs,
      startOffset: node.base.offset,
      startEpoch: node.base.epoch,
      endOffset: endOf(node),
      highWatermark: node.base.offset,
      memberships: [
        { endOffset: node.base.offset, membership: node.base.membership },
        ...changes.map(({ endOffset, membership }) => ({ endOffset, membership: membership! })),
      ],
      random: () => ((node.id * 10) / defaultRaftLimits.electionMs) * 2 ** 32,
      nowMs: this.#nowMs,
      limits: this.#limits,
    });
  }

  #step(node: ScriptNode, input: Input): void {
    if (node.group === null) return;
    const ready = node.group.step(input, this.#nowMs);
    this.#store(node, ready);
    for (const sent of ready.messages)
      if (sent.message.kind !== this.#dropped) this.#queue.push({ from: node.id, ...sent });
    for (const { to, from, bytesMax } of ready.reads) {
      const isTrimmed = from < node.base.offset;
      const wanted = node.entries.filter(({ baseOffset }) => baseOffset >= from);
      const entries = isTrimmed ? 'trimmed' : wanted.slice(0, Math.ceil(bytesMax / batchBytes));
      this.#step(node, { kind: 'read', to, from, entries });
    }
    if (ready.outranked !== null) this.#say(`${node.id} is outranked by ${ready.outranked}`);
    if (ready.restore !== null) this.#say(`${node.id} needs a snapshot from ${ready.restore.from}`);
    for (const { id, offset: place } of ready.readable)
      this.#say(`${node.id} read ${id}: ${place === null ? 'not the leader' : `at ${place}`}`);
    for (const { error } of ready.changed) this.#say(`${node.id} change: ${error?.message ?? 'done'}`);
  }

  #store(node: ScriptNode, ready: Ready): void {
    if (ready.save !== null) {
      node.hardState = ready.save;
      this.#say(`${node.id} saves ${describeState(ready.save)}`);
    }
    if (ready.truncate !== null) {
      cutAt(node, ready.truncate);
      this.#say(`${node.id} cuts its log at ${ready.truncate}`);
    }
    node.entries.push(...ready.append);
    if (ready.append.length > 0) this.#flush(node);
    for (const proposal of ready.propose) {
      this.#say(`${node.id} proposes ${proposal.kind}`);
      this.#write(node, 1, proposal.kind === 'membership' ? proposal.membership : null);
    }
  }

  #write(node: ScriptNode, records: number, membership: Membership | null): void {
    const base = endOf(node);
    const entry = {
      baseOffset: base,
      endOffset: offset(base + records),
      epoch: node.group!.status.epoch,
      sizeBytes: batchBytes,
      membership,
      bytes: new Uint8Array(0),
    };
    node.entries.push(entry);
    this.#step(node, { kind: 'appended', entries: [entry] });
    this.#flush(node);
  }

  #flush(node: ScriptNode): void {
    if (node.isFlushHeld) return;
    node.flushed = endOf(node);
    this.#step(node, { kind: 'flushed', endOffset: node.flushed });
  }

  #trim(node: ScriptNode, place: Offset): void {
    const last = node.entries.findLast(({ endOffset }) => endOffset <= place)!;
    const { membership } = node.group!.status;
    node.base = { offset: last.endOffset, epoch: last.epoch, membership };
    node.entries = node.entries.filter(({ baseOffset }) => baseOffset >= last.endOffset);
    this.#step(node, { kind: 'trimmed', startOffset: last.endOffset });
  }

  /** `at`: where the snapshot ends; as far as the source knows of, where it is not said. */
  #restore(node: ScriptNode, source: ScriptNode, at: string | undefined): void {
    const { highWatermark, membership } = source.group!.status;
    const place = at === undefined ? highWatermark : Number(at);
    const last = source.entries.findLast(({ endOffset }) => endOffset <= place)!;
    if (!node.group!.needsSnapshot(last.endOffset, last.epoch)) {
      this.#say(`${node.id} needs no snapshot at ${last.endOffset}`);
      return;
    }
    node.base = { offset: last.endOffset, epoch: last.epoch, membership };
    node.entries = [];
    node.flushed = last.endOffset;
    this.#step(node, { kind: 'restored', offset: last.endOffset, offsetEpoch: last.epoch, membership });
  }

  /** Time passes, and what is sent arrives at once. */
  #runFor(durationMs: number): void {
    const endMs = this.#nowMs + durationMs;
    for (;;) {
      this.#deliver(false, deliveriesMax);
      const due = [...this.#nodes.values()]
        .map((node) => ({ node, atMs: node.group?.nextDeadlineMs() ?? Number.POSITIVE_INFINITY }))
        .sort((a, b) => a.atMs - b.atMs || a.node.id - b.node.id)[0]!;
      if (due.atMs > endMs) break;
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      this.#step(due.node, { kind: 'tick' });
    }
    this.#nowMs = endMs;
  }

  #deliver(isShown: boolean, countMax: number): void {
    for (let count = 0; count < countMax && this.#queue.length > 0; count++) {
      const { from, to, generation, message } = this.#queue.shift()!;
      const node = this.#nodes.get(to);
      if (node?.group == null || this.#cut.has(`${from}>${to}`)) continue;
      if (isShown) this.#say(`${from} > ${to} ${describe(message)}`);
      this.#step(node, { kind: 'message', from, generation, message });
    }
  }

  /** Each node that is not as it was shown last. */
  #showNodes(): void {
    for (const node of this.#nodes.values()) {
      const shown = describeNode(node);
      if (shown === node.shown) continue;
      node.shown = shown;
      this.#say(`  ${node.id}: ${shown}`);
    }
  }

  #showFollowers(node: ScriptNode): void {
    const { inSyncOffset, leaseUntilMs, followers } = node.group!.status;
    this.#say(`in sync to ${inSyncOffset}, lease for ${Math.max(0, leaseUntilMs - this.#nowMs)} ms`);
    for (const { id, match, mode, isInSync } of followers)
      this.#say(`follower ${id}: ${mode}, match ${match}${isInSync ? ', in sync' : ''}`);
  }

  #say(line: string): void {
    this.#lines.push(line);
  }
}

function describeState({ epoch: at, votedFor, generation, outrankedBy }: HardState): string {
  const parts = [`epoch ${at}`, `vote ${votedFor ?? '-'}`];
  if (generation.count > 0) parts.push(`generation ${generation.count} of ${generation.node}`);
  if (outrankedBy !== null) parts.push(`outranked by ${outrankedBy.count} of ${outrankedBy.node}`);
  return parts.join(', ');
}

function describeNode(node: ScriptNode): string {
  if (node.group === null) return 'down';
  const { role, epoch: at, leader, highWatermark, membership, isQuiet, transferTo } = node.group.status;
  const { generation, outrankedBy, rival } = node.group.status;
  const log: string[] = [];
  for (const { epoch: of, endOffset } of node.entries) {
    if (log.at(-1)?.startsWith(`${of}:`)) log.pop();
    log.push(`${of}:${endOffset}`);
  }
  const members = [...membership.members.map(textOf)];
  const left = membership.outgoing.map(({ id }) => id);
  const flags = [
    isJoint(membership) ? `with ${left.join(' ')}` : '',
    isQuiet ? 'quiet' : '',
    generation.count === 0 ? '' : `generation ${generation.count} of ${generation.node}`,
    outrankedBy === null ? '' : 'outranked',
    rival === null ? '' : `rival ${rival}`,
    transferTo === null ? '' : `hands over to ${transferTo}`,
    node.flushed < endOf(node) ? `flushed ${node.flushed}` : '',
  ].filter((flag) => flag !== '');
  const led = role === 'follower' ? ` of ${leader ?? 'nobody'}` : '';
  const parts = [
    `${role}${led}`,
    `epoch ${at}`,
    `committed ${highWatermark}`,
    `log ${node.base.offset} ${log.join(' ')}`.trim(),
  ];
  return [...parts, `members ${members.join(' ')}`.trim(), ...flags].join(', ');
}

function describe(message: Message): string {
  switch (message.kind) {
    case 'append': {
      const entries = message.entries.map(
        ({ baseOffset, endOffset, epoch: of }) => ` [${baseOffset}, ${endOffset}) of ${of}`,
      );
      const place = `after ${message.previousOffset} of ${message.previousEpoch}`;
      return `append, epoch ${message.epoch}, ${place}, committed ${message.highWatermark}${message.quiesce ? ', be quiet' : ''}:${entries.join(',') || ' nothing'}`;
    }
    case 'append-accepted':
      return `accepted, epoch ${message.epoch}, match ${message.match}`;
    case 'append-rejected':
      return `rejected, epoch ${message.epoch}, at ${message.previousOffset}: mine of ${message.hintEpoch} end at ${message.hintOffset}`;
    case 'vote-request':
      return `${message.isPreVote ? 'would you vote' : 'vote'} for me${message.isTransfer ? ', the leader wants it' : ''}, epoch ${message.epoch}, log ends at ${message.endOffset} of ${message.lastEpoch}`;
    case 'vote':
      return `${message.isGranted ? 'yes' : 'no'}, epoch ${message.epoch}${message.isPreVote ? ' (pre-vote)' : ''}`;
    case 'timeout-now':
      return `stand for election, epoch ${message.epoch}`;
    case 'outranked':
      return `you are outranked, epoch ${message.epoch}`;
    case 'snapshot':
      return `fetch a snapshot at ${message.offset} or later, epoch ${message.epoch}`;
  }
}

function endOf(node: ScriptNode): Offset {
  return node.entries.at(-1)?.endOffset ?? node.base.offset;
}

function cutAt(node: ScriptNode, end: Offset): void {
  node.entries = node.entries.filter(({ endOffset }) => endOffset <= end);
  if (node.flushed > end) node.flushed = end;
}

function idOf(word: string): NodeId {
  return nodeId(Number.parseInt(word, 10));
}

/** `3`, `3w` or `3l`. */
function memberOf(word: string): Member {
  const role = word.endsWith('w') ? 'witness' : word.endsWith('l') ? 'learner' : 'voter';
  return { id: idOf(word), role, mesh: '', client: '' };
}

function textOf({ id, role }: Member): string {
  return `${id}${role === 'voter' ? '' : role[0]}`;
}

function changeOf([kind, first, second]: readonly string[]): MembershipChange {
  switch (kind) {
    case 'add':
    case 'change':
      return { kind, member: memberOf(first!) };
    case 'remove':
      return { kind, id: idOf(first!) };
    case 'replace':
      return { kind, id: idOf(first!), member: memberOf(second!) };
    default:
      throw new Error(`no change ${kind}`);
  }
}
