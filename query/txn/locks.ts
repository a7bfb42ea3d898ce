import { AlopexError } from '../../base/errors.ts';
import type { IndexId, StorageId } from '../../base/ids.ts';
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

/** Locks of one kind of thing, by its key: rows of a table, entries of an index, or things with a name. */
export type LockSpace = Map<string, Lock>;

/** Most locks have one holder and no queue: then it is this object and nothing more. */
type Lock = {
  readonly space: LockSpace;
  readonly key: string;
  /** Null while `others` has holders only, or while there are waiters alone. */
  holder: LockOwner | null;
  /** Bits of the modes that `holder` holds. */
  held: number;
  /** Of further holders. */
  others: Map<LockOwner, number> | null;
  /** How many of `others` hold each mode, by its bit's place: a table has many holders. */
  counts: number[] | null;
  queue: Waiter[] | null;
};

/** Bits of modes that an owner did not hold before. */
type Acquisition = { readonly lock: Lock; readonly added: number; readonly previous: Acquisition | null };

/** A transaction's side of the lock table. */
export type LockOwner = {
  readonly id: number;
  /** What it acquired, the newest first, and how often it did: a savepoint remembers that. */
  newest: Acquisition | null;
  held: number;
  waiting: Waiter | null;
  isEnded: boolean;
};

export function lockOwner(id: number): LockOwner {
  return { id, newest: null, held: 0, waiting: null, isEnded: false };
}

/** Locks that one transaction may hold: past it a statement gets 53200. */
export const locksHeldMax = 8_000_000;

/** Locks past which a transaction takes whole tables where it can: each lock is memory. */
export const locksBeforeEscalation = 65_536;

/** Spaces without locks that are kept for the next one. */
const emptySpacesMax = 1024;

export class LockTable {
  /** Of things with a name: tables, the catalog. */
  readonly #named: LockSpace = new Map();
  /** Of rows and index entries, by storage and index. */
  readonly #spaces = new Map<StorageId, Map<IndexId, LockSpace>>();
  #spaceCount = 0;

  get size(): number {
    let size = this.#named.size;
    for (const indexes of this.#spaces.values()) for (const space of indexes.values()) size += space.size;
    return size;
  }

  /** To be asked for each lock anew. */
  space(storage: StorageId, index: IndexId): LockSpace {
    let indexes = this.#spaces.get(storage);
    let space = indexes?.get(index);
    if (space !== undefined) return space;
    if (this.#spaceCount >= emptySpacesMax) this.#dropEmptySpaces();
    indexes = this.#spaces.get(storage) ?? new Map<IndexId, LockSpace>();
    this.#spaces.set(storage, indexes);
    space = new Map();
    indexes.set(index, space);
    this.#spaceCount++;
    return space;
  }

  #dropEmptySpaces(): void {
    for (const [storage, indexes] of this.#spaces) {
      for (const [index, space] of indexes) {
        if (space.size > 0) continue;
        indexes.delete(index);
        this.#spaceCount--;
      }
      if (indexes.size === 0) this.#spaces.delete(storage);
    }
  }

  /**
   * Null: granted. A promise: it waits; resolves when granted, rejects with 40P01 at once where waiting would
   * close a cycle, or with what `cancelWait` was given. `nowait`: 55P03 instead of a wait.
   */
  acquire(
    owner: LockOwner,
    key: string,
    mode: LockMode,
    nowait = false,
    space = this.#named,
  ): Promise<void> | null {
    if (owner.isEnded) throw ended();
    const lock = space.get(key);
    if (lock === undefined) {
      const made: Lock = { space, key, holder: null, held: 0, others: null, counts: null, queue: null };
      this.#grant(made, owner, mode);
      space.set(key, made);
      return null;
    }
    const held = heldBy(lock, owner);
    if ((held & bits[mode]) !== 0) return null;
    // Who holds the lock already goes before the queue: waiting behind those who wait for it would deadlock.
    if (
      isFree(lock, owner, mode) &&
      (held !== 0 || lock.queue === null || !lock.queue.some((waiter) => isConflict(waiter.mode, mode)))
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
    if (!hasManyLocks(owner)) return false;
    const lock = this.#named.get(key);
    if (lock === undefined) return false;
    if ((heldBy(lock, owner) & (bits.exclusive | bits['access exclusive'])) !== 0) return true;
    if (!isFree(lock, owner, 'exclusive')) return false;
    this.#grant(lock, owner, 'exclusive');
    return true;
  }

  /** Others who hold a thing with a name in a way that `mode` cannot stand beside. */
  holders(owner: LockOwner, key: string, mode: LockMode): readonly LockOwner[] {
    const lock = this.#named.get(key);
    if (lock === undefined) return [];
    const { holder, held, others } = lock;
    const all = [...(holder === null ? [] : [[holder, held] as const]), ...(others ?? [])];
    return all.flatMap(([each, has]) => (each !== owner && (has & conflicts[mode]) !== 0 ? [each] : []));
  }

  #grant(lock: Lock, owner: LockOwner, mode: LockMode): void {
    if (owner.held >= locksHeldMax) {
      throw new AlopexError('out_of_memory', `a transaction cannot hold more than ${locksHeldMax} locks`);
    }
    setHeld(lock, owner, heldBy(lock, owner) | bits[mode]);
    owner.newest = { lock, added: bits[mode], previous: owner.newest };
    owner.held++;
  }

  #wait(lock: Lock, owner: LockOwner, mode: LockMode): Promise<void> {
    invariant(owner.waiting === null, 'a transaction waits for one lock at a time');
    return new Promise((resolve, reject) => {
      const waiter: Waiter = { owner, lock, mode, grant: resolve, refuse: reject };
      owner.waiting = waiter;
      lock.queue ??= [];
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
    const queue = waiter.lock.queue!;
    queue.splice(queue.indexOf(waiter), 1);
    waiter.refuse(error);
    this.#serve(waiter.lock);
  }

  /** Releases all that was acquired after the first `keep`. */
  release(owner: LockOwner, keep = 0): void {
    while (owner.held > keep) {
      const { lock, added, previous } = owner.newest!;
      owner.newest = previous;
      owner.held--;
      setHeld(lock, owner, heldBy(lock, owner) & ~added);
      this.#serve(lock);
    }
  }

  /** Releases all, for good: a statement that goes on after its session has ended must not take what nobody would release. */
  end(owner: LockOwner): void {
    this.release(owner);
    owner.isEnded = true;
  }

  #serve(lock: Lock): void {
    const { queue } = lock;
    if (queue !== null) this.#serveQueue(lock, queue);
    if (isUnheld(lock) && lock.queue === null) lock.space.delete(lock.key);
  }

  #serveQueue(lock: Lock, queue: Waiter[]): void {
    let blocked = 0;
    for (let index = 0; index < queue.length; ) {
      const waiter = queue[index]!;
      if ((conflicts[waiter.mode] & blocked) === 0 && isFree(lock, waiter.owner, waiter.mode)) {
        queue.splice(index, 1);
        waiter.owner.waiting = null;
        this.#grant(lock, waiter.owner, waiter.mode);
        waiter.grant();
        continue;
      }
      blocked |= bits[waiter.mode];
      if (blocked === 255) break;
      index++;
    }
    if (queue.length === 0) lock.queue = null;
  }
}

