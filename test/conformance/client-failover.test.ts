import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { Database } from '../../api/index.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { nodeId, offset } from '../../base/ids.ts';
import { rejects } from './client-suite.ts';

/** Which of two servers takes writes. They have rows of their own, which tell who answered. */
let primary = 1;

async function serve(id: number): Promise<ServedDatabase> {
  const served = await ServedDatabase.open({ settings: { 'alopex.forward_writes': 'off' } });
  const { engine } = served;
  const session = engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null });
  for (const statement of session.parse(
    `CREATE TABLE who (id int); INSERT INTO who VALUES (${id}); CREATE TABLE t (a int)`,
  )) {
    await session.bind(await session.prepare(statement, []), []);
  }
  await session.sync();
  await session.close();
  engine.replication = {
    self: nodeId(id),
    get isPrimary() {
      return primary === id;
    },
    get primary() {
      return nodeId(primary);
    },
    primaryClient: null,
    mode: 'semi-sync',
    stalenessMs: 0,
    isSettled: true,
    isReadable: true,
    holds: () => true,
    handingOver: null,
    readable: () => null,
    appliedPast: async () => {},
    request: async () => new Uint8Array(0),
    status: {
      cluster: 'two',
      mode: 'semi-sync',
      epoch: 1,
      highWatermark: offset(0),
      applied: offset(0),
      nodes: [],
      failover: 'automatic',
    },
  };
  return served;
}

/** Ends a connection in place of an answer that has a text in it. */
async function answerCutter(port: number, text: string): Promise<{ server: Server; cuts: () => number }> {
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port });
    for (const socket of [client, upstream]) socket.on('error', () => {});
    client.on('data', (bytes: Buffer) => upstream.write(bytes));
    client.on('close', () => upstream.destroy());
    upstream.on('data', (bytes: Buffer) => {
      if (cuts > 0 || !bytes.includes(text)) client.write(bytes);
      else {
        cuts++;
        client.destroy();
      }
    });
    upstream.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { server, cuts: () => cuts };
}

