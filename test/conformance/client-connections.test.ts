import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { type AlopexError, Database } from '../../api/index.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { rejects } from './client-suite.ts';

/** A listener in front of a server that cuts a connection when what the client sends has a text in it. */
class CuttingProxy {
  cutOn: string | null = null;
  connections = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(port: number) {
    this.#server = createServer((client) => {
      this.connections++;
      const upstream = connect({ host: '127.0.0.1', port });
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.on('data', (bytes: Buffer) => {
        if (this.cutOn !== null && bytes.includes(this.cutOn)) client.destroy();
        else upstream.write(bytes);
      });
      upstream.on('data', (bytes: Buffer) => client.write(bytes));
    });
  }

  static async listen(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  async cutAll(): Promise<void> {
    const sockets = [...this.#sockets];
    const closed = sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve)));
    for (const socket of sockets) socket.destroy();
    await Promise.all(closed);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

describe('Database by url, its connections', () => {
  let served: ServedDatabase;
  let proxy: CuttingProxy;
  before(async () => {
    served = await ServedDatabase.open();
    proxy = await CuttingProxy.listen(served.port);
  });
  beforeEach(() => {
    proxy.cutOn = null;
  });
  after(async () => {
    proxy.close();
    await served.close();
  });
  const urlOf = (ports: readonly number[], rest = ''): string =>
    `postgresql://${ports.map((port) => `127.0.0.1:${port}`).join(',')}/alopex?sslmode=disable${rest}`;

  it('never sends again what was sent on a connection that is lost', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]), connectionsMax: 1 });
    await db.execute('CREATE TABLE sent (a int)');
    proxy.cutOn = 'INSERT';
    await rejects(db.execute('INSERT INTO sent VALUES (1)'), '08006');
    proxy.cutOn = null;
    expect((await db.query('SELECT * FROM sent')).rows).to.deep.equal([]);
  });

  it('does not know of a commit that got no answer', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]) });
    proxy.cutOn = 'COMMIT';
    await rejects(
      db.transaction(async (transaction) => transaction.query('SELECT 1')),
      '40003',
    );
  });

  it('ends a transaction whose connection is lost before its commit', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]) });
    await rejects(
      db.transaction(async (transaction) => {
        await proxy.cutAll();
        await transaction.query('SELECT 1').catch(() => {});
      }),
      '40003',
    );
    expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
  });

  it('replaces one that was lost while idle', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]) });
    await Promise.all([1, 2, 3].map((n) => db.query('SELECT $1::int', [n])));
    await proxy.cutAll();
    // The ends of the sockets have to come through.
    await setTimeout(100);
    expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
  });

  it('opens no more than it may; others wait their turn', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]), connectionsMax: 2 });
    const before = proxy.connections;
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')),
    );
    expect(new Set(answers.map(({ rows }) => rows[0]!.pid)).size).to.be.within(1, 2);
    expect(proxy.connections - before).to.be.at.most(1);
  });

  it('does not hand on a transaction that a statement left open', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]), connectionsMax: 1 });
    await db.execute('BEGIN');
    expect((await db.query('SELECT now() = statement_timestamp() AS fresh')).rows).to.have.length(1);
    await db.execute('CREATE TABLE kept (a int)');
    await using other = await Database.open({ url: urlOf([proxy.port]) });
    expect((await other.query('SELECT * FROM kept')).rows).to.deep.equal([]);
  });

  it('keeps a bounded number of statements prepared', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]), connectionsMax: 1 });
    for (let n = 0; n < 300; n++) await db.query(`SELECT $1::int + ${n}`, [1]);
    const { rows } = await db.query<{ n: number }>('SELECT count(*) AS n FROM pg_prepared_statements');
    expect(rows[0]!.n).to.equal(256);
  });

  it('tries hosts in their order, past those that are not there', async () => {
    const gone = await CuttingProxy.listen(1);
    const gonePort = gone.port;
    gone.close();
    await using db = await Database.open({ url: urlOf([gonePort, proxy.port]) });
    expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
    const error = await rejects(Database.open({ url: urlOf([gonePort, gonePort]) }), '08006');
    expect(error.message.split('\n')).to.have.length(2);
  });

  it('finds the host that takes writes', async () => {
    const reading = await ServedDatabase.open({ settings: { default_transaction_read_only: 'on' } });
    try {
      const ports = [reading.port, served.port];
      await using any = await Database.open({ url: urlOf(ports) });
      await rejects(any.execute('CREATE TABLE refused (a int)'), '25006');
      await using writing = await Database.open({ url: urlOf(ports, '&target_session_attrs=read-write') });
      expect(await writing.execute('CREATE TABLE taken (a int)')).to.equal(0);
      const url = urlOf([reading.port], '&target_session_attrs=read-write');
      expect((await rejects(Database.open({ url }), '08006')).message).to.contain('session is read-only');
    } finally {
      await reading.close();
    }
  });

  /** Runs `end` while a statement waits for a lock, which ends it with that code. */
  async function endsWaiting(db: Database, code: string, end: () => Promise<void>): Promise<void> {
    await db.execute('DROP TABLE IF EXISTS held');
    await db.execute('CREATE TABLE held (a int); INSERT INTO held VALUES (1)');
    const holder = db.transaction(async (transaction) => {
      await transaction.execute('UPDATE held SET a = 2');
      const waiting = rejects(db.execute('UPDATE held SET a = 3'), code);
      await db.query('SELECT 1');
      await end();
      await waiting;
    });
    await holder.catch((error: AlopexError) =>
      expect(error.code, error.message).to.be.oneOf(['40003', code]),
    );
  }

  it('tells what the server ends a connection with', async () => {
    const short = await ServedDatabase.open();
    await using db = await Database.open({ url: urlOf([short.port]) });
    await endsWaiting(db, '57P01', () => short.close());
    await rejects(db.query('SELECT 1'), '08006');
  });

  it('ends what runs when it is closed', async () => {
    const db = await Database.open({ url: urlOf([proxy.port]) });
    await endsWaiting(db, '08003', () => db.close());
  });

  it('refuses a script that asks for parameters', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]) });
    await rejects(db.query('SELECT 1; SELECT $1::int'), '42P02');
  });

  it('a tail whose connection is lost says so, after what came before', async () => {
    await using db = await Database.open({ url: urlOf([proxy.port]) });
    await db.query('CREATE TABLE tailed (id int); INSERT INTO tailed VALUES (1), (2)');
    const seen: unknown[] = [];
    const tail = async (): Promise<void> => {
      for await (const { after } of db.tail({ table: 'tailed', from: 0 })) {
        if (seen.push(after) === 2) await proxy.cutAll();
      }
    };
    await rejects(tail(), '08006');
    expect(seen).to.deep.equal([{ id: 1 }, { id: 2 }]);
  });

  describe('with a password', () => {
    let guarded: ServedDatabase;
    before(async () => {
      guarded = await ServedDatabase.open({ authentication: 'scram' });
      await using local = await Database.open({ url: urlOf([served.port]) });
      await local.query('SELECT 1');
      const session = guarded.engine.connect({
        user: 'alopex',
        database: 'alopex',
        settings: {},
        clientAddress: null,
      });
      for (const statement of session.parse("CREATE ROLE ann LOGIN PASSWORD 'p@ss:wörd'"))
        await session.bind(await session.prepare(statement, []), []);
      await session.sync();
      await session.close();
    });
    after(() => guarded.close());
    const open = (credentials: string): Promise<Database> =>
      Database.open({ url: `postgresql://${credentials}127.0.0.1:${guarded.port}/alopex` });

    it('comes in by SCRAM-SHA-256', async () => {
      await using db = await open(`ann:${encodeURIComponent('p@ss:wörd')}@`);
      expect((await db.query('SELECT current_user AS u')).rows).to.deep.equal([{ u: 'ann' }]);
    });

    it('is refused with a wrong one, with none, and as nobody', async () => {
      expect((await rejects(open('ann:no@'), '28P01')).message).to.contain('"ann"');
      await rejects(open('ann@'), '28P01');
      await rejects(open('bob:no@'), '28P01');
    });

    it('demands TLS where it is told to', async () => {
      const url = `postgresql://ann:x@127.0.0.1:${guarded.port}/alopex?sslmode=require`;
      const error: AlopexError = await rejects(Database.open({ url }), '08006');
      expect(error.message).to.contain('server does not support SSL, but SSL was required');
    });
  });
});
