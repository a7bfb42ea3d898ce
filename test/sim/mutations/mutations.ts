import type { Shape } from '../cluster/shapes.ts';

/** A bug that is put in on purpose: `find` stands once in the file. */
export type Mutation = {
  readonly name: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** Of the runs that are most likely to show it; others do too. */
  readonly shape?: Shape;
};

/** What the simulator must find. Sections are those of Ongaro's thesis. */
export const mutations: readonly Mutation[] = [
  {
    name: 'a commit is acknowledged before its fsync',
    file: 'log/segment/segment.ts',
    find: 'await this.file.writeDurably(position, chunks);',
    replace: 'await this.file.write(position, chunks);',
  },
  {
    name: 'a vote is said before it is kept (§3.8)',
    file: 'log/range/range.ts',
    find: 'this.#kept.set({ hardState: save });\n      await this.#kept.save();',
    replace: 'this.#kept.set({ hardState: save });',
    shape: 'elections',
  },
  {
    name: 'a node keeps as committed all that it has flushed',
    file: 'log/range/kept-state.ts',
    find: 'const { segments, highWatermark } = this.#log;',
    replace: 'const { segments, flushedOffset: highWatermark } = this.#log;',
    shape: 'elections',
  },
  {
    name: 'a node votes twice in an epoch (§3.4)',
    file: 'log/raft/group.ts',
    find: 'const isGranted = isCovered && (core.votedFor === null || core.votedFor === from);',
    replace: 'const isGranted = isCovered;',
    shape: 'elections',
  },
  {
    name: 'a node votes for a candidate whose log lacks what it has (§3.6.1)',
    file: 'log/raft/log-view.ts',
    find: 'return lastEpoch > last || (lastEpoch === last && endOffset >= this.endOffset);',
    replace: 'return lastEpoch >= 0 || (lastEpoch === last && endOffset >= this.endOffset);',
  },
  {
    name: 'the longer log wins, whatever its last epoch (§3.6.1)',
    file: 'log/raft/log-view.ts',
    find: 'return lastEpoch > last || (lastEpoch === last && endOffset >= this.endOffset);',
    replace: 'return endOffset >= this.endOffset || lastEpoch > last + 1_000_000;',
    shape: 'elections',
  },
  {
    name: 'a quorum is one less than a majority',
    file: 'log/raft/quorum.ts',
    find: 'return sorted[ids.length >> 1]!;',
    replace: 'return sorted[(ids.length - 1) >> 1]!;',
    shape: 'members',
  },
  {
    name: 'one voter too few commits',
    file: 'log/raft/quorum.ts',
    find: 'return sorted[ids.length >> 1]!;',
    replace: 'return sorted[Math.max(0, (ids.length >> 1) - 1)]!;',
  },
  {
    name: 'entries of an earlier epoch are committed by counting (§3.6.2)',
    file: 'log/raft/leadership.ts',
    find: 'if (reached <= this.#startOffset || !log.commit(offset(reached))) return;',
    replace: 'if (!log.commit(offset(reached))) return;',
    shape: 'elections',
  },
  {
    name: 'a leader reads by a lease that is too long (§6.4.1)',
    file: 'log/raft/leadership.ts',
    find: 'this.#core.quorum.reached(this.#answeredSentMs) + electionMs * (1 - driftMax)',
    replace: 'this.#core.quorum.reached(this.#answeredSentMs) + 10 * electionMs * (1 - driftMax)',
    shape: 'leases',
  },
  {
    name: 'a leader reads without a lease',
    file: 'api/database/replica.ts',
    find: 'return this.#clock.monotonicMs() < this.range.status.leaseUntilMs;',
    replace: 'return true;',
    shape: 'leases',
  },
  {
    name: 'a follower keeps what contradicts its leader (§3.5)',
    file: 'log/raft/log-view.ts',
    find: 'return entry.endOffset <= this.endOffset && this.epochs.epochAt(entry.endOffset) === entry.epoch;',
    replace: 'return entry.endOffset <= this.endOffset;',
  },
  {
    name: 'a follower takes entries without what stands before them (§3.5)',
    file: 'log/raft/log-view.ts',
    find: 'return place <= this.endOffset && this.epochs.epochAt(place) === epoch;',
    replace: 'return place <= this.endOffset || this.epochs.epochAt(place) === epoch;',
  },
  {
    name: 'a follower acknowledges what it has not flushed',
    file: 'log/raft/following.ts',
    find: 'return offset(Math.min(this.#verified, flushedOffset));',
    replace: 'return offset(Math.max(this.#verified, flushedOffset));',
  },
  {
    name: 'a follower acknowledges what is not known to be its leader’s',
    file: 'log/raft/following.ts',
    find: 'return offset(Math.min(this.#verified, flushedOffset));',
    replace: 'return flushedOffset;',
  },
  {
    name: 'the log keeps what the consensus has truncated',
    file: 'log/range/range.ts',
    find: 'await this.#log.truncate(truncate);',
    replace: 'if (truncate < 0) await this.#log.truncate(truncate);',
  },
  {
    name: 'the rows keep what the log has lost',
    file: 'api/database/replica.ts',
    find: 'this.#attached.rows.truncateTo(from);',
    replace: 'if (from < 0) this.#attached.rows.truncateTo(from);',
  },
  {
    name: 'a new primary writes before it has applied what is committed',
    file: 'api/database/replica.ts',
    find: `      await log.committed(first);
      while (this.#shown < first) await this.appliedPast(first);
`,
    replace: '',
  },
  {
    name: 'a primary that was replaced goes on',
    file: 'api/database/replica.ts',
    find: `    if (!transactions.isLeading) return;
    transactions.stopLeading();`,
    replace: '    if (transactions.isLeading) return;',
  },
  {
    name: 'every commit is answered once this disk has it',
    file: 'query/txn/placed-commits.ts',
    find: "if (durability !== 'async' || catalog !== null) continue;",
    replace: 'if (catalog !== null) continue;',
  },
  {
    name: 'async reads for a change see no more than what is replicated',
    file: 'query/txn/writer.ts',
    find: 'locked !== null || before !== this.#snapshot || this.#transactions.answered !== this.#snapshot;',
    replace: 'locked !== null || this.#transactions.visible !== this.#snapshot;',
  },
  {
    name: 'serializable commits that are being flushed are not checked against',
    file: 'query/txn/transactions.ts',
    find: 'return spans !== null || this.#recent.isWatched ? writtenKeys(pending) : null;',
    replace: 'return this.#recent.isWatched ? writtenKeys(pending) : null;',
    shape: 'slow',
  },
  {
    name: 'serializable commits are not checked',
    file: 'query/txn/transactions.ts',
    find: 'this.#recent.validate(transaction.spans, this.snapshot(transaction));',
    replace: 'this.snapshot(transaction);',
    shape: 'slow',
  },
  {
    name: 'transactions outlive the epoch in which they began',
    file: 'query/txn/transactions.ts',
    find: 'if (transaction.generation !== this.#generation) throw leaderChanged();',
    replace: 'if (transaction.generation > this.#generation) throw leaderChanged();',
    shape: 'elections',
  },
  {
    name: 'a commit is visible before those that stand before it',
    file: 'query/txn/placed-commits.ts',
    find: 'while (count < this.#commits.length && this.#commits[count]!.end <= highWatermark) count++;',
    replace:
      'while (count < this.#commits.length && this.#commits[count]!.end <= highWatermark + 8) count++;',
  },
  {
    name: 'what a refused write left in the log’s epoch stays',
    file: 'log/segment/log.ts',
    find: 'this.#epoch = this.#active.epoch;\n    this.#dropQueue',
    replace: 'this.#dropQueue',
    shape: 'full',
  },
  {
    name: 'a quiet group does not hear that its leader is gone',
    file: 'log/range/liveness.ts',
    find: 'for (const range of [...followed]) range.wake();',
    replace: '',
  },
  {
    name: 'a replica calls aborted what it has not got yet',
    file: 'api/database/transaction-facts.ts',
    find: 'const isDecided = isPrimary || epoch < committedEpoch(log);',
    replace: 'const isDecided = isPrimary || committedEpoch(log) >= 0;',
  },
  {
    name: 'a tail does not wait for the transaction that stands before a change',
    file: 'api/database/tail.ts',
    find: 'const told = this.#held.splice(0, undecided < 0 ? this.#held.length : undecided);',
    replace: `const told = this.#held.filter(({ state }) => undecided < 0 || state !== 'undecided');
    this.#held = this.#held.filter((held) => !told.includes(held));`,
  },
  {
    name: 'what a transaction of an earlier lead writes stays undecided',
    file: 'query/txn/transactions.ts',
    find: 'isOfLead: ({ generation }) => generation === this.#generation,',
    replace: 'isOfLead: () => true,',
    shape: 'elections',
  },
  {
    name: 'a request is executed again',
    file: 'api/database/requests.ts',
    find: 'const request = { isRepeated: (await this.#noted(transaction, id)) !== null, place: 0, executed: [] };',
    replace: 'const request = { isRepeated: false, place: 0, executed: [] as Executed[] };',
  },
  {
    name: 'an await token is not waited for',
    file: 'api/database/routing/waiting.ts',
    find: 'await this.#replication.appliedPast(offset(commit.offset), statementTimeoutMs || waitMsMax);',
    replace: 'await this.#replication.appliedPast(offset(0), statementTimeoutMs || waitMsMax);',
  },
  {
    name: 'a replica answers however old it is',
    file: 'api/database/routing/waiting.ts',
    find: 'return stalenessMs === null || stalenessMs > stalenessMsMax;',
    replace: 'return stalenessMs === null;',
    shape: 'full',
  },
  {
    name: 'sync is answered by a quorum',
    file: 'query/txn/transactions.ts',
    find: "const others = transaction.durability === 'sync' ? (this.#awaitReplicas?.(end) ?? null) : null;",
    replace: 'const others = null as Promise<void> | null;',
  },
];
