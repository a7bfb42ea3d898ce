// Alopex in your own process: like SQLite, but with vectors. In a clone, run it on the sources:
// `npx node --conditions=source examples/embedded.ts [directory]`.
import { Database } from 'alopex-db';

const path = process.argv[2] ?? './data';

// One directory holds everything. `await using` closes it at the end.
await using db = await Database.open({ path });

await db.execute('CREATE TABLE IF NOT EXISTS docs (id TEXT PRIMARY KEY, title TEXT NOT NULL, vec VECTOR(3))');

// A transaction: all of it or nothing. It is on disk when the promise resolves.
await db.transaction(async (transaction) => {
  const insert = await transaction.prepare(
    'INSERT INTO docs VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET title = excluded.title, vec = excluded.vec',
  );
  await insert.execute(['tea', 'How to brew tea', new Float32Array([1, 0, 0])]);
  await insert.execute(['pot', 'Choosing a teapot', new Float32Array([0.9, 0.1, 0])]);
  await insert.execute(['shoe', 'Resoling a shoe', new Float32Array([0, 0, 1])]);
});

// The nearest two; `?` and `$1` both stand for parameters.
const { rows } = await db.query<{ title: string }>('SELECT title FROM docs ORDER BY vec <-> ? LIMIT 2', [
  new Float32Array([1, 0, 0]),
]);
for (const { title } of rows) console.log(title);

// Rows as they come, in bounded memory.
for await (const { id } of db.stream<{ id: string }>('SELECT id FROM docs ORDER BY id')) console.log(id);

// The log is the database: the changes of a table, from its first one, as they were committed.
for await (const { operation, after } of db.tail({ table: 'docs', from: 0 })) {
  console.log(operation, after?.id);
  if (after?.id === 'tea') break;
}
