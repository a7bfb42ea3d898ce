import { type Epoch, type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { readEvents } from '../../log/events/row-event.ts';
import type { Log } from '../../log/log.ts';
import { decodeControl } from '../../log/record/control.ts';
import { verifyBatch } from '../../log/record/header.ts';
import { RecordReader } from '../../log/record/record-reader.ts';

export type OutcomeLimits = {
  /** What is read of the log, from its end, for the first question. */
  readonly bytesMax: number;
  /** Transactions that are remembered. */
  readonly outcomesMax: number;
};

const limitsDefault: OutcomeLimits = { bytesMax: 64 * 1024 * 1024, outcomesMax: 262_144 };
/** Nothing is known until a commit is read. */
const allTime = timestamp(Number.MAX_SAFE_INTEGER);
const bytesPerRead = 1024 * 1024;

export type OutcomeLog = Pick<Log, 'read' | 'highWatermark'> & {
  readonly startOffset: Offset;
  startOfLast(bytes: number): Offset;
};

/** A transaction's id is its leader's own: with the epoch it is nobody else's. */
type Committed = { readonly epoch: Epoch; readonly id: number; readonly timestamp: Timestamp };

/**
 * Which of the newest transactions are committed: a fold of the log, done as far as the high watermark when somebody
 * asks. The log has their ids, so that every node knows the same, also after a restart.
 */
export class Outcomes {
  readonly #log: OutcomeLog;
  readonly #limits: OutcomeLimits;
  readonly #known = new Map<string, Timestamp>();
  #next: Offset | null = null;
  #folding: Promise<void> = Promise.resolve();
  /** Commits up to then may be forgotten. */
  #forgottenAt: Timestamp = timestamp(0);

  constructor(log: OutcomeLog, limits: OutcomeLimits = limitsDefault) {
    this.#log = log;
    this.#limits = limits;
  }

  /** Null: it began so early that its commit may be forgotten. Asked at the same time, all wait for one fold. */
  async isCommitted(epoch: number, id: number): Promise<boolean | null> {
    this.#folding = this.#folding.then(() => this.#fold());
    await this.#folding;
    if (this.#known.has(`${epoch}/${id}`)) return true;
    return id > this.#forgottenAt ? false : null;
  }

  async #fold(): Promise<void> {
    const { highWatermark, startOffset } = this.#log;
    if (this.#next === null || this.#next < startOffset) {
      this.#known.clear();
      this.#next = this.#log.startOfLast(this.#limits.bytesMax);
      if (this.#next > 0) this.#forgottenAt = allTime;
    }
    while (this.#next < highWatermark) {
      const batches = await this.#log.read(this.#next, bytesPerRead);
      if (batches.length === 0) return;
      for (const batch of batches) {
        const { lastOffset } = verifyBatch(batch);
        if (lastOffset >= highWatermark) return;
        const committed = committedBy(batch);
        if (committed !== null) this.#note(committed);
        this.#next = offset(lastOffset + 1);
      }
    }
  }

  /** What came before the first that is read is as if it had been forgotten. */
  #note({ epoch, id, timestamp: at }: Committed): void {
    if (this.#forgottenAt === allTime) this.#forgottenAt = at;
    this.#known.set(`${epoch}/${id}`, at);
    if (this.#known.size <= this.#limits.outcomesMax) return;
    const [oldest] = this.#known;
    this.#known.delete(oldest![0]);
    this.#forgottenAt = oldest![1];
  }
}

/** The commit that a batch is, or ends. */
function committedBy(batch: Uint8Array): Committed | null {
  const header = verifyBatch(batch);
  const { epoch } = header;
  if (header.isControl) {
    const records = new RecordReader(batch, header);
    records.next();
    const control = decodeControl(records);
    if (control.kind !== 'commit') return null;
    return { epoch, id: header.producerId, timestamp: timestamp(control.timestamp) };
  }
  if (header.isTransactional) return null;
  for (const event of readEvents(batch, header)) {
    return { epoch, id: event.transaction, timestamp: event.timestamp };
  }
  return null;
}
