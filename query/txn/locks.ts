import { AlopexError } from '../../base/errors.ts';
import { invariant } from '../../base/unreachable.ts';

/**
 * Locks in the leader's memory: rows, unique index keys, tables, advisory. Strict two-phase: held to the end of
 * the transaction (or the rollback of the savepoint that took them). Waiters are served in order. A wait that
 * would close a cycle is refused at once with 40P01: all waits are known here, so the search is exact.
 *
 * Invariants: two holders of one lock never have conflicting modes; a lock without holder and waiter is not kept.
 */
export type LockMode = RowLockMode | TableLockMode;
/** PostgreSQL's, from weak to strong. */
export type RowLockMode = 'key share' | 'share' | 'no key update' | 'update';
export type TableLockMode =
  | 'access share'
  | 'row share'
  | 'row exclusive'
  | 'share update exclusive'
  | 'table share'
  | 'share row exclusive'
  | 'exclusive'
  | 'access exclusive';

const bits: Readonly<Record<LockMode, number>> = {
  'key share': 1,
  share: 2,
  'no key update': 4,
  update: 8,
  'access share': 1,
  'row share': 2,
  'row exclusive': 4,
  'share update exclusive': 8,
  'table share': 16,
  'share row exclusive': 32,
  exclusive: 64,
  'access exclusive': 128,
};

/** Which bits a mode cannot stand beside: PostgreSQL's tables 13.2 and 13.3. */
const conflicts: Readonly<Record<LockMode, number>> = {
  'key share': 8,
  share: 4 | 8,
  'no key update': 2 | 4 | 8,
  update: 1 | 2 | 4 | 8,
  'access share': 128,
  'row share': 64 | 128,
  'row exclusive': 16 | 32 | 64 | 128,
  'share update exclusive': 8 | 16 | 32 | 64 | 128,
  'table share': 4 | 8 | 32 | 64 | 128,
  'share row exclusive': 4 | 8 | 16 | 32 | 64 | 128,
  exclusive: 2 | 4 | 8 | 16 | 32 | 64 | 128,
  'access exclusive': 255,
};

type Waiter = {
  readonly owner: LockOwner;
  readonly lock: Lock;
  readonly mode: LockMode;
  readonly grant: () => void;
  readonly refuse: (error: AlopexError) => void;
};

type Lock = {
  readonly key: string;
  /** Bits of the modes that each owner holds. */
  readonly holders: Map<LockOwner, number>;
  readonly queue: Waiter[];
};

/** A transaction's side of the lock table. */
export type LockOwner = {
  readonly id: number;
  /** What it acquired, in order: a savepoint remembers a length. */
  readonly acquired: { readonly lock: Lock; readonly added: number }[];
  waiting: Waiter | null;
};

export function lockOwner(id: number): LockOwner {
  return { id, acquired: [], waiting: null };
}

/** Locks that one transaction may hold: past it a statement gets 53200. */
export const locksHeldMax = 8_000_000;

/** Locks past which a transaction takes whole tables where it can: each lock is memory. */
export const locksBeforeEscalation = 65_536;

export class LockTable {
  readonly #locks = new Map<string, Lock>();

  get size(): number {
    return this.#locks.size;
  }

  /**
   * Null: granted. A promise: it waits; resolves when granted, rejects with 40P01 at once where waiting would
   * close a cycle, or with what `cancelWait` was given. `nowait`: 55P03 instead of a wait.
   */
  acquire(owner: LockOwner, key: string, mode: LockMode, nowait = false): Promise<void> | null {
    let lock = this.#locks.get(key);
    if (lock === undefined) {
      lock = { key, holders: new Map(), queue: [] };
      this.#locks.set(key, lock);
    }
    const held = lock.holders.get(owner) ?? 0;
    if ((held & bits[mode]) !== 0) return null;
    // Who holds the lock already goes before the queue: waiting behind those who wait for it would deadlock.
    if (
      isFree(lock, owner, mode) &&
      (held !== 0 || !lock.queue.some((waiter) => isConflict(waiter.mode, mode)))
    ) {
      this.#grant(lock, owner, mode);
      return null;
    }
    if (nowait) throw new AlopexError('lock_not_available', 'could not obtain lock on row in relation');
    return this.#wait(lock, owner, mode);
  }

  /**
   * Whether a table is the owner's alone to write to, so that it needs no locks within. With very many locks it
   * takes the table, if nobody else may have locks in it: all who do hold the table's own in a weaker mode.
   */
  ownsTable(owner: LockOwner, key: string): boolean {
    if (owner.acquired.length < locksBeforeEscalation) return false;
    const lock = this.#locks.get(key);
    if (lock === undefined) return false;
    const held = lock.holders.get(owner) ?? 0;
    if ((held & (bits.exclusive | bits['access exclusive'])) !== 0) return true;
    if (!isFree(lock, owner, 'exclusive')) return false;
    this.#grant(lock, owner, 'exclusive');
    return true;
  }

