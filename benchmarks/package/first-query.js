// In a project that has installed the package: how long it takes from nothing to an answer, in milliseconds, and what the
// process then holds, in kB.
import { readFileSync } from 'node:fs';

const start = performance.now();
const { Database } = await import('alopex-db');
const database = await Database.open({ path: process.argv[2] });
await database.query('SELECT name FROM t WHERE id = 1');
const milliseconds = performance.now() - start;
const status = readFileSync('/proc/self/status', 'utf8');
console.log(JSON.stringify({ milliseconds, residentKb: Number(/^VmRSS:\s+(\d+) kB/m.exec(status)[1]) }));
await database.close();
