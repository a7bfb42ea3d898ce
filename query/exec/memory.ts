import { AlopexError } from '../../base/errors.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import type { ExecutionContext, SpillStore } from './contract.ts';
import type { Actual } from './operator.ts';

/** What one operator may hold whatever the others do: PostgreSQL's smallest work_mem. */
const shareBytesMin = 65_536;

/** How many shares the operator of a plan node takes. */
function sharesOf(plan: PhysicalPlan): number {
  switch (plan.kind) {
    case 'sort':
    case 'hash-join':
    case 'set-operation':
      return 1;
    case 'nested-loop':
    case 'distinct':
      return 2;
    case 'aggregate':
      return 1 + 2 * plan.aggregates.filter((call) => call.isDistinct || call.orderBy.length > 0).length;
    case 'with':
      return plan.definitions.reduce((sum, { recursive }) => sum + (recursive === null ? 1 : 4), 0);
    default:
      return 0;
  }
}

/**
 * What the operators of one execution hold, within `work_mem`. Half of it goes to those that come first; the other
 * half is divided among all that the plan has, so that a late one finds room too. Invariants: without
 * temporary files the sum never passes the limit; with them only by shares that are at `shareBytesMin`.
 */
export class StatementMemory {
  readonly spill: SpillStore | null;
  readonly #context: ExecutionContext;
  readonly #root: PhysicalPlan;
  readonly #actuals: ReadonlyMap<PhysicalPlan, Actual> | null;
  readonly #shares = new Set<MemoryShare>();
  #shareBytes: number | null = null;
  #heldBytes = 0;

  constructor(
    root: PhysicalPlan,
    context: ExecutionContext,
    actuals: ReadonlyMap<PhysicalPlan, Actual> | null,
  ) {
    this.#root = root;
    this.#context = context;
    this.#actuals = actuals;
    this.spill = context.spill;
  }

  /** For an operator of `plan`, which closes it; null: of none that EXPLAIN shows. */
  share(plan: PhysicalPlan | null): MemoryShare {
    const share = new MemoryShare(this, plan);
    this.#shares.add(share);
    return share;
  }

  /** What each plan node may hold in any case. */
  get shareBytes(): number {
    this.#shareBytes ??= Math.max(
      shareBytesMin,
      Math.floor(this.#context.workMemoryBytes / 2 / countShares(this.#root)),
    );
    return this.#shareBytes;
  }

  /** Whether a share may hold `bytes` in place of what it holds now. */
  fits(share: MemoryShare, bytes: number): boolean {
    const limit = this.#context.workMemoryBytes;
    const total = this.#heldBytes - share.bytes + bytes;
    if (this.spill === null) return total <= limit;
    if (total <= limit / 2 || bytes <= this.shareBytes) return true;
    let overBytes = bytes - this.shareBytes;
    for (const other of this.#shares) {
      if (other !== share) overBytes += Math.max(0, other.bytes - this.shareBytes);
    }
    return overBytes <= limit / 2 && total <= limit;
  }

  account(bytes: number): void {
    this.#heldBytes += bytes;
    if (bytes > 0) this.#context.reserve(bytes);
    else this.#context.release(-bytes);
  }

  forget(share: MemoryShare): void {
    this.#shares.delete(share);
  }

  countSpilled(plan: PhysicalPlan | null, bytes: number): void {
    const actual = plan === null ? undefined : this.#actuals?.get(plan);
    if (actual !== undefined) actual.spilledBytes += bytes;
  }

  refusal(): AlopexError {
    const limit = this.#context.workMemoryBytes;
    return new AlopexError('out_of_memory', `the statement needs more than work_mem (${limit} bytes)`, {
      hint: 'Raise work_mem, or make the sort, hash or result smaller.',
    });
  }
}

/** What one operator holds. */
export class MemoryShare {
  bytes = 0;
  readonly #memory: StatementMemory;
  readonly #plan: PhysicalPlan | null;
  #isClosed = false;

  constructor(memory: StatementMemory, plan: PhysicalPlan | null) {
    this.#memory = memory;
    this.#plan = plan;
  }

  /** Sets what is held in all; false, and unchanged, where that is too much. */
  tryHold(bytes: number): boolean {
    if (bytes > this.bytes && !this.#memory.fits(this, bytes)) return false;
    this.hold(bytes);
    return true;
  }

  /** The same for what cannot spill: throws 53200. */
  require(bytes: number): void {
    if (!this.tryHold(bytes)) throw this.#memory.refusal();
  }

  /** The same for the buffers of what has spilled, which are bounded by themselves. */
  hold(bytes: number): void {
    if (this.#isClosed) return;
    const change = bytes - this.bytes;
    this.bytes = bytes;
    this.#memory.account(change);
  }

  countSpilled(bytes: number): void {
    this.#memory.countSpilled(this.#plan, bytes);
  }

  close(): void {
    this.hold(0);
    this.#isClosed = true;
    this.#memory.forget(this);
  }
}

/** The shares of all plan nodes, those of subplans and WITH queries among them. */
function countShares(root: PhysicalPlan): number {
  const seen = new Set<object>();
  let count = 0;
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value) || 'layout' in value) return;
    if (!Array.isArray(value) && Object.getPrototypeOf(value) !== Object.prototype) return;
    seen.add(value);
    if ('estimate' in value) count += sharesOf(value as PhysicalPlan);
    for (const item of Object.values(value)) visit(item);
  };
  visit(root);
  return Math.max(1, count);
}