function ended(): AlopexError {
  return new AlopexError('query_canceled', 'canceling statement because its transaction has ended');
}

/** The name of a table's lock. */
export function tableLockKey(table: number): string {
  return `table/${table}`;
}

/** Whether an owner has so many locks that it takes whole tables where it can. */
export function hasManyLocks(owner: LockOwner): boolean {
  return owner.held >= locksBeforeEscalation;
}

function heldBy(lock: Lock, owner: LockOwner): number {
  if (lock.holder === owner) return lock.held;
  return lock.others?.get(owner) ?? 0;
}

function setHeld(lock: Lock, owner: LockOwner, held: number): void {
  const before = lock.others?.get(owner) ?? 0;
  if (before === 0 && (lock.holder === owner || lock.holder === null)) {
    lock.holder = held === 0 ? null : owner;
    lock.held = held;
    return;
  }
  lock.others ??= new Map();
  lock.counts ??= [0, 0, 0, 0, 0, 0, 0, 0];
  for (let place = 0; place < 8; place++) {
    lock.counts[place]! += ((held >> place) & 1) - ((before >> place) & 1);
  }
  if (held !== 0) lock.others.set(owner, held);
  else lock.others.delete(owner);
  if (lock.others.size === 0) lock.others = null;
}

function isUnheld(lock: Lock): boolean {
  return lock.holder === null && lock.others === null;
}

function isConflict(first: LockMode, second: LockMode): boolean {
  return (conflicts[first] & bits[second]) !== 0;
}

function isFree(lock: Lock, owner: LockOwner, mode: LockMode): boolean {
  if (lock.holder !== null && lock.holder !== owner && (lock.held & conflicts[mode]) !== 0) return false;
  if (lock.others === null || lock.counts === null) return true;
  const own = lock.others.get(owner) ?? 0;
  for (let place = 0; place < 8; place++) {
    if (((conflicts[mode] >> place) & 1) === 0) continue;
    if (lock.counts[place]! > ((own >> place) & 1)) return false;
  }
  return true;
}

/** Whom a waiter waits for: conflicting holders, and conflicting waiters before it. */
function* blockers({ owner, lock, mode }: Waiter): Iterable<LockOwner> {
  const { holder, held, others, queue } = lock;
  if (holder !== null && holder !== owner && (held & conflicts[mode]) !== 0) yield holder;
  for (const [other, bitsHeld] of others ?? []) {
    if (other !== owner && (bitsHeld & conflicts[mode]) !== 0) yield other;
  }
  for (const earlier of queue ?? []) {
    if (earlier.owner === owner) return;
    if (isConflict(earlier.mode, mode)) yield earlier.owner;
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
