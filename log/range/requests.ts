import { AlopexError } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { Waits } from '../segment/waits.ts';

/** Commits that wait for every replica. */
const inSyncWaitersMax = 65_536;

/** What sessions and operators ask of a range, and what a later step of its consensus answers. */
export class Requests {
  #nextRead = 1;
  readonly #reads = new Map<number, PromiseWithResolvers<Offset>>();
  readonly #inSync = new Waits(inSyncWaitersMax);
  #change: PromiseWithResolvers<void> | null = null;

  addRead(): { readonly id: number; readonly answered: Promise<Offset> } {
    const read = Promise.withResolvers<Offset>();
    const id = this.#nextRead++;
    this.#reads.set(id, read);
    return { id, answered: read.promise };
  }

  /** Null: this node does not lead. */
  answerRead(id: number, at: Offset | null): void {
    const read = this.#reads.get(id);
    invariant(read !== undefined, 'a read is answered once');
    this.#reads.delete(id);
    if (at === null) read.reject(notLeading());
    else read.resolve(at);
  }

  /** Rejects with 40003 where the lead ends before. */
  addInSync(end: Offset): Promise<void> {
    return this.#inSync.add(end);
  }

  /** Every replica that is in sync has it so far. */
  reachInSync(end: Offset): void {
    this.#inSync.reach(end);
  }

  endLead(): void {
    if (!this.#inSync.isEmpty) this.#inSync.fail(unknownOutcome());
  }

  get isChanging(): boolean {
    return this.#change !== null;
  }

  /** 55000 where another one is under way. */
  addChange(): Promise<void> {
    if (this.#change !== null) {
      throw new AlopexError('object_not_in_prerequisite_state', 'the membership is being changed');
    }
    this.#change = Promise.withResolvers<void>();
    return this.#change.promise;
  }

  endChange(error: Error | null): void {
    const change = this.#change;
    this.#change = null;
    if (error === null) change?.resolve();
    else change?.reject(error);
  }

  close(): void {
    for (const read of this.#reads.values()) read.reject(stopping());
    this.#reads.clear();
    this.#inSync.fail(unknownOutcome());
    this.endChange(stopping());
  }
}

export function stopping(): AlopexError {
  return new AlopexError('admin_shutdown', 'the node is stopping');
}

function notLeading(): AlopexError {
  return new AlopexError('serialization_failure', 'this node is not the primary any more');
}

function unknownOutcome(): AlopexError {
  return new AlopexError(
    'statement_completion_unknown',
    'the primary changed before every replica had answered for the commit',
  );
}
