import { AlopexError, Database, type QueryResult } from 'alopex-db';

await using db: Database = await Database.open({ path: './data' });

await db.execute('CREATE TABLE docs (id TEXT, vec VECTOR(384))');
const inserted: number = await db.execute('INSERT INTO docs VALUES (?, ?)', ['a', new Float32Array(384)]);
const result: QueryResult<{ id: string }> = await db.query<{ id: string }>('SELECT id FROM docs');
const first: string | undefined = result.rows[0]?.id;
await db.transaction(
  async (transaction) => {
    const statement = await transaction.prepare<{ id: string }>('SELECT id FROM docs WHERE id = $1');
    for await (const { id } of transaction.stream<{ id: string }>('SELECT id FROM docs')) {
      await statement.query([id]);
    }
  },
  { isolation: 'serializable', readOnly: true },
);
for await (const change of db.tail({ table: 'docs', from: 0 })) {
  if (change.operation === 'c') break;
}

export function isConflict(error: unknown): boolean {
  return error instanceof AlopexError && error.code === '40001';
}
export const seen: readonly [number, string | undefined] = [inserted, first];

// @ts-expect-error: a database is a directory or a server, by name
await Database.open({ directory: './data' });
