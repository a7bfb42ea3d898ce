import type { AlopexError } from '../../base/errors.ts';
import { invariant } from '../../base/unreachable.ts';
import type { LockOwner } from './locks.ts';

type Barrier = {
  readonly left: Set<LockOwner>;
  readonly resolve: () => void;
  readonly reject: (error: AlopexError) => void;
};

/**
 * Waits until certain transactions have ended. Nobody queues behind it, as behind a lock that is waited for, and who
 * waits holds no lock: so no wait here is part of a deadlock.
 */
export class Barriers {
  readonly #waiting = new Map<LockOwner, Barrier>();

  wait(waiter: LockOwner, others: readonly LockOwner[]): Promise<void> {
    invariant(waiter.held === 0, 'who waits for transactions holds no lock that they may need');
    return new Promise((resolve, reject) => {
      this.#waiting.set(waiter, { left: new Set(others), resolve, reject });
    });
  }

  onEnd(owner: LockOwner): void {
    for (const [waiter, { left, resolve }] of this.#waiting) {
      if (!left.delete(owner) || left.size > 0) continue;
      this.#waiting.delete(waiter);
      resolve();
    }
  }

  cancel(waiter: LockOwner, error: AlopexError): void {
    const barrier = this.#waiting.get(waiter);
    this.#waiting.delete(waiter);
    barrier?.reject(error);
  }
}
