import type { RangeId } from '../../base/ids.ts';
import type { MeshLimits } from './limits.ts';
import { messageOverheadBytes, type RaftMessage } from './messages.ts';
import type { Outgoing } from './outgoing.ts';

/** Above it a frame takes no further message: a reader puts together what is long. */
const frameBytesGood = 1024 * 1024;

/**
 * Raft's messages to one node. They go one way, on this node's own channel: their answers are messages too, which the other
 * node sends on its own. So a message never waits for what goes the other way, and of two nodes that connect to each other
 * at once neither has to give way.
 *
 * Invariant: what waits is at most `messageQueueBytesMax`, or one message.
 */
export class MessageQueue {
  readonly #outgoing: Outgoing;
  readonly #limits: MeshLimits;
  #waiting: RaftMessage[] = [];
  #waitingBytes = 0;
  #isFlushing = false;
  #dropped = 0;

  constructor(outgoing: Outgoing, limits: MeshLimits) {
    this.#outgoing = outgoing;
    this.#limits = limits;
  }

  /** Messages that no link took. */
  get dropped(): number {
    return this.#dropped;
  }

  send(group: RangeId, bytes: Uint8Array): void {
    const { link } = this.#outgoing;
    const cost = bytes.length + messageOverheadBytes;
    if (link === null || !this.#hasRoom(cost, link.queuedBytes)) {
      this.#dropped += 1;
      this.#outgoing.want();
      return;
    }
    this.#waiting.push({ group, bytes });
    this.#waitingBytes += cost;
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.flush();
    });
  }

  /** As many as one frame may have; the rest when the link has taken them. */
  flush(): void {
    const { link } = this.#outgoing;
    if (link === null || link.isFull) return;
    while (this.#waiting.length > 0) {
      let [count, bytes] = [0, 0];
      for (const message of this.#waiting) {
        bytes += message.bytes.length + messageOverheadBytes;
        if (count > 0 && bytes > frameBytesGood) break;
        count += 1;
      }
      const messages = this.#waiting.splice(0, count);
      for (const message of messages) this.#waitingBytes -= message.bytes.length + messageOverheadBytes;
      link.post({ kind: 'messages', messages });
    }
  }

  /** The link broke: what it had not taken is lost with it. */
  clear(): void {
    this.#dropped += this.#waiting.length;
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  #hasRoom(cost: number, queuedBytes: number): boolean {
    if (cost > this.#limits.frameBytesMax) return false;
    const before = this.#waitingBytes + queuedBytes;
    return before === 0 || before + cost <= this.#limits.messageQueueBytesMax;
  }
}
