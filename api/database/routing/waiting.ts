import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import { offset } from '../../../base/ids.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import type { Replication } from '../replication.ts';
import type { EngineSession } from '../session.ts';
import type { CommitToken } from '../settings.ts';

/** How long a session waits for a commit to be applied, or for a primary to be elected, where statement_timeout is off. */
export const waitMsMax = 30_000;
/** Leads that a node may lose while a read waits to be sure of one. */
const leadsLostMax = 5;

/** What a session's statements wait for on a node before they read there. */
export class Waiting {
  readonly #session: EngineSession;
  readonly #replication: Replication;
  /** Applied here: what was waited for last. */
  #awaitedSeen: CommitToken | null = null;
  #ownSeen: CommitToken | null = null;

  constructor(session: EngineSession, replication: Replication) {
    this.#session = session;
    this.#replication = replication;
  }

  /** What the session has committed is known to be here. */
  get hasOwn(): boolean {
    return this.#session.lastCommit === this.#ownSeen;
  }

  /** What the session has committed, or was told to wait for. */
  get after(): CommitToken | null {
    const { settings, lastCommit } = this.#session;
    const { awaited } = settings.routes;
    if (awaited === null || lastCommit === null) return awaited ?? lastCommit;
    return awaited.offset > lastCommit.offset ? awaited : lastCommit;
  }

  /** Null: what was to be waited for is applied here, and what was committed by anybody may be read. */
  caughtUp({ node }: ParsedStatement): Promise<void> | undefined {
    // It may be what ends the waiting.
    if ('VariableSetStmt' in node) return undefined;
    const { settings, lastCommit } = this.#session;
    const { awaited } = settings.routes;
    if (
      (awaited !== null && awaited !== this.#awaitedSeen) ||
      (lastCommit !== this.#ownSeen && !this.#isOwnHere)
    )
      return this.#catchUp(awaited);
    return this.#replication.isReadable ? undefined : this.#readable();
  }

  /** What the session has committed, the primary has; but for one that leads since, where nobody waited for copies. */
  get #isOwnHere(): boolean {
    const { lastCommit, engine } = this.#session;
    return lastCommit === null || (this.#replication.isPrimary && lastCommit.epoch === engine.log.epoch);
  }

  /** 40000 where what the session was told to wait for is lost. What it has lost of its own, it was ready to lose: a warning. */
  async #catchUp(awaited: CommitToken | null): Promise<void> {
    if (awaited !== null && !(await this.#reach(awaited))) {
      throw new AlopexError('transaction_rollback', `the commit ${textOfToken(awaited)} is not in the log`, {
        detail: 'It was lost with a primary before other nodes had it.',
        hint: 'Where that must not be, alopex.replication_mode is semi-sync or sync.',
      });
    }
    this.#awaitedSeen = awaited;
    const { lastCommit } = this.#session;
    if (lastCommit !== null && !(await this.#reach(lastCommit))) {
      const message = `the session's commit ${textOfToken(lastCommit)} was lost with the primary that it was made on`;
      this.#session.notice('WARNING', 'transaction_rollback', message);
      this.#session.lastCommit = null;
    }
    this.#ownSeen = this.#session.lastCommit;
    await this.#readable();
  }

  /** False: it is lost. */
  async #reach(commit: CommitToken): Promise<boolean> {
    if (this.#replication.holds(commit) === false) return false;
    const { statementTimeoutMs } = this.#session.settings.begins;
    await this.#replication.appliedPast(offset(commit.offset), statementTimeoutMs || waitMsMax);
    return this.#replication.holds(commit) !== false;
  }

  /** Where the node loses the lead meanwhile, it answers as a replica: what it may say then is decided anew. */
  async #readable(): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#replication.readable();
        return;
      } catch (thrown) {
        const isLost = asAlopexError(thrown).condition === 'serialization_failure';
        if (!isLost || attempt === leadsLostMax) throw thrown;
      }
    }
  }

  get isStale(): boolean {
    const { stalenessMsMax } = this.#session.settings.routes;
    if (stalenessMsMax === 0 || this.#replication.isPrimary) return false;
    const { stalenessMs } = this.#replication;
    return stalenessMs === null || stalenessMs > stalenessMsMax;
  }

  /** 55000, of which the node that asks for another one makes the best. */
  requireFresh(): void {
    if (!this.isStale) return;
    const { stalenessMs } = this.#replication;
    const age = stalenessMs === null ? 'of unknown age' : `up to ${Math.ceil(stalenessMs)} ms old`;
    throw new AlopexError('object_not_in_prerequisite_state', `what this replica has is ${age}`, {
      hint: 'alopex.max_staleness says how old it may be.',
    });
  }
}

function textOfToken({ epoch, offset }: CommitToken): string {
  return `${epoch}/${offset}`;
}
