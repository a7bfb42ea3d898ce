import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Clock, Connection, Env, Listener, NetworkAddress, Random } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { SessionHost } from '../database/contract.ts';
import { PgConnection } from './connection.ts';
import { secureContext, type TlsOptions } from './tls.ts';

export type PgServerOptions = {
  readonly env: Env;
  readonly host: SessionHost;
  /** Where to listen. An address other than loopback needs `authentication: 'scram'`. */
  readonly addresses: readonly NetworkAddress[];
  /** 'trust': anybody from loopback is let in. 'scram': everybody shows a password. */
  readonly authentication: 'trust' | 'scram';
  /** Offered to clients that ask; demanded from all but loopback. */
  readonly tls: TlsOptions | null;
  readonly onProblem: (problem: AlopexError) => void;
};

/** Connections that may be in the handshake at once; more wait in the kernel's queue. */
const connectionsMax = 20_000;
/** For a statement that was cancelled to end. */
const interruptMsMax = 1000;
const lookMs = 5;

/** Listeners of the Postgres wire protocol, and the connections that they took. */
export class PgServer {
  readonly clock: Clock;
  readonly host: SessionHost;
  readonly tls: SecureContext | null;
  readonly reportedSettings: readonly string[];
  readonly onProblem: (problem: AlopexError) => void;
  /** Salts of users that do not exist. */
  readonly mockSecret: Uint8Array;
  readonly #options: PgServerOptions;
  readonly #random: Random;
  readonly #connections = new Set<PgConnection>();
  readonly #listeners: Listener[] = [];

  private constructor(options: PgServerOptions) {
    this.#options = options;
    this.#random = options.env.random;
    this.clock = options.env.clock;
    this.host = options.host;
    this.onProblem = options.onProblem;
    this.tls = options.tls === null ? null : secureContext(options.tls);
    this.reportedSettings = options.host.reportedSettings;
    this.mockSecret = options.env.random.bytes(32);
  }

  static async listen(options: PgServerOptions): Promise<PgServer> {
    const open = options.addresses.find(({ host }) => !isLoopback(host));
    if (open !== undefined && options.authentication === 'trust') {
      throw new AlopexError(
        'config_file_error',
        `refusing to listen on ${open.host} without authentication`,
        {
          hint: 'Set a password for a role (--password, or ALTER ROLE … PASSWORD) and start with --auth scram.',
        },
      );
    }
    const server = new PgServer(options);
    try {
      for (const address of options.addresses) {
        server.#listeners.push(
          await options.env.network.listen(address, (connection) => server.#accept(connection)),
        );
      }
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  get addresses(): readonly NetworkAddress[] {
    return this.#listeners.map((listener) => listener.address);
  }
  get connectionCount(): number {
    return this.#connections.size;
  }

  #accept(connection: Connection): void {
    if (this.#connections.size >= connectionsMax) {
      connection.destroy();
      return;
    }
    const accepted = new PgConnection(this, connection, this.#random.uint32() | 0);
    this.#connections.add(accepted);
    void accepted.serve();
  }

  forget(connection: PgConnection): void {
    this.#connections.delete(connection);
  }

  /** A CancelRequest: does nothing unless the secret is right. */
  cancel(processId: number, secret: number): void {
    for (const connection of this.#connections) {
      if (connection.processId === processId && connection.secret === secret) connection.cancel();
    }
  }

  requiresPassword(remote: NetworkAddress): boolean {
    return this.#options.authentication === 'scram' || !isLoopback(remote.host);
  }

  requiresTls(remote: NetworkAddress): boolean {
    return this.tls !== null && !isLoopback(remote.host);
  }

  /**
   * Takes no more connections, and ends those that are there with 57P01: each as soon as no transaction of it is open, for so
   * long; then statements that run are cancelled.
   */
  async close(graceMs = 0): Promise<void> {
    await Promise.all(this.#listeners.splice(0).map((listener) => listener.close()));
    await this.#end(graceMs, ({ isIdle }) => isIdle);
    for (const connection of this.#connections) connection.interrupt();
    await this.#end(interruptMsMax, ({ isReady }) => isReady);
    for (const connection of [...this.#connections]) connection.shutDown();
  }

  async #end(forMs: number, mayEnd: (connection: PgConnection) => boolean): Promise<void> {
    const untilMs = this.clock.monotonicMs() + forMs;
    for (;;) {
      for (const connection of [...this.#connections]) if (mayEnd(connection)) connection.shutDown();
      if (this.#connections.size === 0 || this.clock.monotonicMs() >= untilMs) return;
      await new Promise<void>((resolve) => void this.clock.setTimer(lookMs, resolve));
    }
  }
}

/** 127.0.0.0/8, ::1, and localhost, which resolves to them. */
export function isLoopback(host: string): boolean {
  if (host === 'localhost' || host === '::1') return true;
  const address = host.startsWith('::ffff:') ? host.slice(7) : host;
  return isIP(address) === 4 && address.startsWith('127.');
}
