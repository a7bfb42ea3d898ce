import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { pino } from 'pino';
import { Database } from '../../api/index.ts';
import { requestJoin } from './join.ts';
import { serverOptions } from './options.ts';
import { Server } from './server.ts';

const waitMs = 20;

describe('option mesh-transport', () => {
  let directory = '';
  const running: Server[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-transport-'));
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((server) => server.stop()));
    await rm(directory, { recursive: true, force: true });
  });

  async function start(name: string, options: Readonly<Record<string, string>>): Promise<Server> {
    const given = { data: join(directory, name), port: '0', 'mesh-port': '0', ...options };
    const server = await Server.start(serverOptions(given, {}), pino({ level: 'silent' }));
    running.push(server);
    return server;
  }
  function open(server: Server): Promise<Database> {
    const { port } = server.addresses[0]!;
    return Database.open({ url: `postgresql://alopex@127.0.0.1:${port}/alopex` });
  }

  it('quic: a node that joins learns it, and gets what is written', async () => {
    const primary = await start('1', { mode: 'primary', 'mesh-transport': 'quic' });
    await using database = await open(primary);
    await database.execute('CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)');
    const { port } = primary.addresses[0]!;
    const replica = await start('2', { mode: 'replica', primary: `127.0.0.1:${port}` });
    await database.execute('INSERT INTO t VALUES (2)');
    await using other = await open(replica);
    const count = async () =>
      (await other.query<{ n: number }>(`SET alopex.read_from = 'nearest'; SELECT count(*)::int AS n FROM t`))
        .rows[0]?.n;
    while ((await count().catch(() => 0)) !== 2) await new Promise((resolve) => setTimeout(resolve, waitMs));
  });

  it('quic: a node that has it not is refused before it is a member', async () => {
    const primary = await start('1', { mode: 'primary', 'mesh-transport': 'quic' });
    const { port } = primary.addresses[0]!;
    const request = {
      role: 'replica',
      certificateRequest: '',
      mesh: 'a:1',
      client: 'a:2',
      token: null,
    } as const;
    const refused = await requestJoin(`postgresql://alopex@127.0.0.1:${port}`, {
      ...request,
      transports: ['tls'],
    }).catch((error: Error) => error);
    expect(refused).to.include({
      message: "this cluster's nodes talk by quic, which the node that joins has not",
    });
    await using database = await open(primary);
    const { rows } = await database.query('SELECT node FROM alopex.replication');
    expect(rows).to.have.lengthOf(1);
  });

  it('is what it was when the cluster began', async () => {
    await (await start('1', { mode: 'primary', 'mesh-transport': 'quic' })).stop();
    running.length = 0;
    const refused = await start('1', { mode: 'primary', 'mesh-transport': 'tls' }).catch(
      (error: Error) => error,
    );
    expect(refused).to.include({ message: "this cluster's nodes talk by quic, not by tls" });
    await start('1', { mode: 'primary' });
  });
});
