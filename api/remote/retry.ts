import { setTimeout } from 'node:timers/promises';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import type { ServerConnection } from './connection.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { hasChanged } from './session-attributes.ts';
import type { ServerAddress } from './url.ts';

/** Between two looks for the server that takes the work. */
const lookMs = 100;

/** `refused`: where it certainly has not been done. `always`: it carries a request id. */
export type Repeats = 'never' | 'refused' | 'always';

/**
 * Work on connections of a pool, done again on another one where that cannot do it twice: with several hosts, a statement
 * goes to the new primary by itself, for as long as connecting may take.
 */
export class Retry {
  readonly #pool: ConnectionPool;
  readonly #address: ServerAddress;

  constructor(pool: ConnectionPool, address: ServerAddress) {
    this.#pool = pool;
    this.#address = address;
  }

  async run<Result>(
    work: (connection: ServerConnection) => Promise<Result>,
    repeats: Repeats = 'refused',
  ): Promise<Result> {
    const untilMs = performance.now() + this.#address.connectMsMax;
    for (;;) {
      const done = await this.#once(work, repeats);
      if (!(done instanceof Refusal)) return done;
      if (performance.now() > untilMs) throw done.error;
      await setTimeout(lookMs);
    }
  }

  async #once<Result>(
    work: (connection: ServerConnection) => Promise<Result>,
    repeats: Repeats,
  ): Promise<Result | Refusal> {
    let connection: ServerConnection;
    try {
      connection = await this.#pool.borrow();
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (this.#mayGoElsewhere(repeats) && unreached.has(error.condition)) return new Refusal(error);
      throw error;
    }
    try {
      return await work(connection);
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (this.#isRefused(error, connection) && this.#mayGoElsewhere(repeats)) return new Refusal(error);
      if (repeats === 'always' && unanswered.has(error.condition)) return new Refusal(error);
      throw thrown;
    } finally {
      this.#pool.giveBack(connection);
    }
  }

  /** One host is what it is: its problem is told at once. */
  #mayGoElsewhere(repeats: Repeats): boolean {
    return repeats === 'always' || (repeats === 'refused' && this.#address.hosts.length > 1);
  }

  /** Nothing of the work has been done. */
  #isRefused({ condition }: AlopexError, connection: ServerConnection): boolean {
    if (!connection.isOpen && !connection.hasBegun) return true;
    if (condition === 'cannot_connect_now') return true;
    // A server that stops ends connections that are idle: what reaches it then is not begun.
    if (condition === 'admin_shutdown' && !connection.isAnswered) return true;
    return (
      condition === 'read_only_sql_transaction' && hasChanged(this.#address.sessionAttributes, connection)
    );
  }
}

class Refusal {
  readonly error: AlopexError;
  constructor(error: AlopexError) {
    this.error = error;
  }
}

const unreached: ReadonlySet<AlopexError['condition']> = new Set([
  'connection_failure',
  'cannot_connect_now',
  'admin_shutdown',
]);

/** Whether it was done is not known, or it was taken back because the primary changed. */
const unanswered: ReadonlySet<AlopexError['condition']> = new Set([
  ...unreached,
  'crash_shutdown',
  'serialization_failure',
  'statement_completion_unknown',
]);
