import type { Anomaly } from './anomaly.ts';
import type { LogBatch } from './logs.ts';

/**
 * What any node ever called committed, as it did so: nobody may have other bytes there, then or later, whatever logs are
 * trimmed meanwhile (thesis §3.6.3, state machine safety).
 */
export class CommittedBatches {
  readonly anomalies: Anomaly[] = [];
  readonly #known = new Map<number, LogBatch & { readonly node: string }>();

  get count(): number {
    return this.#known.size;
  }

  add(node: string, batch: LogBatch): void {
    const { baseOffset, endOffset, epoch, checksum } = batch;
    const known = this.#known.get(baseOffset);
    if (known === undefined) {
      this.#known.set(baseOffset, { ...batch, node });
      return;
    }
    if (known.endOffset === endOffset && known.epoch === epoch && known.checksum === checksum) return;
    const text = (one: LogBatch) => `[${one.baseOffset}, ${one.endOffset}) of epoch ${one.epoch}`;
    this.anomalies.push({
      kind: 'committed logs differ',
      description: `${known.node} had ${text(known)} committed, and now ${node} ${text(batch)}`,
    });
  }
}
