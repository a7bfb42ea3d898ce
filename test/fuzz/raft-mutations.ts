import { registerHooks } from 'node:module';

type Edit = { readonly file: string; readonly from: string; readonly to: string };
export type Mutation = { readonly name: string; readonly edits: readonly Edit[] };

function mutation(name: string, file: string, from: string, to: string): Mutation {
  return { name, edits: [{ file: `/log/raft/${file}.ts`, from, to }] };
}

/** Mistakes in log/raft, each of which its model must find. */
export const mutations: readonly Mutation[] = [
  mutation('commits_earlier_epochs_by_counting', 'leadership', 'reached <= this.#startOffset ||', ''),
  mutation('votes_twice', 'group', '(core.votedFor === null || core.votedFor === from)', 'true'),
  mutation('keeps_no_vote', 'core', 'this.outbox.save({ epoch, votedFor });', ''),
  mutation('grants_votes_to_shorter_logs', 'log-view', 'endOffset >= this.endOffset)', 'true)'),
  mutation('grants_votes_to_older_logs', 'log-view', 'return lastEpoch > last ||', 'return true ||'),
  mutation(
    'does_not_cut_what_contradicts',
    'log-view',
    '&& this.epochs.epochAt(entry.endOffset) === entry.epoch',
    '',
  ),
  mutation('matches_by_place_alone', 'log-view', '&& this.epochs.epochAt(place) === epoch', ''),
  mutation('cuts_the_group_and_not_the_log', 'following', 'outbox.truncate(entry.baseOffset);', ''),
  mutation(
    'acknowledges_what_is_not_flushed',
    'following',
    'offset(Math.min(this.#verified, flushedOffset))',
    'this.#verified ?? flushedOffset',
  ),
  mutation(
    'acknowledges_what_is_not_verified',
    'following',
    'offset(Math.min(this.#verified, flushedOffset))',
    'flushedOffset',
  ),
  mutation(
    'believes_its_old_log_is_the_leaders',
    'following',
    'this.#verified = core.log.highWatermark;',
    'this.#verified = core.log.endOffset;',
  ),
  mutation(
    'commits_what_is_not_verified',
    'following',
    'Math.min(this.#leaderHighWatermark, this.#durable())',
    'Math.min(this.#leaderHighWatermark, this.#core.log.flushedOffset)',
  ),
  mutation(
    'commits_without_its_own_flush',
    'leadership',
    'Math.min(quorum.reached(this.#matchOf), log.flushedOffset)',
    'quorum.reached(this.#matchOf)',
  ),
  mutation('takes_half_for_a_majority', 'quorum', 'ids.length >> 1', '(ids.length - 1) >> 1'),
  mutation('asks_the_new_members_alone', 'quorum', 'return this.#outgoing.length === 0\n', 'return true\n'),
  mutation(
    'counts_learners',
    'quorum',
    "membership.members.filter(({ role }) => role !== 'learner')",
    'membership.members',
  ),
  mutation(
    'keeps_a_membership_that_was_cut',
    'memberships',
    'while (this.#placed.length > 1 && this.current.endOffset > end)',
    'while (this.#placed.length > 1 && this.current.endOffset > end + 1e9)',
  ),
  mutation(
    'leaves_the_joint_membership_too_early',
    'leadership',
    'if (endOffset > log.highWatermark) return;\n    if (isJoint',
    'if (isJoint',
  ),
  mutation(
    'changes_members_without_joining',
    'membership-change',
    'outgoing: isSame ? []',
    'outgoing: true ? []',
  ),
  mutation(
    'changes_members_during_a_change',
    'leadership',
    'this.#isChanging || current.endOffset > log.highWatermark || isJoint(current.membership)',
    'false',
  ),
  mutation(
    'does_not_end_another_leaders_change',
    'leadership',
    'if (isJoint(membership)) {',
    'if (isJoint(membership) && this.#isChanging) {',
  ),
  mutation(
    'removed_member_never_stands',
    'core',
    'this.log.memberships.mayNeed(this.self, this.log.highWatermark)',
    'this.quorum.has(this.self)',
  ),
  mutation(
    'lease_from_the_answer',
    'progress',
    'if (sentMs > this.answeredSentMs) this.answeredSentMs = sentMs;',
    'this.answeredSentMs = nowMs;',
  ),
  mutation(
    'lease_without_drift',
    'leadership',
    'electionMs * (1 - driftMax)',
    'electionMs * (1 + 0 * driftMax)',
  ),
  mutation('lease_after_a_transfer', 'leadership', 'this.#hasAbdicated = true;', ''),
  mutation(
    'lease_before_a_commit',
    'leadership',
    'this.#hasAbdicated || !this.#hasCommitted',
    'this.#hasAbdicated',
  ),
  mutation(
    'votes_although_a_leader_lives',
    'group',
    'return nowMs - heardMs < limits.electionMs;',
    'return heardMs + limits.electionMs + nowMs < 0;',
  ),
  mutation(
    'forgets_its_promise_when_it_restarts',
    'core',
    'this.heardMs = options.nowMs;',
    'this.heardMs = -1e9;',
  ),
  mutation(
    'forgets_its_promise_when_it_wakes',
    'following',
    'Math.max(nowMs, heardMs + limits.electionMs)',
    'Math.max(nowMs, heardMs + 0 * limits.electionMs)',
  ),
  mutation('reads_without_a_round', 'leadership', 'if (nowMs < this.leaseUntilMs) {', 'if (nowMs >= 0) {'),
  mutation(
    'reads_by_an_older_round',
    'read-index',
    'round < this.#askedRound',
    'round < this.#askedRound - 1',
  ),
  mutation(
    'reads_before_its_epoch_has_committed',
    'leadership',
    'if (!this.#reads.isDue || !this.#hasCommitted) return;',
    'if (!this.#reads.isDue) return;',
  ),
  mutation(
    'goes_on_after_its_disk_lost_what_was_sent',
    'leadership',
    'if (isSeen) {',
    'if (isSeen && end < 0) {',
  ),
  mutation(
    'sends_what_was_taken_back',
    'replication',
    'follower.isReadStale = follower.isReading;',
    'follower.isReadStale = false;',
  ),
  mutation(
    'tells_a_replaced_leader_nothing',
    'group',
    "if (message.kind !== 'append' && message.kind !== 'snapshot') return;",
    'if (message.epoch >= 0) return;',
  ),
  mutation(
    'forgets_where_it_probes',
    'progress',
    '    this.next = end;\n    this.#inflight',
    '    this.#inflight',
  ),
  mutation(
    'sends_a_snapshot_once',
    'replication',
    'if (nowMs - follower.snapshotSentMs >= limits.electionMs)',
    'if (nowMs < limits.electionMs)',
  ),
  mutation(
    'reads_from_a_place_that_is_no_boundary',
    'replication',
    'isAligned: own.epoch === hintEpoch && theirs === hintOffset',
    'isAligned: true',
  ),
  mutation(
    'stands_again_in_the_same_epoch',
    'campaign',
    'core.setVote(core.nextEpoch, core.self)',
    'core.setVote(core.epoch, core.self)',
  ),
];

/** Modules that are loaded from now on have the mistake. */
export function mutate(name: string): void {
  const found = mutations.find((candidate) => candidate.name === name);
  if (found === undefined) throw new Error(`no mutation ${name}`);
  registerHooks({
    load(url, context, nextLoad) {
      const loaded = nextLoad(url, context);
      const edits = found.edits.filter(({ file }) => url.endsWith(file));
      if (edits.length === 0) return loaded;
      let source = Buffer.from(loaded.source as Uint8Array).toString();
      for (const { from, to } of edits) {
        if (source.split(from).length !== 2)
          throw new Error(`${name}: ${from} does not stand once in ${url}`);
        source = source.replace(from, to);
      }
      return { ...loaded, source };
    },
  });
}
