import { expect } from 'chai';
import pg from 'pg';
import postgres from 'postgres';
import { AlopexError } from '../../base/errors.ts';
import { EmbeddedDatabase } from '../database/embedded.ts';
import { PgServer } from './server.ts';
import { selfSigned } from './test-kit/certificate.ts';
import { query, sslRequest, startup } from './test-kit/messages.ts';
import { ServedDatabase } from './test-kit/served-database.ts';

const user = 'alopex';
const database = 'alopex';
const host = '127.0.0.1';

/** The SQLSTATE that a client's promise is rejected with. */
async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: string }).code;
  }
  return undefined;
}

describe('clients over the Postgres wire', () => {
  describe('let in', () => {
    let served: ServedDatabase;
    before(async () => {
      served = await ServedDatabase.open({
        addresses: [
          { host, port: 0 },
          { host: '::1', port: 0 },
        ],
      });
    });
    after(() => served.close());

    it('node-postgres: types, errors, transactions, over IPv4 and IPv6', async () => {
      const client = new pg.Client({ host, port: served.port, user, database });
      await client.connect();
      await client.query(
        'CREATE TABLE n (id serial PRIMARY KEY, at timestamptz, data jsonb, tags text[], price numeric)',
      );
      const at = new Date('2026-03-01T12:00:00.000Z');
      const inserted = await client.query(
        'INSERT INTO n (at, data, tags, price) VALUES ($1, $2, $3, $4) RETURNING id',
        [at, { deep: [1, null] }, ['a', 'b,"c'], '12.340'],
      );
      expect(inserted.rows).to.deep.equal([{ id: 1 }]);
      const { rows } = await client.query('SELECT * FROM n WHERE id = $1', [1]);
      expect(rows).to.deep.equal([
        { id: 1, at, data: { deep: [1, null] }, tags: ['a', 'b,"c'], price: '12.340' },
      ]);
      expect(await codeOf(client.query('INSERT INTO n (id) VALUES (1)'))).to.equal('23505');
      await client.query('BEGIN');
      await client.query('DELETE FROM n');
      await client.query('ROLLBACK');
      expect(
        (await client.query({ name: 'count', text: 'SELECT count(*)::int AS n FROM n' })).rows,
      ).to.deep.equal([{ n: 1 }]);
      await client.end();
      const ipv6 = new pg.Client({
        host: '::1',
        port: served.server.addresses[1]!.port,
        user: 'guest',
        database,
      });
      await ipv6.connect();
      expect((await ipv6.query('SELECT current_user AS who')).rows).to.deep.equal([{ who: 'guest' }]);
      await ipv6.end();
    });

    it('postgres.js: tagged queries, pipelining, cursors, transactions', async () => {
      const sql = postgres({ host, port: served.port, user, database, max: 2, onnotice: () => {} });
      await sql`CREATE TABLE j (id int PRIMARY KEY, name text)`;
      await sql`INSERT INTO j ${sql(Array.from({ length: 50 }, (_, id) => ({ id, name: `n${id}` })))}`;
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, id) => sql`SELECT name FROM j WHERE id = ${id}`),
      );
      expect(answers.map(([row]) => row?.name)).to.deep.equal(
        Array.from({ length: 50 }, (_, id) => `n${id}`),
      );
      const sizes: number[] = [];
      await sql`SELECT * FROM j ORDER BY id`.cursor(20, async (rows) => {
        sizes.push(rows.length);
      });
      expect(sizes).to.deep.equal([20, 20, 10]);
      expect(
        await codeOf(
          sql.begin(async (transaction) => {
            await transaction`DELETE FROM j`;
            await transaction`SELECT 1/0`;
          }),
        ),
      ).to.equal('22012');
      expect(await sql`SELECT count(*)::int AS n FROM j`).to.deep.equal([{ n: 50 }]);
      await sql.end();
    });

    it('a statement, or its session, is ended by pg_cancel_backend and pg_terminate_backend', async () => {
      const client = new pg.Client({ host, port: served.port, user, database });
      client.on('error', () => undefined);
      await client.connect();
      const { pid } = (await client.query('SELECT pg_backend_pid() AS pid')).rows[0];
      const watch = new EmbeddedDatabase(served.engine);
      const text = 'SELECT count(*) FROM generate_series(1, 1000000000)';
      for (const [signal, expected] of [
        ['pg_cancel_backend', '57014'],
        ['pg_terminate_backend', '57P01'],
      ] as const) {
        const code = codeOf(client.query(text));
        const isActive = `SELECT FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
        while ((await watch.query(isActive, [text])).rowCount === 0) await new Promise(setImmediate);
        const { rows } = await watch.query(`SELECT ${signal}($1) AS done`, [pid]);
        expect(rows).to.deep.equal([{ done: true }]);
        expect(await code).to.equal(expected);
      }
      const { rows } = await watch.query('SELECT pg_terminate_backend($1) AS done', [pid]);
      expect(rows, 'it is gone').to.deep.equal([{ done: false }]);
      await client.end();
    });

    it('a statement is cancelled from a second connection', async () => {
      const sql = postgres({ host, port: served.port, user, database, max: 1 });
      const text = 'SELECT count(*) FROM generate_series(1, 1000000000)';
      const running = sql.unsafe(text).execute();
      const code = codeOf(running);
      const watch = new EmbeddedDatabase(served.engine);
      const isActive = `SELECT FROM pg_stat_activity WHERE state = 'active' AND query = $1`;
      while ((await watch.query(isActive, [text])).rowCount === 0) await new Promise(setImmediate);
      running.cancel();
      expect(await code).to.equal('57014');
      await sql.end();
    });
  });

  describe('with a password', () => {
    let served: ServedDatabase;
    before(async () => {
      served = await ServedDatabase.open({ authentication: 'scram', tls: selfSigned() });
      await new EmbeddedDatabase(served.engine).execute("ALTER ROLE alopex PASSWORD 'sécret, word'");
    });
    after(() => served.close());

    const login = async (options: pg.ClientConfig): Promise<unknown> => {
      const client = new pg.Client({ host, port: served.port, user, database, ...options });
      try {
        await client.connect();
        return (await client.query('SELECT 1 AS one')).rows[0];
      } finally {
        await client.end();
      }
    };

    it('SCRAM-SHA-256 lets in who knows it, and no one else', async () => {
      expect(await login({ password: 'sécret, word' })).to.deep.equal({ one: 1 });
      expect(await codeOf(login({ password: 'wrong' }))).to.equal('28P01');
      expect(await codeOf(login({ password: 'sécret, word', user: 'nobody' }))).to.equal('28P01');
      const sql = postgres({ host, port: served.port, user, database, password: 'sécret, word', max: 1 });
      expect(await sql`SELECT 1 AS one`).to.deep.equal([{ one: 1 }]);
      await sql.end();
    });

    it('a client that does not answer the challenge gets nowhere', async () => {
      const client = served.wire();
      client.send(startup({ user }));
      expect(await client.until('Authentication')).to.deep.equal(['Authentication 10']);
      client.send(query('SELECT 1'));
      expect(await client.until('never')).to.deep.equal([
        'ErrorResponse FATAL 08P01 expected password response, got message of kind query',
      ]);
    });

    it('TLS carries it, with large answers and large parameters', async () => {
      const ssl = { rejectUnauthorized: false };
      const client = new pg.Client({
        host,
        port: served.port,
        user,
        database,
        password: 'sécret, word',
        ssl,
      });
      await client.connect();
      const text = 'é'.repeat(500_000);
      const { rows } = await client.query('SELECT $1::text AS text, length($1::text) AS length', [text]);
      expect(rows[0].length).to.equal(500_000);
      expect(rows[0].text === text).to.equal(true);
      expect(
        (await client.query('SELECT repeat($$x$$, 1000) FROM generate_series(1, 5000)')).rowCount,
      ).to.equal(5000);
      await client.end();
    });

    it('from elsewhere only TLS is taken', async () => {
      const client = served.wire('192.0.2.7');
      client.send(startup({ user }));
      expect(await client.until('never')).to.deep.equal([
        'ErrorResponse FATAL 28000 the server takes only TLS connections from this address',
      ]);
    });

    it('bytes in the clear after an SSL request end the connection', async () => {
      const client = served.wire();
      client.onBytes = (bytes) => {
        expect(bytes[0]).to.equal('E'.charCodeAt(0));
      };
      client.send(Buffer.concat([sslRequest, startup({ user })]));
      await client.until('never');
      expect(client.isClosed).to.equal(true);
    });
  });

  it('a listener on any address but loopback refuses to start without authentication', async () => {
    const served = await ServedDatabase.open();
    const listen = (address: string) =>
      PgServer.listen({
        env: served.engine.env,
        host: served.engine,
        addresses: [{ host: address, port: 0 }],
        authentication: 'trust',
        tls: null,
        onProblem: () => {},
      });
    for (const address of ['0.0.0.0', '::', '192.0.2.7', 'example.org']) {
      const error = await listen(address).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(AlopexError);
      expect((error as AlopexError).message).to.equal(
        `refusing to listen on ${address} without authentication`,
      );
    }
    for (const address of ['localhost', '127.0.0.1', '::1']) await (await listen(address)).close();
    await served.close();
  });
});
