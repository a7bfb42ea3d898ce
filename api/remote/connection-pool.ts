import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { closed } from '../database/database.ts';
import type { ServerConnection } from './connection.ts';
import type { Host } from './url.ts';

type Waiter = {
  readonly resolve: (connection: ServerConnection) => void;
  readonly reject: (error: AlopexError) => void;
};

/** Callers that wait for a connection. */
const waitersMax = 10_000;

/**
 * At most so many connections, kept for the next caller. Invariants:
 * - `#idle` holds open connections in no transaction; one that is lost while idle is dropped, and replaced on demand;
 * - callers wait only while as many connections as may be are open or being opened.
 */
export class ConnectionPool {
  readonly #open: () => Promise<ServerConnection>;
  readonly #isOfUse: (connection: ServerConnection) => boolean;
  readonly #connectionsMax: number;
  readonly #idle: ServerConnection[] = [];
  readonly #borrowed = new Set<ServerConnection>();
  readonly #waiters: Waiter[] = [];
  #opening = 0;
  #isClosed = false;
  /** Called before each connection that is handed out. */
  onHandOut: () => void = () => {};

  /** `isOfUse`: its server is still what was looked for. */
  constructor(
    open: () => Promise<ServerConnection>,
    isOfUse: (connection: ServerConnection) => boolean,
    connectionsMax: number,
  ) {
    this.#open = open;
    this.#isOfUse = isOfUse;
    this.#connectionsMax = connectionsMax;
  }

  async borrow(): Promise<ServerConnection> {
    if (this.#isClosed) throw closed();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (this.#isOfUse(idle)) return this.#handOut(idle);
      idle.end();
    }
    if (this.#count() < this.#connectionsMax) return this.#openOne();
    if (this.#waiters.length >= waitersMax) {
      throw new AlopexError('too_many_connections', `more than ${waitersMax} callers wait for a connection`);
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  get borrowed(): ReadonlySet<ServerConnection> {
    return this.#borrowed;
  }

  /** Its server stands still: what waits for it ends with the reason. */
  drop(host: Host, reason: AlopexError): void {
    for (const connection of [...this.#idle, ...this.#borrowed])
      if (connection.host === host) connection.destroy(reason);
  }

  #count(): number {
    return this.#idle.length + this.#borrowed.size + this.#opening;
  }

  #handOut(connection: ServerConnection): ServerConnection {
    this.onHandOut();
    connection.keepsAlive(true);
    this.#borrowed.add(connection);
    return connection;
  }

  async #openOne(): Promise<ServerConnection> {
    this.#opening++;
    try {
      const connection = await this.#open();
      if (this.#isClosed) {
        connection.end();
        throw closed();
      }
      connection.onClosed(() => this.#dropIdle(connection));
      return this.#handOut(connection);
    } finally {
      this.#opening--;
      this.#serveWaiter();
    }
  }

  #dropIdle(connection: ServerConnection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Of no use to the next one, in a transaction or lost, it ends. */
  giveBack(connection: ServerConnection): void {
    this.#borrowed.delete(connection);
    if (this.#isClosed || !connection.isIdle || !this.#isOfUse(connection)) {
      connection.end();
      this.#serveWaiter();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter !== undefined) {
      waiter.resolve(this.#handOut(connection));
      return;
    }
    connection.keepsAlive(false);
    this.#idle.push(connection);
  }

  /** There is room: who waited longest gets a connection of its own. */
  #serveWaiter(): void {
    if (this.#isClosed || this.#count() >= this.#connectionsMax) return;
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return;
    this.#openOne().then(waiter.resolve, (error: unknown) => waiter.reject(asAlopexError(error)));
  }

  /** Statements that run end with 08003. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closed());
    for (const connection of this.#idle.splice(0)) connection.end();
    for (const connection of this.#borrowed) connection.destroy(closed());
  }
}
