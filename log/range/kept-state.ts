import type { Clock, Timer } from '../../base/env/env.ts';
import { asAlopexError } from '../../base/errors.ts';
import { type Offset, offset, type RangeId } from '../../base/ids.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { epochBefore } from '../segment/name.ts';
import { firstState, type GroupState, type GroupStates } from './states.ts';

export type KeptStateOptions = {
  readonly id: RangeId;
  readonly states: GroupStates;
  readonly clock: Clock;
};

/** After which a full disk is asked again to keep a vote. */
const saveRetryMs = 250;
/** How old what the file says of the commit may become, while the log goes on. */
const commitAgeMs = 1_000;

/**
 * What one range has in the file of votes. How much of the log is committed is kept too, now and then, so that a node that
 * nobody answers after its start shows what it had; less than is committed is as right as all of it.
 */
export class KeptState {
  readonly #options: KeptStateOptions;
  readonly #onFailed: (thrown: unknown) => void;
  #current: GroupState;
  #log: SegmentedLog | null = null;
  #aging: Timer | null = null;
  #isClosed = false;

  constructor(options: KeptStateOptions, onFailed: (thrown: unknown) => void) {
    this.#options = options;
    this.#onFailed = onFailed;
    this.#current = options.states.get(options.id) ?? firstState;
  }

  get current(): GroupState {
    return this.#current;
  }

  set(part: Partial<GroupState>): void {
    this.#current = { ...this.#current, ...part };
  }

  /** The log is open. Returns how much of it is known to be committed. */
  open(log: SegmentedLog): Offset {
    this.#log = log;
    const { committed } = this.#current;
    const isThere =
      committed !== null &&
      committed.endOffset <= log.flushedOffset &&
      epochBefore(log.segments, committed.endOffset) === committed.epoch;
    return offset(Math.max(log.highWatermark, isThere ? committed.endOffset : 0));
  }

  /** Durable when it resolves. A full disk is waited for: what is not kept must not be acted upon. */
  async save(): Promise<void> {
    const { states, id, clock } = this.#options;
    while (!this.#isClosed) {
      try {
        this.#noteCommit();
        await states.save(id, this.#current);
        return;
      } catch (thrown) {
        if (asAlopexError(thrown).condition !== 'disk_full') throw thrown;
        await new Promise<void>((resolve) => void clock.setTimer(saveRetryMs, resolve));
      }
    }
  }

  /** The log's high watermark has moved. */
  onCommitted(): void {
    if (this.#isClosed || this.#aging !== null) return;
    this.#aging = this.#options.clock.setTimer(commitAgeMs, () => {
      this.#aging = null;
      this.save().catch(this.#onFailed);
    });
  }

  /** Closes it. Resolves once it is kept how much is committed, where that has moved. */
  async settle(): Promise<void> {
    const { states, id } = this.#options;
    const hasMoved = !this.#isClosed && this.#noteCommit();
    this.close();
    if (hasMoved) await states.save(id, this.#current);
  }

  close(): void {
    this.#isClosed = true;
    this.#aging?.cancel();
    this.#aging = null;
  }

  #noteCommit(): boolean {
    if (this.#log === null) return false;
    const { segments, highWatermark } = this.#log;
    const epoch = epochBefore(segments, highWatermark);
    if (epoch === null || highWatermark === this.#current.committed?.endOffset) return false;
    this.set({ committed: { endOffset: highWatermark, epoch } });
    return true;
  }
}
