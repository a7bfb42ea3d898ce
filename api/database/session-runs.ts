import { AlopexError } from '../../base/errors.ts';
import { Cancellation } from './cancellation.ts';
import type { Engine } from './engine.ts';
import { busy, type StatementRun } from './statement-run.ts';

/**
 * A session's statements that have begun. Invariant: at most one runs (`current`); portals with rows left may be paused
 * beside it, until the transaction ends.
 */
export class SessionRuns {
  readonly #engine: Engine;
  readonly #paused = new Set<StatementRun>();
  readonly #waits = new Set<Cancellation>();
  current: StatementRun | null = null;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  cancel(reason: AlopexError): void {
    this.current?.cancel(reason);
    for (const wait of this.#waits) wait.cancel(reason);
  }

  /** What is waited for before a statement runs: it can be cancelled as one that does. */
  async waiting<Result>(timeoutMs: number, work: (wait: Cancellation) => Promise<Result>): Promise<Result> {
    const wait = new Cancellation(this.#engine.env.clock, timeoutMs);
    this.#waits.add(wait);
    try {
      return await work(wait);
    } finally {
      this.#waits.delete(wait);
      wait.end();
    }
  }

  requireNone(): void {
    if (this.current !== null) throw busy();
  }

  /** A portal has rows left, and its client may do something else first. */
  pause(run: StatementRun): void {
    if (this.current !== run) return;
    this.current = null;
    this.#pause(run);
    this.#endStatement(run);
  }

  resume(run: StatementRun): void {
    if (this.current === run) return;
    if (!this.#unpause(run)) throw new AlopexError('invalid_cursor_state', 'the portal is closed');
    if (this.current !== null) {
      this.#pause(run);
      throw busy();
    }
    this.current = run;
  }

  #pause(run: StatementRun): void {
    this.#paused.add(run);
    run.transaction.pausedPortals++;
  }

  #unpause(run: StatementRun): boolean {
    if (!this.#paused.delete(run)) return false;
    run.transaction.pausedPortals--;
    return true;
  }

  end(run: StatementRun): void {
    if (this.current !== run && !this.#unpause(run)) return;
    if (this.current === run) this.current = null;
    run.end();
    this.#endStatement(run);
  }

  /** Once a statement: what it wrote is seen by the next one, which takes its own snapshot. */
  #endStatement(run: StatementRun): void {
    if (run.isStatementEnded || run.transaction.state !== 'active') return;
    run.isStatementEnded = true;
    this.#engine.transactions.endStatement(run.transaction);
  }

  endAll(): void {
    if (this.current !== null) this.end(this.current);
    if (this.#paused.size > 0) for (const run of [...this.#paused]) this.end(run);
  }
}
