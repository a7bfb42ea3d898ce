import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import { Database } from '../../api/index.ts';
import { change, loadAll, runScript } from './real-data.ts';

/** Loads and changes the data in the directory that it is given, says so, and waits to be killed. */
const [path, folder] = process.argv.slice(2);
const database = await Database.open({ path: path! });
if (!(database instanceof EmbeddedDatabase)) throw new TypeError('a path opens a database in process');
const session = database.borrow();
await loadAll(session, folder!);
await runScript(session, change);
process.stdout.write('changed\n');
setInterval(() => {}, 1_000);
