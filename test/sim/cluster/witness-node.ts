import { WitnessNode } from '../../../api/cluster/witness.ts';
import type { Env } from '../../../base/env/env.ts';
import type { AlopexError } from '../../../base/errors.ts';
import type { RaftStatus } from '../../../log/raft/contract.ts';
import { epochStarts } from '../../../log/range/history.ts';
import type { SegmentedLog } from '../../../log/segment/log.ts';
import type { LogShape } from '../checkers/elections.ts';
import type { RunningNode } from './cluster.ts';

/** A witness: no database, no operator; its log ends where the others' do. */
export class SimulatedWitness implements RunningNode {
  readonly env: Env;
  readonly admin = null;
  readonly database = null;
  readonly isPrimary = false;
  readonly id: number;
  readonly failed: Promise<AlopexError>;
  readonly #witness: WitnessNode;
  #log: SegmentedLog;

  private constructor(env: Env, id: number, witness: WitnessNode, failed: Promise<AlopexError>) {
    this.env = env;
    this.id = id;
    this.#witness = witness;
    this.#log = witness.log!;
    this.failed = failed;
  }

  static async open(
    env: Env,
    options: Omit<Parameters<typeof WitnessNode.open>[0], 'env' | 'onProblem'>,
    /** Whether the node ends with it. */
    onProblem: (problem: AlopexError) => boolean,
  ): Promise<SimulatedWitness> {
    const failure = Promise.withResolvers<AlopexError>();
    const witness = await WitnessNode.open({
      ...options,
      env,
      onProblem: (problem) => {
        if (onProblem(problem)) failure.resolve(problem);
      },
    });
    return new SimulatedWitness(env, options.cluster.self, witness, failure.promise);
  }

  get #status(): RaftStatus | null {
    return this.#witness.status;
  }
  get role(): RunningNode['role'] {
    return this.#status?.role ?? 'follower';
  }
  get epoch(): number {
    return this.#status?.epoch ?? 0;
  }
  get keptEpoch(): null {
    return null;
  }
  get hasLease(): boolean {
    return false;
  }
  get membership(): RunningNode['membership'] {
    return this.#status?.membership ?? { members: [], outgoing: [], forced: [] };
  }
  get voters(): number {
    return this.membership.members.filter(({ role }) => role !== 'learner').length;
  }
  get members(): readonly number[] {
    return this.membership.members.map(({ id }) => id);
  }
  /** While it moves to where its leader's log begins: the one that it had. */
  get log(): SegmentedLog {
    this.#log = this.#witness.log ?? this.#log;
    return this.#log;
  }
  get highWatermark(): number {
    return this.log.highWatermark;
  }
  get applied(): number {
    return this.highWatermark;
  }
  get shape(): LogShape {
    const { log } = this;
    const { flushedOffset, endOffset } = log;
    return { epochs: epochStarts(log), flushedOffset, endOffset };
  }

  recent(): null {
    return null;
  }

  /** It does so by itself. */
  async transfer(): Promise<void> {}

  async checkpoint(): Promise<void> {}

  close(): Promise<void> {
    return this.#witness.close();
  }
}
