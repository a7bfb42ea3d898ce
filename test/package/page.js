import { Database } from 'alopex-db';

const db = await Database.open({ path: './data' });

// Use like SQLite, but with vectors!
await db.execute('CREATE TABLE docs (id TEXT, vec VECTOR(384))');

const vector = (first) => Float32Array.from({ length: 384 }, (_value, index) => (index === 0 ? first : 0));
await db.execute('INSERT INTO docs VALUES ($1, $2), ($3, $4)', ['a', vector(1), 'b', vector(5)]);
// Rows leave memory for files in a worker thread, whose module the package has to find.
await db.execute('CHECKPOINT');
const { rows } = await db.query('SELECT id FROM docs ORDER BY vec <-> ? LIMIT 1', [vector(1.5)]);
console.log(`the nearest is ${rows[0].id}`);
await db.close();
