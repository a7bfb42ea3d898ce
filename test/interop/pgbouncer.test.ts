import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { program, runClient } from './programs.ts';

let pgbouncerPath: string;
let pgbenchPath: string;
const serverConnections = 4;

describe('pgbouncer in transaction mode', () => {
  let served: ServedDatabase;
  let directory: string;
  let bouncer: ChildProcess | null = null;
  let port: number;

  before(async () => {
    served = await ServedDatabase.open();
    directory = await mkdtemp(join(tmpdir(), 'alopex-pgbouncer-'));
    pgbouncerPath = program('pgbouncer', 'pgbouncer');
    pgbenchPath = program('pgbench', 'postgresql-contrib');
    port = await freePort();
    const config = join(directory, 'pgbouncer.ini');
    await writeFile(config, configuration(served.port, port));
    await chmod(directory, 0o755);
    // It refuses to run as root.
    const flags = process.getuid?.() === 0 ? ['-u', 'nobody', config] : [config];
    bouncer = spawn(pgbouncerPath, flags, { stdio: 'ignore' });
    await untilItAnswers(port);
  });
  after(async () => {
    bouncer?.kill('SIGKILL');
    await served.close();
    await rm(directory, { recursive: true, force: true });
  });

  it('forty clients share four connections, and their transactions add up', async () => {
    const clients = Array.from(
      { length: 40 },
      () => new pg.Client({ host: '127.0.0.1', port, user: 'alopex', database: 'alopex' }),
    );
    await Promise.all(clients.map((client) => client.connect()));
    await clients[0]!.query(
      'CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT INTO counter VALUES (1, 0)',
    );
    await Promise.all(
      clients.map(async (client) => {
        await client.query('BEGIN');
        await client.query('UPDATE counter SET n = n + $1 WHERE id = 1', [1]);
        await client.query('COMMIT');
      }),
    );
    const { rows } = await clients[1]!.query('SELECT n FROM counter');
    expect(rows).to.deep.equal([{ n: 40 }]);
    expect(served.server.connectionCount).to.be.within(1, serverConnections);
    await Promise.all(clients.map((client) => client.end()));
  });

  it('pgbench runs through it', async () => {
    const prepared = await runClient(pgbenchPath, served.port, ['-i', '-s', '1']);
    expect(prepared.exitCode, prepared.errors).to.equal(0);
    for (const mode of ['simple', 'extended']) {
      const { exitCode, output, errors } = await runClient(pgbenchPath, port, [
        ...['-N', '-n', '-M', mode, '-c', '16', '-t', '25'],
      ]);
      expect(exitCode, errors).to.equal(0);
      expect(output).to.include('number of failed transactions: 0 (0.000%)');
    }
  });
});

function configuration(serverPort: number, port: number): string {
  return `[databases]
alopex = host=127.0.0.1 port=${serverPort} dbname=alopex user=alopex
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = ${serverConnections}
max_client_conn = 200
`;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function untilItAnswers(port: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'alopex', database: 'alopex' });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (attempt === 50) throw error;
      await sleep(100);
    }
  }
}