/** A process that is stopped: its kernel goes on taking connections, and nobody answers. */
class Stopping {
  readonly #server: Server;
  readonly #sockets: Socket[] = [];
  #isStopped = false;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async before(port: number): Promise<Stopping> {
    const server = createServer();
    const stopping = new Stopping(server);
    server.on('connection', (client) => stopping.#take(client, port));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return stopping;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  #take(client: Socket, port: number): void {
    client.on('error', () => {});
    this.#sockets.push(client);
    if (this.#isStopped) return;
    const upstream = connect({ host: '127.0.0.1', port });
    upstream.on('error', () => {});
    this.#sockets.push(upstream);
    client.pipe(upstream).pipe(client);
  }

  stop(): void {
    this.#isStopped = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe('Database by url of several hosts', () => {
  let servers: readonly ServedDatabase[];
  before(async () => {
    servers = [await serve(1), await serve(2)];
  });
  beforeEach(() => {
    primary = 1;
  });
  after(async () => {
    for (const served of servers) await served.close();
  });
  const urlOf = (attributes: string, seconds = 5): string =>
    `postgresql://${servers.map(({ port }) => `127.0.0.1:${port}`).join(',')}/alopex?sslmode=disable&target_session_attrs=${attributes}&connect_timeout=${seconds}`;
  const answering = async (db: Database): Promise<unknown> =>
    (await db.query<{ id: number }>('SELECT id FROM who')).rows[0]!.id;

  for (const [attributes, found] of [
    ['any', 1],
    ['read-write', 2],
    ['primary', 2],
    ['read-only', 1],
    ['standby', 1],
    ['prefer-standby', 1],
  ] as const) {
    it(`finds what ${attributes} asks for`, async () => {
      primary = 2;
      await using db = await Database.open({ url: urlOf(attributes) });
      expect(await answering(db)).to.equal(found);
    });
  }

  it('takes the next best where no standby is there, and says what is wrong where none will do', async () => {
    primary = 1;
    const only = `postgresql://127.0.0.1:${servers[0]!.port}/?sslmode=disable&target_session_attrs=`;
    await using db = await Database.open({ url: `${only}prefer-standby` });
    expect(await answering(db)).to.equal(1);
    const error = await rejects(Database.open({ url: `${only}standby` }), '08006');
    expect(error.message).to.contain('server is not in hot standby mode');
  });

  it('goes to the new primary with what the old one refuses', async () => {
    await using db = await Database.open({ url: urlOf('read-write'), connectionsMax: 2 });
    const statement = await db.prepare('INSERT INTO t VALUES ($1)');
    await statement.execute([1]);
    primary = 2;
    expect(await statement.execute([2])).to.equal(1);
    expect(await answering(db)).to.equal(2);
    expect(await db.transaction((transaction) => transaction.execute('DELETE FROM t'))).to.equal(1);
  });

  it('waits for an election, and not for ever', async () => {
    await using db = await Database.open({ url: urlOf('primary', 1) });
    await db.execute('INSERT INTO t VALUES (1)');
    primary = 3;
    await rejects(db.execute('INSERT INTO t VALUES (2)'), '08006');
    const waiting = db.execute('INSERT INTO t VALUES (3)');
    await setTimeout(150);
    primary = 2;
    expect(await waiting).to.equal(1);
  });

  it('never runs the work of a transaction twice', async () => {
    await using db = await Database.open({ url: urlOf('read-write') });
    let runs = 0;
    const work = db.transaction(async (transaction) => {
      runs++;
      primary = 2;
      await transaction.execute('INSERT INTO t VALUES (9)');
      throw new TypeError('the work failed');
    });
    expect(await work.catch((error: unknown) => error)).to.be.instanceOf(Error);
    expect(runs).to.equal(1);
  });

  it('sends a statement with a request id again when its answer is lost, and it is executed once', async () => {
    const { server, cuts } = await answerCutter(servers[0]!.port, 'INSERT 0 3');
    const { port } = server.address() as { port: number };
    await using db = await Database.open({ url: `postgresql://127.0.0.1:${port}/?sslmode=disable` });
    await db.execute('DELETE FROM t');
    const inserted = await db.once('lost', 'INSERT INTO t SELECT generate_series(1, $1::int)', [3]);
    expect(inserted).to.include({ command: 'INSERT', rowCount: 3 });
    expect(cuts()).to.equal(1);
    expect((await db.query('SELECT count(*)::int AS n FROM t')).rows).to.deep.equal([{ n: 3 }]);
    await db.close();
    server.close();
  });

  it('gives up a server that stands still once another one is the primary, and what had begun there', async () => {
    const stopping = await Stopping.before(servers[0]!.port);
    const url = urlOf('read-write').replace(`:${servers[0]!.port},`, `:${stopping.port},`);
    const db = await Database.open({ url, connectionsMax: 3 });
    try {
      await Promise.all([1, 2, 3].map((a) => db.execute('INSERT INTO t VALUES ($1)', [a])));
      stopping.stop();
      const begun = rejects(db.execute('INSERT INTO t VALUES (4)'), '08006');
      const inBlock = rejects(
        db.transaction((transaction) => transaction.query('SELECT 1')),
        '08006',
      );
      const repeated = db.once('stopped', 'INSERT INTO t VALUES (5)');
      primary = 2;
      expect((await begun).message).to.contain('does not answer');
      await inBlock;
      expect((await repeated).rowCount).to.equal(1);
      expect(await answering(db)).to.equal(2);
      await using next = await Database.open({ url });
      expect(await answering(next)).to.equal(2);
    } finally {
      stopping.close();
      await db.close();
    }
  });

  it('waits for a server that takes its time, whoever is the primary', async () => {
    await using db = await Database.open({ url: urlOf('read-write') });
    const slow = db.query<{ id: number }>('SELECT id, pg_sleep(2) FROM who');
    await setTimeout(50);
    primary = 2;
    expect((await slow).rows[0]?.id).to.equal(1);
  });
});
