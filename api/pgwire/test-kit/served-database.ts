import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Connection } from '../../../base/env/env.ts';
import { realEnv } from '../../../base/env/real/env.ts';
import type { AlopexError } from '../../../base/errors.ts';
import { Engine, type EngineOptions } from '../../database/engine.ts';
import { PgServer, type PgServerOptions } from '../server.ts';
import { MemoryClient } from './memory-client.ts';
import { startup } from './messages.ts';

/** An engine on a directory of its own, behind a listener on a free port and behind wires in memory. */
export class ServedDatabase {
  readonly engine: Engine;
  readonly server: PgServer;
  readonly problems: AlopexError[];
  readonly #directory: string;
  readonly #accept: (connection: Connection) => void;

  private constructor(
    engine: Engine,
    server: PgServer,
    problems: AlopexError[],
    directory: string,
    accept: (connection: Connection) => void,
  ) {
    this.engine = engine;
    this.server = server;
    this.problems = problems;
    this.#directory = directory;
    this.#accept = accept;
  }

  static async open(
    options: Partial<EngineOptions> &
      Partial<Pick<PgServerOptions, 'authentication' | 'tls' | 'addresses'>> = {},
  ): Promise<ServedDatabase> {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-pgwire-'));
    const problems: AlopexError[] = [];
    const onProblem = (problem: AlopexError): void => {
      problems.push(problem);
    };
    const env = realEnv();
    const engine = await Engine.open({
      env,
      path: directory,
      cacheBytes: 16 * 1024 * 1024,
      connectionsMax: 100,
      settings: {},
      onProblem,
      ...options,
    });
    let accept: (connection: Connection) => void = () => {};
    const server = await PgServer.listen({
      env: {
        ...env,
        network: {
          ...env.network,
          listen: (address, accepted) => {
            accept = accepted;
            return env.network.listen(address, accepted);
          },
        },
      },
      host: engine,
      addresses: options.addresses ?? [{ host: '127.0.0.1', port: 0 }],
      authentication: options.authentication ?? 'trust',
      tls: options.tls ?? null,
      onProblem,
    });
    return new ServedDatabase(engine, server, problems, directory, accept);
  }

  get port(): number {
    return this.server.addresses[0]!.port;
  }

  /** A wire that nothing was sent on yet. */
  wire(host?: string): MemoryClient {
    const client = new MemoryClient(host);
    this.#accept(client.connection);
    return client;
  }

  /** A client that is in. */
  async client(parameters: Readonly<Record<string, string>> = {}): Promise<MemoryClient> {
    const client = this.wire();
    client.send(startup({ user: 'alopex', ...parameters }));
    await client.until('ReadyForQuery');
    return client;
  }

  async close(): Promise<void> {
    await this.server.close();
    await this.engine.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}
