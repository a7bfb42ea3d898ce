import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import type { Engine } from '../../api/database/engine.ts';
import { PgServer } from '../../api/pgwire/server.ts';
import type { TlsOptions } from '../../api/pgwire/tls.ts';
import type { NetworkAddress } from '../../base/env/env.ts';
import { realEnv } from '../../base/env/real/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { ServerOptions } from './options.ts';
import { setPasswordWherePrimary } from './password.ts';
import { ServerNode } from './server-node.ts';
import { WitnessServer } from './witness-server.ts';

/** Open transactions may end within it when the server stops. */
const graceMs = 5000;

/** A server that runs: the database of one directory behind its listeners. */
export class Server {
  readonly #node: ServerNode;
  readonly #postgres: PgServer;

  private constructor(node: ServerNode, postgres: PgServer) {
    this.#node = node;
    this.#postgres = postgres;
  }

  static async start(options: ServerOptions, log: Logger): Promise<Server> {
    const tls = tlsOptions(options);
    const env = realEnv();
    const onProblem = problemsTo(log);
    const opened = await ServerNode.open(
      options,
      {
        env,
        path: resolve(options.data),
        cacheBytes: options.cacheBytes,
        retention: { retentionMs: options.logRetentionMs, retentionBytes: options.logRetentionBytes },
        connectionsMax: options.connectionsMax,
        settings: {
          ...options.settings,
          max_connections: String(options.connectionsMax),
          ssl: tls === null ? 'off' : 'on',
        },
        onProblem,
      },
      log,
    );
    const { node } = opened;
    node.onFailed = (error) => {
      log.fatal(
        { code: error.code, detail: error.detail },
        `this node can take no part any more: ${error.message}`,
      );
      void opened.noted.finally(() => process.exit(1));
    };
    try {
      const { engine } = node;
      if (options.password !== null) await setPasswordWherePrimary(node, options.password, log);
      if (node.isPrimary && options.auth === 'scram' && !hasPassword(engine)) {
        log.warn(
          'no role has a password, so nobody can log in: start with ALOPEX_PASSWORD once, or use ALTER ROLE … PASSWORD on loopback with trust',
        );
      }
      const postgres = await PgServer.listen({
        env,
        host: node,
        addresses: options.listen.map((host) => ({ host, port: options.port })),
        authentication: options.auth,
        tls,
        onProblem,
      });
      return new Server(opened, postgres);
    } catch (error) {
      await opened.close();
      throw error;
    }
  }

  get addresses(): readonly NetworkAddress[] {
    return this.#postgres.addresses;
  }

  /** Hands over the lead, ends the connections, and leaves the directory as a clean stop does. */
  async stop(): Promise<void> {
    await this.#node.handOver();
    await this.#postgres.close(graceMs);
    await this.#node.close();
  }
}

/** A server that votes, and has no rows. */
export function startWitness(options: ServerOptions, log: Logger): Promise<WitnessServer> {
  const path = resolve(options.data);
  return WitnessServer.start(options, { env: realEnv(), path, onProblem: problemsTo(log) });
}

function problemsTo(log: Logger): (problem: AlopexError) => void {
  return (problem) => log.error({ code: problem.code, detail: problem.detail }, problem.message);
}

function tlsOptions(options: ServerOptions): TlsOptions | null {
  const { tlsCertificate, tlsKey } = options;
  if (tlsCertificate === null && tlsKey === null) return null;
  if (tlsCertificate === null || tlsKey === null) {
    throw new AlopexError('config_file_error', 'tls-certificate and tls-key go together');
  }
  return { certificate: readPem(tlsCertificate), key: readPem(tlsKey) };
}

function readPem(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new AlopexError('config_file_error', `could not read "${path}": ${(error as Error).message}`);
  }
}

/** Whether some role that may log in has one. */
function hasPassword({ transactions }: Engine): boolean {
  return Array.from(transactions.catalog.all()).some(
    (object) => object.kind === 'role' && object.canLogin && object.passwordVerifier !== null,
  );
}
