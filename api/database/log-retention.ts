import type { Clock } from '../../base/env/env.ts';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import { type Offset, offset } from '../../base/ids.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';

/** How much of the log is kept for tails and `AS OF OFFSET` once the snapshots have it; the stricter limit holds. */
export type RetentionLimits = {
  readonly retentionMs: number;
  /** Null: no limit. The segment that is written to is kept, whatever its size. */
  readonly retentionBytes: number | null;
};

/** As tables keep their history: a day. */
export const defaultRetention: RetentionLimits = { retentionMs: 24 * 3_600_000, retentionBytes: null };

/** Between two looks where snapshots cover no more than at the last one: what they cover grows old. */
const lookIntervalMs = 60_000;

/** Drops segments of the log that are in snapshots and past the limits. */
export class LogRetention {
  readonly #log: SegmentedLog;
  readonly #drop: (to: Offset) => Promise<void>;
  readonly #clock: Clock;
  readonly #limits: RetentionLimits;
  readonly #onProblem: (problem: AlopexError) => void;
  /** What snapshots covered at the last look, and when that was. */
  #lookedFor: Offset = offset(0);
  #lookedMs = 0;
  #kept: Offset | null = null;
  #trimming: Promise<void> = Promise.resolve();

  constructor(
    log: SegmentedLog,
    drop: (to: Offset) => Promise<void>,
    clock: Clock,
    limits: RetentionLimits,
    onProblem: (problem: AlopexError) => void,
  ) {
    this.#log = log;
    this.#drop = drop;
    this.#clock = clock;
    this.#limits = limits;
    this.#onProblem = onProblem;
  }

  /** After commits. `covered`: the offset from which a start reads the log. */
  look(covered: Offset): void {
    const nowMs = this.#clock.monotonicMs();
    if (covered === this.#lookedFor && nowMs - this.#lookedMs < lookIntervalMs) return;
    this.#lookedFor = covered;
    this.#lookedMs = nowMs;
    this.#trimming = this.#trimming
      .then(() => this.#trim(covered))
      .catch((error: unknown) => this.#onProblem(asAlopexError(error)));
  }

  /** Somebody reads from an offset on, whatever the limits say; null: nobody. */
  keepFrom(wanted: Offset | null): void {
    this.#kept = wanted;
  }

  /** Once nothing is trimmed any more. */
  async settled(): Promise<void> {
    await this.#trimming;
  }

  async #trim(covered: Offset): Promise<void> {
    const { retentionMs, retentionBytes } = this.#limits;
    const young = await this.#log.offsetAtTime(this.#clock.wallMs() - retentionMs);
    const small = retentionBytes === null ? offset(0) : this.#log.startOfLast(retentionBytes);
    const limit = Math.min(covered, this.#kept ?? covered, Math.max(young, small));
    if (limit > this.#log.startOffset) await this.#drop(offset(limit));
  }
}