  #grant(lock: Lock, owner: LockOwner, mode: LockMode): void {
    if (owner.acquired.length >= locksHeldMax) {
      throw new AlopexError('out_of_memory', `a transaction cannot hold more than ${locksHeldMax} locks`);
    }
    lock.holders.set(owner, (lock.holders.get(owner) ?? 0) | bits[mode]);
    owner.acquired.push({ lock, added: bits[mode] });
  }

  #wait(lock: Lock, owner: LockOwner, mode: LockMode): Promise<void> {
    invariant(owner.waiting === null, 'a transaction waits for one lock at a time');
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { owner, lock, mode, grant: resolve, refuse: reject };
      owner.waiting = waiter;
      lock.queue.push(waiter);
      const cycle = findCycle(owner);
      if (cycle === null) return;
      this.cancelWait(owner, deadlock(cycle));
    });
  }

  /** Ends the owner's wait, if it has one, with an error: a cancelled statement, a timeout. */
  cancelWait(owner: LockOwner, error: AlopexError): void {
    const waiter = owner.waiting;
    if (waiter === null) return;
    owner.waiting = null;
    waiter.lock.queue.splice(waiter.lock.queue.indexOf(waiter), 1);
    waiter.refuse(error);
    this.#serve(waiter.lock);
  }

  /** Releases all that was acquired after the first `keep`. */
  release(owner: LockOwner, keep = 0): void {
    const released = owner.acquired.splice(keep);
    for (let index = released.length - 1; index >= 0; index--) {
      const { lock, added } = released[index]!;
      const left = (lock.holders.get(owner) ?? 0) & ~added;
      if (left === 0) lock.holders.delete(owner);
      else lock.holders.set(owner, left);
      this.#serve(lock);
    }
  }

  #serve(lock: Lock): void {
    let blocked = 0;
    for (let index = 0; index < lock.queue.length; ) {
      const waiter = lock.queue[index]!;
      if ((conflicts[waiter.mode] & blocked) === 0 && isFree(lock, waiter.owner, waiter.mode)) {
        lock.queue.splice(index, 1);
        waiter.owner.waiting = null;
        this.#grant(lock, waiter.owner, waiter.mode);
        waiter.grant();
        continue;
      }
      blocked |= bits[waiter.mode];
      if (blocked === 255) break;
      index++;
    }
    if (lock.holders.size === 0 && lock.queue.length === 0) this.#locks.delete(lock.key);
  }
}

function isConflict(first: LockMode, second: LockMode): boolean {
  return (conflicts[first] & bits[second]) !== 0;
}

function isFree(lock: Lock, owner: LockOwner, mode: LockMode): boolean {
  if (lock.holders.size === 0) return true;
  for (const [holder, held] of lock.holders) {
    if (holder !== owner && (held & conflicts[mode]) !== 0) return false;
  }
  return true;
}

/** Whom a waiter waits for: conflicting holders, and conflicting waiters before it. */
function* blockers(waiter: Waiter): Iterable<LockOwner> {
  for (const [holder, held] of waiter.lock.holders) {
    if (holder !== waiter.owner && (held & conflicts[waiter.mode]) !== 0) yield holder;
  }
  for (const earlier of waiter.lock.queue) {
    if (earlier === waiter) return;
    if (isConflict(earlier.mode, waiter.mode)) yield earlier.owner;
  }
}

/** The waits-for cycle through `start`, or null. Each owner waits for one lock, so a visited set bounds the search. */
function findCycle(start: LockOwner): readonly LockOwner[] | null {
  const visited = new Set<LockOwner>();
  const path: LockOwner[] = [];
  const visit = (owner: LockOwner): boolean => {
    if (owner.waiting === null || visited.has(owner)) return false;
    visited.add(owner);
    path.push(owner);
    for (const blocker of blockers(owner.waiting)) {
      if (blocker === start || visit(blocker)) return true;
    }
    path.pop();
    return false;
  };
  return visit(start) ? path : null;
}

function deadlock(cycle: readonly LockOwner[]): AlopexError {
  const lines = cycle.map((owner, index) => {
    const next = cycle[(index + 1) % cycle.length]!;
    return `Transaction ${owner.id} waits for ${owner.waiting?.mode} lock; blocked by transaction ${next.id}.`;
  });
  return new AlopexError('deadlock_detected', 'deadlock detected', { detail: lines.join('\n') });
}
