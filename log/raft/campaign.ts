import type { Epoch, NodeId } from '../../base/ids.ts';
import type { RaftCore } from './core.ts';

/**
 * A candidate (§3.4): first asks whether it would win (§9.6, pre-vote), and only then takes a new epoch, so that a node
 * that nobody would choose disturbs nobody.
 */
export class Campaign {
  readonly kind = 'candidate';
  readonly #core: RaftCore;
  readonly isPreVote: boolean;
  /** That it stands for: the next one while it only asks. */
  readonly epoch: Epoch;
  /** When it gives up and begins again. */
  readonly deadlineMs: number;
  readonly #granted = new Set<NodeId>();

  constructor(core: RaftCore, isPreVote: boolean) {
    this.#core = core;
    this.isPreVote = isPreVote;
    if (!isPreVote) core.setVote(core.nextEpoch, core.self);
    this.epoch = isPreVote ? core.nextEpoch : core.epoch;
    this.deadlineMs = core.nowMs + core.electionTimeoutMs();
    this.#granted.add(core.self);
  }

  get isWon(): boolean {
    return this.#core.quorum.isWon(this.#granted);
  }

  /** `isTransfer`: the leader itself wants it (§3.10). */
  ask(isTransfer: boolean): void {
    const { log, quorum, self } = this.#core;
    for (const voter of quorum.voters) {
      if (voter === self) continue;
      this.#core.send(voter, {
        kind: 'vote-request',
        epoch: this.epoch,
        isPreVote: this.isPreVote,
        lastEpoch: log.epochs.last,
        endOffset: log.endOffset,
        isTransfer,
      });
    }
  }

  /** Votes are counted of those alone who have one here: a learner's says nothing. */
  grant(from: NodeId): void {
    this.#granted.add(from);
  }
}
