import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import { eq, sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { bigint, integer, jsonb, numeric, pgTable, serial, text, timestamp } from 'drizzle-orm/pg-core';
import knex from 'knex';
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import pg from 'pg';
import { Database, Pool } from '../../api/index.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';

/** Where the libraries' pool comes from, and what closes it. */
type Opened = { readonly pool: Pool | pg.Pool; readonly close: () => Promise<void> };

async function embedded(): Promise<Opened> {
  const path = await mkdtemp(join(tmpdir(), 'alopex-libraries-'));
  const database = await Database.open({ path });
  const pool = new Pool({ database });
  return {
    pool,
    close: async () => {
      await pool.end();
      await database.close();
      await rm(path, { recursive: true, force: true });
    },
  };
}

async function served(): Promise<Opened> {
  const server = await ServedDatabase.open();
  const pool = new pg.Pool({ host: '127.0.0.1', port: server.port, user: 'alopex', database: 'alopex' });
  return {
    pool,
    close: async () => {
      await pool.end();
      // A client that is gone is told nothing.
      while (server.server.connectionCount > 0) await setImmediate();
      await server.close();
    },
  };
}

for (const [place, open] of [
  ['embedded', embedded],
  ['served', served],
] as const) {
  describe(`Libraries over a pool, ${place}`, () => {
    let opened: Opened;
    before(async () => {
      opened = await open();
    });
    after(() => opened.close());

    it('Drizzle: schema, insert returning, joins, transactions, values', async () => {
      const authors = pgTable('d_author', { id: serial().primaryKey(), name: text().notNull() });
      const books = pgTable('d_book', {
        id: serial().primaryKey(),
        author: integer().notNull(),
        title: text().notNull(),
        price: numeric(),
        sold: bigint({ mode: 'bigint' }),
        tags: jsonb().$type<{ kind: string }>(),
        printed: timestamp({ withTimezone: true }),
      });
      const db = drizzle({ client: opened.pool as pg.Pool });
      await db.execute(sql`CREATE TABLE d_author (id serial PRIMARY KEY, name text NOT NULL)`);
      await db.execute(
        sql`CREATE TABLE d_book (id serial PRIMARY KEY, author int NOT NULL, title text NOT NULL, price numeric, sold int8, tags jsonb, printed timestamptz)`,
      );
      const [ann, bob] = await db
        .insert(authors)
        .values([{ name: 'ann' }, { name: 'bob' }])
        .returning();
      const printed = new Date('2024-05-06T07:08:09.123Z');
      const book = {
        author: ann!.id,
        title: 'x',
        price: '12.50',
        sold: 2n ** 60n,
        tags: { kind: 'y' },
        printed,
      };
      const inserted = await db.insert(books).values(book).returning();
      expect(inserted).to.deep.equal([{ id: 1, ...book }]);
      await db.insert(books).values({ author: bob!.id, title: 'z' });
      const joined = await db
        .select({ name: authors.name, title: books.title })
        .from(books)
        .innerJoin(authors, eq(books.author, authors.id))
        .orderBy(authors.name);
      expect(joined).to.deep.equal([
        { name: 'ann', title: 'x' },
        { name: 'bob', title: 'z' },
      ]);
      const reason = await db
        .transaction(async (transaction) => {
          await transaction.insert(authors).values({ name: 'carl' });
          await transaction
            .transaction(async (nested) => {
              await nested.update(authors).set({ name: 'nobody' });
              nested.rollback();
            })
            .catch(() => {});
          expect(await transaction.select().from(authors)).to.have.deep.members([
            ann,
            bob,
            { id: 3, name: 'carl' },
          ]);
          transaction.rollback();
        })
        .catch((error: unknown) => error);
      expect(String(reason)).to.contain('Rollback');
      expect(await db.select().from(authors)).to.deep.equal([ann, bob]);
      const find = db
        .select()
        .from(authors)
        .where(eq(authors.id, sql.placeholder('id')))
        .prepare('find_author');
      expect(await find.execute({ id: 2 })).to.deep.equal([bob]);
      expect(await find.execute({ id: 9 })).to.deep.equal([]);
    });

    it('Kysely: schema, insert returning, joins, transactions, values', async () => {
      type Tables = {
        k_author: { id: Generated<number>; name: string };
        k_book: {
          id: Generated<number>;
          author: number;
          title: string;
          price: string | null;
          bytes: Buffer | null;
        };
      };
      const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool: opened.pool }) });
      await db.schema
        .createTable('k_author')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('name', 'varchar(20)', (column) => column.notNull().unique())
        .execute();
      await db.schema
        .createTable('k_book')
        .addColumn('id', 'serial', (column) => column.primaryKey())
        .addColumn('author', 'integer', (column) => column.notNull())
        .addColumn('title', 'text')
        .addColumn('price', 'numeric')
        .addColumn('bytes', 'bytea')
        .execute();
      const { id } = await db
        .insertInto('k_author')
        .values({ name: 'ann' })
        .returning('id')
        .executeTakeFirstOrThrow();
      const bytes = Buffer.from([0, 255, 7]);
      const [inserted] = await db
        .insertInto('k_book')
        .values({ author: id, title: 'x', price: '1.50', bytes })
        .returningAll()
        .execute();
      expect(inserted).to.deep.equal({ id: 1, author: id, title: 'x', price: '1.50', bytes });
      const joined = await db
        .selectFrom('k_book')
        .leftJoin('k_author', 'k_author.id', 'k_book.author')
        .select(['name', 'title'])
        .where('title', 'in', ['x', 'y'])
        .execute();
      expect(joined).to.deep.equal([{ name: 'ann', title: 'x' }]);
      const duplicate = await db
        .transaction()
        .setIsolationLevel('serializable')
        .execute(async (transaction) => {
          await transaction.insertInto('k_author').values({ name: 'bob' }).execute();
          await transaction.insertInto('k_author').values({ name: 'ann' }).execute();
        })
        .catch((error: { code: string; constraint: string }) => error);
      expect(duplicate).to.include({ code: '23505' });
      const updated = await db
        .updateTable('k_author')
        .set({ name: 'eve' })
        .where('id', '=', id)
        .executeTakeFirst();
      expect(updated.numUpdatedRows).to.equal(1n);
      expect(await db.selectFrom('k_author').selectAll().execute()).to.deep.equal([{ id, name: 'eve' }]);
    });

    it('Knex: schema, insert returning, joins, transactions, values', async () => {
      const db = knex({ client: 'pg', connectionPool: opened.pool } as knex.Knex.Config);
      await db.schema.createTable('x_author', (table) => {
        table.increments('id');
        table.string('name').notNullable();
        table.specificType('born', 'timestamptz');
      });
      await db.schema.createTable('x_book', (table) => {
        table.increments('id');
        table.integer('author');
        table.text('title');
        table.jsonb('tags');
      });
      const born = new Date('1950-01-02T03:04:05.678Z');
      const [ann] = await db('x_author').insert({ name: 'ann', born }).returning('*');
      expect(ann).to.deep.equal({ id: 1, name: 'ann', born });
      await db('x_book').insert([
        { author: 1, title: 'x', tags: { a: [1] } },
        { author: 1, title: "what's ?", tags: null },
      ]);
      const joined = await db('x_book')
        .join('x_author', 'x_author.id', 'x_book.author')
        .select('name', 'title', 'tags')
        .orderBy('title', 'desc');
      expect(joined).to.deep.equal([
        { name: 'ann', title: 'x', tags: { a: [1] } },
        { name: 'ann', title: "what's ?", tags: null },
      ]);
      const reason = new Error('changed its mind');
      const undone = await db
        .transaction(async (transaction) => {
          expect(await transaction('x_author').update({ name: 'eve' })).to.equal(1);
          throw reason;
        })
        .catch((error: unknown) => error);
      expect(undone).to.equal(reason);
      expect(await db('x_author').pluck('name')).to.deep.equal(['ann']);
      // node-postgres's own pool throws where Knex releases a stream's client twice.
      if (place === 'embedded') {
        const streamed: unknown[] = [];
        for await (const row of db('x_book').select('title').orderBy('title').stream()) streamed.push(row);
        expect(streamed).to.deep.equal([{ title: "what's ?" }, { title: 'x' }]);
      }
      expect(await db('x_book').where({ title: 'x' }).del()).to.equal(1);
      expect(await db.schema.hasTable('x_book')).to.equal(true);
      expect(await db.raw('SELECT count(*) FROM x_book')).to.deep.include({ rows: [{ count: '1' }] });
    });
  });
}
